"""Which token is looked at: marks it in its message and keeps the card beside it."""

from __future__ import annotations

from PySide6.QtCore import QObject, QPoint, QRect, Signal
from PySide6.QtWidgets import QWidget

from app.chat import ChatController
from app.chat_record import token_at
from app.theme import Theme
from app.views.conversation.answer import AnswerView
from app.views.conversation.transcript import Transcript
from app.views.token_inspector import TokenInspector

GAP_PX = 6


class Inspection(QObject):
    """``selected`` gives a message and a token of it, or ('', -1) when none is looked at any more."""

    selected = Signal(str, int)

    def __init__(self, chat: ChatController, transcript: Transcript, theme: Theme, surface: QWidget) -> None:
        super().__init__(surface)
        self._chat, self._transcript, self._surface = chat, transcript, surface
        self._message_id, self._index = "", -1
        self.panel = TokenInspector(theme, surface)
        self.panel.moved.connect(self._move)
        self.panel.closed.connect(self.close)
        transcript.token_clicked.connect(self.select_at)
        transcript.verticalScrollBar().valueChanged.connect(self._place)
        chat.path_changed.connect(self._path_changed)

    def select_at(self, message_id: str, character: int) -> None:
        """Look at the token that holds this character of the message."""
        index = token_at(self._chat.token_stats(message_id), character)
        if index is not None:
            self.select(message_id, index)

    def select(self, message_id: str, index: int) -> None:
        """Look at token ``index`` of a message; one that is not there closes the card."""
        tokens = self._chat.token_stats(message_id)
        if not 0 <= index < len(tokens):
            self.close()
            return
        if message_id != self._message_id:
            self._unmark()
        moved = (message_id, index) != (self._message_id, self._index)
        self._message_id, self._index = message_id, index
        record = self._chat.tree.get(message_id).record
        self.panel.show_token(tokens[index], len(tokens), record.gains_at(index))
        self._place()
        self.panel.show()
        self.panel.raise_()
        self.panel.setFocus()
        if moved:
            self.selected.emit(message_id, index)

    def close(self) -> None:
        """Look at no token."""
        if not self._message_id:
            return
        self._unmark()
        view = self._transcript.view(self._message_id)
        had_focus = self.panel.isAncestorOf(self.panel.focusWidget() or self.panel) or self.panel.hasFocus()
        self._message_id, self._index = "", -1
        self.panel.hide()
        if view is not None and had_focus:
            view.setFocus()
        self.selected.emit("", -1)

    def _move(self, delta: int) -> None:
        last = len(self._chat.token_stats(self._message_id)) - 1
        self.select(self._message_id, max(0, min(last, self._index + delta)))

    def _unmark(self) -> None:
        view = self._transcript.view(self._message_id)
        if isinstance(view, AnswerView):
            view.mark_token(0, 0)

    def _path_changed(self) -> None:
        if self._message_id and self._transcript.view(self._message_id) is None:
            self.close()

    def _place(self) -> None:
        """Mark the token and put the card below it, or above where there is no room."""
        view = self._transcript.view(self._message_id)
        if not isinstance(view, AnswerView):
            return
        token = self._chat.token_stats(self._message_id)[self._index]
        rect = view.mark_token(token.start, token.end)
        if rect is None:
            return
        self.panel.move(self._beside(QRect(view.mapTo(self._surface, rect.topLeft()), rect.size())))

    def _beside(self, token: QRect) -> QPoint:
        area, size = self._surface.rect(), self.panel.sizeHint()
        x = max(8, min(token.left() - 16, area.right() - self.panel.width() - 8))
        y = token.bottom() + GAP_PX
        if y + size.height() > area.bottom() - 8:
            y = token.top() - GAP_PX - size.height()
        return QPoint(x, max(8, y))
