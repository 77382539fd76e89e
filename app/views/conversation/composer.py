"""Where a person writes: a box that grows with its text, Send or Stop, documents on or off."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QEvent, QMimeData, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from app.chat import ChatController
from app.context import AppContext
from app.icons import bind_icon
from app.session import Session
from app.views.parts import button, label

LEAST_LINES, MOST_LINES = 2, 9
KEPT_CHARS, KEEP_MS = 100_000, 700


class _Box(QPlainTextEdit):
    """Enter sends, Shift+Enter begins a line, Up in an empty box edits the last question."""

    submitted = Signal()
    recall = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Message")
        self.setTabChangesFocus(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.textChanged.connect(self.fit)
        self.fit()

    def fit(self) -> None:
        """Take the height of the text, within limits."""
        lines = sum(self._rows())
        shown = max(LEAST_LINES, min(MOST_LINES, lines))
        margins = self.contentsMargins().top() + self.contentsMargins().bottom()
        height = (
            shown * self.fontMetrics().lineSpacing()
            + margins
            + 2 * int(self.document().documentMargin())
            + 12
        )
        if height != self.height():
            self.setFixedHeight(height)

    def event(self, event: QEvent) -> bool:
        """Undo and redo are the window's where the text has nothing of its own to take back."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            keys, text = QKeySequence.StandardKey, self.document()
            undo = event.matches(keys.Undo) and not text.isUndoAvailable()
            redo = event.matches(keys.Redo) and not text.isRedoAvailable()
            if undo or redo:
                event.ignore()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if enter and not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.submitted.emit()
        elif event.key() == Qt.Key.Key_Up and self.document().isEmpty():
            self.recall.emit()
        else:
            super().keyPressEvent(event)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Files are the window's business: it shows what it can do with them."""
        return not source.hasUrls() and super().canInsertFromMimeData(source)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fit()

    def _rows(self) -> list[int]:
        """Rows each paragraph takes; no more paragraphs than can show."""
        out: list[int] = []
        block = self.document().firstBlock()
        while block.isValid() and len(out) <= MOST_LINES:
            out.append(max(1, block.layout().lineCount()))
            block = block.next()
        return out


class Composer(QWidget):
    """Text that could not be sent stays; each chat keeps its own draft."""

    edit_last = Signal()

    def __init__(self, context: AppContext, chat: ChatController, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context, self._chat = context, chat
        self._chat_id, self._unsent = chat.chat_id, not chat.path
        self.box = _Box(self)
        self.box.setPlaceholderText("Ask about your documents…   Enter to send")
        self.box.submitted.connect(self.submit)
        self.box.recall.connect(self.edit_last)
        self.send = button("Send", "Send  (Enter)", primary=True)
        self.send.setMinimumSize(QSize(78, 34))
        self.send.clicked.connect(self._pressed)
        self.documents = self._documents_chip()
        self._hint = label("", "muted")
        self._lay_out()
        self.box.setPlainText(context.session.value.draft)
        self._keep = QTimer(self, singleShot=True, interval=KEEP_MS)
        self._keep.timeout.connect(self._keep_draft)
        self.box.textChanged.connect(self._refresh)
        self.box.textChanged.connect(self._keep.start)
        chat.streaming_changed.connect(lambda _on: self._refresh())
        chat.path_changed.connect(self._chat_changed)
        context.session.changed.connect(self._session_changed)
        self._session_changed(context.session.value, context.session.value)
        self._refresh()

    def submit(self) -> None:
        """Send what is written; while an answer is being made, say so."""
        if self._chat.streaming:
            self._hint.setText("An answer is being written: stop it first (Esc), your text stays.")
            return
        text = self.box.toPlainText()
        if self._chat.send(text):
            self.box.clear()

    def ask(self, question: str) -> None:
        """Send ``question``; where it cannot be sent it stands in the box."""
        if not self._chat.send(question):
            self.box.setPlainText(question)
            self.box.setFocus()

    def _pressed(self) -> None:
        if self._chat.streaming:
            self._chat.stop()
        else:
            self.submit()
        self.box.setFocus()

    def _keep_draft(self) -> None:
        """What is written survives the end of the program."""
        store, text = self._context.session, self.box.toPlainText()
        if len(text) <= KEPT_CHARS:
            store.set(replace(store.value, draft=text))

    def _documents_chip(self) -> QToolButton:
        chip = QToolButton()
        chip.setObjectName("chip")
        chip.setCheckable(True)
        chip.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        chip.setIconSize(QSize(14, 14))
        chip.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        chip.setCursor(Qt.CursorShape.PointingHandCursor)
        chip.toggled.connect(self._set_documents)
        return chip

    def _lay_out(self) -> None:
        below = QHBoxLayout()
        below.setSpacing(8)
        below.addWidget(self.documents)
        below.addWidget(self._hint, 1)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.box, 1)
        row.addWidget(self.send, 0, Qt.AlignmentFlag.AlignBottom)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(row)
        column.addLayout(below)

    def _refresh(self) -> None:
        busy = self._chat.streaming
        self.send.setText("Stop" if busy else "Send")
        self.send.setToolTip("Stop the answer  (Esc)" if busy else "Send  (Enter)")
        self.send.setAccessibleName("Stop the answer" if busy else "Send the message")
        self.send.setEnabled(busy or bool(self.box.toPlainText().strip()))
        if not busy or not self._hint.text():
            self._hint.setText("Shift+Enter for a new line" if not self.box.document().isEmpty() else "")

    def _chat_changed(self) -> None:
        """Keep the draft of the chat that is left. One that was never sent from cannot be found
        again, so its text comes along."""
        if self._chat.chat_id != self._chat_id:
            written = self.box.toPlainText()
            carried = written if self._unsent else ""
            self._chat.drafts[self._chat_id] = written
            self._chat_id = self._chat.chat_id
            self.box.setPlainText(self._chat.drafts.get(self._chat_id, "") or carried)
        self._unsent = not self._chat.path

    def _session_changed(self, _old: Session, new: Session) -> None:
        self.documents.setChecked(new.use_documents)
        on = new.use_documents
        bind_icon(self.documents, "library", self._context.theme, "accent" if on else "muted")
        self.documents.setText(f"Documents: {new.passages} passages" if on else "Documents: off")
        self.documents.setAccessibleName("Answer from documents")
        self.documents.setToolTip(
            "Answers draw on your documents and cite them. Press to answer without."
            if on
            else "Answers come from the model alone. Press to draw on your documents."
        )

    def _set_documents(self, on: bool) -> None:
        store = self._context.session
        store.set(replace(store.value, use_documents=on))
