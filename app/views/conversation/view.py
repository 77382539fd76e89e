"""The conversation card: transcript or welcome, token inspector, composer, chats."""

from __future__ import annotations

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QMessageBox, QStackedWidget, QWidget

from app.chat import ChatController
from app.context import AppContext
from app.views.card import Card
from app.views.conversation.composer import Composer
from app.views.conversation.question import QuestionView
from app.views.conversation.transcript import Transcript
from app.views.conversation.welcome import Welcome, sample_questions


class ConversationView(Card):
    """Register its actions once; everything it shows comes from ``chat``."""

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
        self.welcome.asked.connect(self.composer.ask)
        self.composer.edit_last.connect(self.edit_last)
        self.transcript.link_followed.connect(self._ask_to_open)
        chat.path_changed.connect(self._show_page)
        chat.context_changed.connect(self._show_context)
        self.setFocusProxy(self.composer.box)
        self._add_actions()
        self._show_page()
        self._show_context(*chat.context_use)

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
        add("chat.new", "&New chat", chat.new_chat, "Ctrl+N", "Chat", "plus")
        add("chat.stop", "&Stop the answer", chat.stop, "Esc", "Chat", "stop")
        add("chat.regenerate", "Answer &again", lambda: chat.regenerate(), "Ctrl+R", "Chat", "refresh")
        add("chat.copy_last", "&Copy the last answer", lambda: chat.copy(), "Ctrl+Shift+C", "Chat", "copy")
        add("chat.edit_last", "&Edit the last question", self.edit_last, "Ctrl+Shift+E", "Chat", "edit")
        add("chat.focus_composer", "&Write a message", self.composer.box.setFocus, "Ctrl+L", "Chat", "chat")

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
