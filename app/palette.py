"""The command palette: every action by a few letters of its name, keyboard only."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QAction, QColor, QKeyEvent, QKeySequence, QPainter
from PySide6.QtWidgets import (
    QFrame,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app.actions import ActionRegistry
from app.theme import Theme

WIDTH_PX, ROW_PX, ROWS = 520, 32, 10
OWN_TEXT_BONUS = 500
_ACTION = Qt.ItemDataRole.UserRole
_Index = QModelIndex | QPersistentModelIndex


def score(query: str, text: str) -> int | None:
    """How well ``text`` holds the letters of ``query`` in their order; None when it does not. Starts
    of words and letters in a row count more, and short texts come first."""
    text_low, at, total, run = text.lower(), 0, 0, 0
    for letter in query.lower().replace(" ", ""):
        found = text_low.find(letter, at)
        if found < 0:
            return None
        run = run + 1 if found == at else 0
        total += 1 + 5 * run + (5 if found == 0 or not text_low[found - 1].isalnum() else 0)
        at = found + 1
    return total * 100 - len(text)


def matches(query: str, actions: ActionRegistry) -> list[QAction]:
    """The enabled actions that fit, best first (all of them for an empty query)."""
    ranked = [(_rank(query, action), action) for action in actions if action.isEnabled()]
    found = [(points, action) for points, action in ranked if points is not None]
    if query.strip():
        found.sort(key=lambda pair: -pair[0])
    return [action for _, action in found]


def _rank(query: str, action: QAction) -> int | None:
    """What stands in the action's own text counts more than what its menu's name adds."""
    own, whole = score(query, plain(action)), score(query, words(action))
    if own is None:
        return whole
    return max(own + OWN_TEXT_BONUS, whole or 0)


def plain(action: QAction) -> str:
    """The action's text without its ampersands."""
    return action.text().replace("&", "")


def words(action: QAction) -> str:
    """What the palette calls an action: its menu and its text."""
    menu = action.data()
    return f"{menu}: {plain(action)}" if menu else plain(action)


class CommandPalette(QFrame):
    """A popup over the window: type, choose with the arrows, Enter runs, Escape leaves."""

    def __init__(self, actions: ActionRegistry, theme: Theme, window: QWidget) -> None:
        super().__init__(window, Qt.WindowType.Popup)
        self._actions, self._window = actions, window
        self.setObjectName("popup")
        self.setAccessibleName("Command palette")
        self._query = QLineEdit()
        self._query.setPlaceholderText("Type a command…")
        self._query.setAccessibleName("Command")
        self._list = QListWidget()
        self._list.setAccessibleName("Commands")
        self._list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._list.setItemDelegate(_Row(theme, self._list))
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 10, 10, 10)
        layout.addWidget(self._query)
        layout.addWidget(self._list)
        self._query.textChanged.connect(self._fill)
        self._query.installEventFilter(self)
        self._list.itemClicked.connect(lambda item: self._run(item))

    def open(self) -> None:
        """Show all commands under the middle of the window's upper edge."""
        window = self._window
        self._query.clear()
        self._fill("")
        self.setFixedWidth(WIDTH_PX)
        corner = window.mapToGlobal(window.rect().topLeft())
        self.move(corner.x() + (window.width() - WIDTH_PX) // 2, corner.y() + 56)
        self.show()
        self._query.setFocus()

    def _fill(self, query: str) -> None:
        self._list.clear()
        for action in matches(query, self._actions):
            item = QListWidgetItem(words(action))
            item.setData(_ACTION, action)
            item.setIcon(action.icon())
            self._list.addItem(item)
        self._list.setCurrentRow(0)
        self._list.setFixedHeight(ROW_PX * min(ROWS, max(1, self._list.count())) + 4)
        self.adjustSize()

    def _run(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.hide()
            item.data(_ACTION).trigger()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return False
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._run(self._list.currentItem())
            return True
        steps = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: ROWS, Qt.Key.Key_PageUp: -ROWS}
        step = steps.get(Qt.Key(event.key()))
        if step is None:
            return False
        row = min(self._list.count() - 1, max(0, self._list.currentRow() + step))
        self._list.setCurrentRow(row)
        return True


class _Row(QStyledItemDelegate):
    """An action's words at the left, its shortcut at the right."""

    def __init__(self, theme: Theme, parent: QObject) -> None:
        super().__init__(parent)
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        return QSize(WIDTH_PX - 40, ROW_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        colors = self._theme.colors
        rect: QRect = option.rect
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.hover))
            painter.drawRoundedRect(rect, 6, 6)
        action: QAction = index.data(_ACTION)
        action.icon().paint(painter, QRect(rect.x() + 10, rect.y() + 8, 16, 16))
        inner = rect.adjusted(36, 0, -12, 0)
        painter.setPen(QColor(colors.text))
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter, plain(action))
        shortcut = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        painter.setPen(QColor(colors.muted))
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, shortcut)
        painter.restore()
