"""The list of chats under its button."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from app.chat import ChatController
from app.context import AppContext
from app.views.chat_list import ChatList

WIDTH_PX, HEIGHT_PX = 340, 420


class ChatsPopover(QFrame):
    """Esc or a click beside it closes it."""

    def __init__(self, context: AppContext, chat: ChatController, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setObjectName("popup")
        self.setAccessibleName("Chats")
        self.resize(WIDTH_PX, HEIGHT_PX)
        self.chats = ChatList(context, chat, self)
        self.chats.picked.connect(self.hide)
        inside = QVBoxLayout(self)
        inside.setContentsMargins(12, 12, 12, 12)
        inside.addWidget(self.chats)

    def open_below(self, anchor: QWidget) -> None:
        """Show the list under ``anchor``."""
        self.move(anchor.mapToGlobal(QPoint(0, anchor.height() + 4)))
        self.show()
        self.chats.search.setFocus()
