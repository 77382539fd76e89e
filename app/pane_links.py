"""What one pane says that concerns another: a token looked at in both text and plots, a hit opened."""

from __future__ import annotations

from PySide6.QtCore import QObject

from app.chat import ChatController
from app.views.conversation.view import ConversationView
from app.views.library.panel import LibraryPanel
from app.views.plots.panel import PlotsPanel
from engine.protocol import Citation, Hit


class PaneLinks(QObject):
    """Lives as long as the panes do."""

    def __init__(
        self, chat: ChatController, conversation: ConversationView, plots: PlotsPanel, library: LibraryPanel
    ) -> None:
        super().__init__(conversation)
        self._chat, self._conversation, self._plots = chat, conversation, plots
        self._message_id = ""  # whose answer the plots show; '' is the newest
        conversation.token_selected.connect(self._from_text)
        plots.token_selected.connect(self._from_plots)
        chat.streaming_changed.connect(self._streaming)
        library.open_hit.connect(self._open)

    def _from_text(self, message_id: str, index: int) -> None:
        if message_id and message_id != self._message_id:
            self._plots.show_answer(self._chat.token_stats(message_id))
            self._message_id = message_id
        self._plots.select_token(index)

    def _from_plots(self, index: int) -> None:
        if index >= 0 and self._message_id:
            self._conversation.inspection.select(self._message_id, index)
        else:
            self._conversation.inspect(index)

    def _streaming(self, streaming: bool) -> None:
        """A new answer takes the plots over."""
        if streaming:
            self._message_id = ""

    def _open(self, hit: Hit) -> None:
        self._conversation.passages.open_citations((Citation(number=1, hit=hit),), 1)
