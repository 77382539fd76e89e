"""The list of chats: names, times, renaming and deleting with undo."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand

from app.context import AppContext
from engine.protocol import (
    ChatSummary,
    Command,
    Event,
    Failed,
    Finished,
    ListChats,
    RenameChat,
    SetChatDeleted,
)

TITLE_CHARS = 60


class ChatShelf(QObject):
    """All stored chats, newest first."""

    changed = Signal()

    def __init__(self, context: AppContext, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.chats: tuple[ChatSummary, ...] = ()

    def refresh(self) -> None:
        """Ask the engine for the list."""
        self._context.client.send(ListChats(), done=self._listed)

    def title(self, chat_id: str) -> str:
        """A chat's title; '' for one that is not stored."""
        return next((chat.title for chat in self.chats if chat.chat_id == chat_id), "")

    def touch(self, chat_id: str, question: str, n_messages: int) -> None:
        """A question was asked: the chat stands first, under its first question if it is new."""
        title = self.title(chat_id) or " ".join(question.split())[:TITLE_CHARS]
        newest = ChatSummary(chat_id=chat_id, title=title, updated_at=time.time(), n_messages=n_messages)
        self._set((newest, *(chat for chat in self.chats if chat.chat_id != chat_id)))

    def rename(self, chat_id: str, title: str) -> None:
        """Give a chat another title; an empty or equal one changes nothing."""
        old, new = self.title(chat_id), " ".join(title.split())
        if new and old and new != old:
            self._context.undo.push(
                _Step(
                    f"Rename chat to “{new}”",
                    lambda: self._rename(chat_id, new),
                    lambda: self._rename(chat_id, old),
                )
            )

    def delete(self, chat_id: str) -> None:
        """Take a chat off the list."""
        chat = next((chat for chat in self.chats if chat.chat_id == chat_id), None)
        if chat is not None:
            self._context.undo.push(
                _Step(
                    f"Delete chat “{chat.title}”",
                    lambda: self._set_deleted(chat_id, True),
                    lambda: self._set_deleted(chat_id, False),
                )
            )

    def _rename(self, chat_id: str, title: str) -> None:
        self._set(tuple(replace(c, title=title) if c.chat_id == chat_id else c for c in self.chats))
        self._send(RenameChat(chat_id=chat_id, title=title))

    def _set_deleted(self, chat_id: str, deleted: bool) -> None:
        if deleted:
            self._set(tuple(chat for chat in self.chats if chat.chat_id != chat_id))
        self._send(SetChatDeleted(chat_id=chat_id, deleted=deleted))

    def _send(self, command: Command) -> None:
        self._context.client.send(command, done=self._done)
        self.refresh()

    def _done(self, event: Event) -> None:
        if isinstance(event, Failed):
            self._context.notices.show_error(event.error)

    def _listed(self, event: Event) -> None:
        if isinstance(event, Finished) and isinstance(event.result, tuple):
            self._set(event.result)
        else:
            self._done(event)

    def _set(self, chats: tuple[ChatSummary, ...]) -> None:
        self.chats = chats
        self.changed.emit()


class _Step(QUndoCommand):
    def __init__(self, text: str, do: Callable[[], None], undo: Callable[[], None]) -> None:
        super().__init__(text)
        self._do, self._undo = do, undo

    def redo(self) -> None:
        self._do()

    def undo(self) -> None:
        self._undo()
