"""The chats as rows: filtered by words of the title, renamed by editing."""

from __future__ import annotations

import time

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from app.chat import ChatController
from engine.protocol import ChatSummary

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
# Qt sets the process's locale, and the rest of the window speaks English.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def when(updated_at: float, now: float) -> str:
    """A time as people say it: 'just now', '14:05', 'yesterday', '3 Nov'."""
    then, today = time.localtime(updated_at), time.localtime(now)
    if now - updated_at < 90:
        return "just now"
    if then[:3] == today[:3]:
        return time.strftime("%H:%M", then)
    if then[:3] == time.localtime(now - 86_400)[:3]:
        return "yesterday"
    words = f"{then.tm_mday} {_MONTHS[then.tm_mon - 1]}"
    return words if then.tm_year == today.tm_year else f"{words} {then.tm_year}"


class ChatListModel(QAbstractListModel):
    """The chats whose title holds the filter's words; editing a row renames its chat."""

    def __init__(self, chat: ChatController, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._chat, self._filter = chat, ""
        self._rows: tuple[ChatSummary, ...] = ()
        chat.chats_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Take the list as it is now."""
        words = self._filter.casefold().split()
        rows = tuple(
            chat for chat in self._chat.shelf.chats if all(word in chat.title.casefold() for word in words)
        )
        if rows == self._rows:
            return
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def set_filter(self, text: str) -> None:
        """Show only chats whose title holds every word."""
        self._filter = text
        self.refresh()

    def chat_at(self, index: Index) -> ChatSummary | None:
        """The chat of a row."""
        return self._rows[index.row()] if index.isValid() and index.row() < len(self._rows) else None

    def row_of(self, chat_id: str) -> int:
        """The row of a chat, or -1."""
        return next((i for i, chat in enumerate(self._rows) if chat.chat_id == chat_id), -1)

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        chat = self.chat_at(index)
        if chat is None:
            return None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole, Qt.ItemDataRole.ToolTipRole):
            return chat.title
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{chat.title}, {when(chat.updated_at, time.time())}"
        return None

    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        chat = self.chat_at(index)
        if chat is None or role != Qt.ItemDataRole.EditRole:
            return False
        self._chat.rename_chat(chat.chat_id, str(value))
        return True

    def flags(self, index: Index) -> Qt.ItemFlag:
        usual = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable
        return usual if index.isValid() else Qt.ItemFlag.NoItemFlags
