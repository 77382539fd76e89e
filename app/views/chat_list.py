"""The conversations: search, open, rename in place, delete with undo."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QModelIndex, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLineEdit,
    QListView,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.chat import ChatController
from app.context import AppContext
from app.models.chats import ChatListModel, Index, when
from app.theme import Theme
from app.views.parts import button, label
from engine.protocol import ChatSummary

ROW_PX, PAD_PX = 46, 10


class _Delegate(QStyledItemDelegate):
    def __init__(self, theme: Theme, model: ChatListModel, chat: ChatController, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme, self._model, self._chat = theme, model, chat

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(200, ROW_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        chat = self._model.chat_at(index)
        if chat is None:
            return
        colors, rect = self._theme.colors, option.rect.adjusted(2, 2, -2, -2)
        state = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver):
            painter.setBrush(QColor(colors.hover))
            painter.drawRoundedRect(rect, 7, 7)
        if chat.chat_id == self._chat.chat_id:
            painter.setBrush(QColor(colors.accent))
            painter.drawRoundedRect(QRect(rect.left(), rect.top() + 8, 3, rect.height() - 16), 1.5, 1.5)
        self._words(painter, rect.adjusted(PAD_PX, 3, -PAD_PX, -3), chat)
        painter.restore()

    def _words(self, painter: QPainter, rect: QRect, chat: ChatSummary) -> None:
        colors, half = self._theme.colors, rect.height() // 2
        top, below = QRect(rect.left(), rect.top(), rect.width(), half), rect.adjusted(0, half, 0, 0)
        painter.setPen(QColor(colors.text))
        title = painter.fontMetrics().elidedText(chat.title, Qt.TextElideMode.ElideRight, rect.width())
        painter.drawText(top, Qt.AlignmentFlag.AlignVCenter, title)
        font = painter.font()
        font.setPointSizeF(8.5)
        painter.setFont(font)
        painter.setPen(QColor(colors.muted))
        count = "1 message" if chat.n_messages == 1 else f"{chat.n_messages} messages"
        painter.drawText(
            below, Qt.AlignmentFlag.AlignVCenter, f"{when(chat.updated_at, time.time())} · {count}"
        )

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: Index) -> None:
        editor.setGeometry(option.rect.adjusted(4, 7, -4, -7))


class _View(QListView):
    removed = Signal()
    opened = Signal(QModelIndex)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Delete:
            self.removed.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.opened.emit(self.currentIndex())
        else:
            super().keyPressEvent(event)


class ChatList(QWidget):
    """``picked`` when a chat was opened or begun (a popover closes then)."""

    picked = Signal()

    def __init__(self, context: AppContext, chat: ChatController, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._chat = chat
        self.model = ChatListModel(chat, self)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search chats")
        self.search.setAccessibleName("Search chats")
        self.search.setClearButtonEnabled(True)
        for clear in self.search.findChildren(QToolButton):
            clear.setAccessibleName("Clear the search")
        self.search.textChanged.connect(self.model.set_filter)
        self.view = self._make_view(context.theme)
        self._empty = label("", "muted", wrap=True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        new = button("New chat", "Begin an empty conversation  (Ctrl+N)")
        new.clicked.connect(self._new)
        row = QHBoxLayout()
        row.addWidget(self.search, 1)
        row.addWidget(new)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addLayout(row)
        column.addWidget(self._empty)
        column.addWidget(self.view, 1)
        self.model.modelReset.connect(self._refreshed)
        chat.path_changed.connect(self.view.viewport().update)
        self._refreshed()

    def _make_view(self, theme: Theme) -> _View:
        view = _View()
        view.setModel(self.model)
        view.setItemDelegate(_Delegate(theme, self.model, self._chat, view))
        view.setAccessibleName("Chats")
        view.setMouseTracking(True)
        view.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(self._menu)
        view.clicked.connect(self._open)
        view.opened.connect(self._open)
        view.removed.connect(lambda: self._delete(view.currentIndex()))
        return view

    def _refreshed(self) -> None:
        filtered = bool(self.search.text().strip())
        self._empty.setText("No chat has these words in its title." if filtered else "No chats yet.")
        self._empty.setVisible(self.model.rowCount() == 0)
        row = self.model.row_of(self._chat.chat_id)
        if row >= 0:
            self.view.setCurrentIndex(self.model.index(row))

    def _open(self, index: QModelIndex) -> None:
        chat = self.model.chat_at(index)
        if chat is not None:
            self._chat.open_chat(chat.chat_id)
            self.picked.emit()

    def _new(self) -> None:
        self._chat.new_chat()
        self.picked.emit()

    def _delete(self, index: QModelIndex) -> None:
        chat = self.model.chat_at(index)
        if chat is not None:
            self._chat.delete_chat(chat.chat_id)

    def _menu(self, at: QPoint) -> None:
        index = self.view.indexAt(at)
        if not index.isValid():
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        entries: tuple[tuple[str, Callable[[], object]], ...] = (
            ("Open", lambda: self._open(index)),
            ("Rename  (F2)", lambda: self.view.edit(index)),
            ("Delete  (Del)", lambda: self._delete(index)),
        )
        for text, do in entries:
            menu.addAction(text).triggered.connect(do)
        menu.popup(self.view.viewport().mapToGlobal(at))
