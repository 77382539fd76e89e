"""The conversation card: transcript or welcome, token inspector, composer, chats."""

from __future__ import annotations

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QMessageBox, QStackedWidget, QWidget

from app.chat import ChatController
from app.context import AppContext
from app.views.card import Card
from app.views.conversation.answer import AnswerView
from app.views.conversation.chats_popover import ChatsPopover
from app.views.conversation.composer import Composer
from app.views.conversation.inspection import Inspection
from app.views.conversation.question import QuestionView
from app.views.conversation.transcript import Transcript
from app.views.conversation.welcome import Welcome, sample_questions
from app.views.parts import action_button
from app.views.passage_viewer import PassageViewer


class ConversationView(Card):
    """Registers its actions and brings the chats back; everything it shows comes from ``chat``.
    ``token_selected`` gives a message and a token of it, or ('', -1)."""

    token_selected = Signal(str, int)

    def __init__(self, context: AppContext, chat: ChatController, parent: QWidget | None = None) -> None:
        super().__init__("Conversation", parent=parent)
        self._context, self._chat = context, chat
        self.transcript = Transcript(chat, context.theme, self)
        self.welcome = Welcome(sample_questions(), self)
        self.composer = Composer(context, chat, self)
        self._pages = QStackedWidget(self)
        self._pages.addWidget(self.welcome)
        self._pages.addWidget(self.transcript)
        self.content.addWidget(self._pages, 1)
        self.content.addWidget(self.composer)
        self.inspection = Inspection(chat, self.transcript, context.theme, self)
        self.inspection.selected.connect(self.token_selected)
        self.passages = PassageViewer(context, self)
        self.chats = ChatsPopover(context, chat, self)
        self.transcript.citation_opened.connect(self.open_citation)
        self.welcome.asked.connect(self.composer.ask)
        self.composer.edit_last.connect(self.edit_last)
        self.transcript.link_followed.connect(self._ask_to_open)
        chat.path_changed.connect(self._show_page)
        chat.context_changed.connect(self._show_context)
        self.setFocusProxy(self.composer.box)
        self._add_actions()
        self._add_tools()
        self._show_page()
        self._show_context(*chat.context_use)
        chat.start()

    def inspect(self, index: int) -> None:
        """Look at token ``index`` of the last answer; -1 looks at none."""
        answers = [view for view in self.transcript.views() if isinstance(view, AnswerView)]
        if index >= 0 and answers:
            self.inspection.select(answers[-1].node.message_id, index)
        else:
            self.inspection.close()

    def open_citation(self, message_id: str, number: int) -> None:
        """Open the passage that a number of an answer points to."""
        record = self._chat.tree.get(message_id).record
        self.passages.open_citations(record.cited(), number)

    def edit_last(self) -> None:
        """Edit the last question."""
        for view in reversed(self.transcript.views()):
            if isinstance(view, QuestionView):
                view.edit()
                return

    def _show_page(self) -> None:
        page = self.transcript if self._chat.path else self.welcome
        if self._pages.currentWidget() is not page:
            self._pages.setCurrentWidget(page)
            self.composer.box.setFocus()

    def _show_context(self, used: int, size: int) -> None:
        self.set_subtitle(f"context {used:,} / {size:,}" if size else "")

    def _add_actions(self) -> None:
        add, chat = self._context.actions.add, self._chat
        add("chat.list", "Open a &chat…", self._open_chats, "Ctrl+H", "Chat", "chat")
        add("chat.new", "&New chat", chat.new_chat, "Ctrl+N", "Chat", "plus")
        add("chat.stop", "&Stop the answer", chat.stop, "Esc", "Chat", "stop")
        add("chat.regenerate", "Answer &again", lambda: chat.regenerate(), "Ctrl+R", "Chat", "refresh")
        add("chat.copy_last", "&Copy the last answer", lambda: chat.copy(), "Ctrl+Shift+C", "Chat", "copy")
        add("chat.edit_last", "&Edit the last question", self.edit_last, "Ctrl+Shift+E", "Chat", "edit")
        add("chat.focus_composer", "&Write a message", self.composer.box.setFocus, "Ctrl+L", "Chat", "chat")

        stop = self._context.actions.get("chat.stop")
        stop.setEnabled(chat.streaming)
        chat.streaming_changed.connect(stop.setEnabled)

    def _add_tools(self) -> None:
        get = self._context.actions.get
        self._chats_button = action_button(get("chat.list"))
        for place, button in enumerate((self._chats_button, action_button(get("chat.new")))):
            self.header.insertWidget(1 + place, button)

    def _open_chats(self) -> None:
        self.chats.open_below(self._chats_button)

    def _ask_to_open(self, target: str) -> None:
        """Links leave the program only when the person says so."""
        box = QMessageBox(self)
        box.setWindowTitle("Open a link")
        box.setText("Open this address in your browser?")
        box.setInformativeText(target)
        box.setStandardButtons(QMessageBox.StandardButton.Open | QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(QMessageBox.StandardButton.Cancel)
        box.accepted.connect(lambda: QDesktopServices.openUrl(QUrl(target)))
        box.open()
