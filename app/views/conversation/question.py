"""The person's message: a bubble at the right, which can be edited in place."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from app.chat_tree import Node
from app.theme import Theme
from app.views.conversation.message import MessageView
from app.views.conversation.rich_text import RichText
from app.views.parts import button

WIDEST_SHARE = 0.78
PADDING_PX = 14
# A pasted book would push the conversation away.
SHORT_CHARS = 3_000


class QuestionView(MessageView):
    """``resent`` gives the message and its new words; nothing is sent when they are empty."""

    resent = Signal(str, str)

    def __init__(self, node: Node, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(node, theme, parent)
        self.setAccessibleName(f"You: {node.text}")
        self._text = RichText(self)
        self._text.setAccessibleName("Question")
        self._text.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._bubble = QFrame(self)
        self._bubble.setObjectName("user")
        inside = QVBoxLayout(self._bubble)
        inside.setContentsMargins(PADDING_PX, 9, PADDING_PX, 10)
        inside.addWidget(self._text)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addStretch(1)
        row.addWidget(self.tools, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self._bubble)
        self.column.addLayout(row)
        self._editor: QFrame | None = None
        self.tools.edited.connect(self.edit)
        self._whole = button("Show all", flat=True)
        self._whole.clicked.connect(self._show_all)
        self._whole.setVisible(len(node.text) > SHORT_CHARS)
        inside.addWidget(self._whole)
        self._text.show_plain(_short(node.text))

    def edit(self) -> None:
        """Open the editor in place of the bubble."""
        if self._editor is None:
            self._editor = self._make_editor()
            self.column.insertWidget(0, self._editor)
        self._bubble.hide()
        self.tools.hide()
        box = self._editor.findChild(QPlainTextEdit)
        if isinstance(box, QPlainTextEdit):
            box.setFocus()
            box.selectAll()

    def _show_all(self) -> None:
        self._whole.hide()
        self._text.show_plain(self.node.text)

    def cancel(self) -> None:
        """Close the editor; the message stays as it was."""
        if self._editor is not None:
            self.column.removeWidget(self._editor)
            self._editor.deleteLater()
            self._editor = None
        self._bubble.show()
        self.tools.show()
        self.setFocus()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() == event.oldSize().width():
            return
        widest = int(self.width() * WIDEST_SHARE)
        document = self._text.document()
        document.setTextWidth(widest - 2 * PADDING_PX)
        self._bubble.setFixedWidth(min(widest, int(document.idealWidth()) + 2 * PADDING_PX + 2))
        self.column.activate()  # at its place before it is painted

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        escape = isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape
        if escape and event.type() == QEvent.Type.ShortcutOverride:
            event.accept()  # Esc closes the editor before it stops an answer
            return True
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not shift:
                self._resend()
                return True
            if event.key() == Qt.Key.Key_Escape:
                self.cancel()
                return True
        return super().eventFilter(watched, event)

    def _make_editor(self) -> QFrame:
        frame = QFrame(self)
        frame.setObjectName("user")
        box = QPlainTextEdit(self.node.text, frame)
        box.setAccessibleName("Edit the question")
        lines = min(8, max(2, self.node.text.count("\n") + 1 + len(self.node.text) // 80))
        box.setFixedHeight(lines * box.fontMetrics().lineSpacing() + 20)
        box.installEventFilter(self)
        resend, cancel = button("Send again", primary=True), button("Cancel")
        resend.clicked.connect(self._resend)
        cancel.clicked.connect(self.cancel)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(cancel)
        row.addWidget(resend)
        inside = QVBoxLayout(frame)
        inside.setContentsMargins(12, 10, 12, 10)
        inside.addWidget(box)
        inside.addLayout(row)
        return frame

    def _resend(self) -> None:
        box = self._editor.findChild(QPlainTextEdit) if self._editor is not None else None
        if isinstance(box, QPlainTextEdit) and box.toPlainText().strip():
            self.resent.emit(self.node.message_id, box.toPlainText())


def _short(text: str) -> str:
    return text if len(text) <= SHORT_CHARS else text[:SHORT_CHARS].rstrip() + " …"
