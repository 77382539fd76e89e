"""The model's message: what it is doing, its text, what happened on the way, its citations."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, Qt, Signal
from PySide6.QtGui import QCursor, QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QProgressBar, QToolTip, QWidget

from app.chat_record import Record
from app.chat_tree import Node
from app.theme import Theme
from app.views.conversation.body import AnswerBody
from app.views.conversation.chips import Chips
from app.views.conversation.error_card import ErrorCard
from app.views.conversation.message import MessageView
from app.views.conversation.words import activity_words, figures, figures_tip, gain_edits, notes
from app.views.parts import label


class AnswerView(MessageView):
    """``token_clicked`` gives the message and a character of its text."""

    token_clicked = Signal(str, int)
    citation_opened = Signal(str, int)
    link_followed = Signal(str)

    def __init__(self, node: Node, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(node, theme, parent)
        self._doing = label("", "muted")
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setMaximumWidth(220)
        self._bar.setAccessibleName("Progress")
        self.body = AnswerBody(theme, self)
        self._notes = label("", "muted", wrap=True)
        self._error = ErrorCard(theme, self)
        self.chips = Chips(theme, self)
        for widget in (self._doing, self._bar, self.body, self._notes, self._error, self.chips, self.tools):
            self.column.addWidget(widget)
        self.body.clicked.connect(lambda at: self.token_clicked.emit(node.message_id, at))
        self.body.link.connect(self._link)
        self.chips.opened.connect(lambda number: self.citation_opened.emit(node.message_id, number))
        self._error.retried.connect(lambda: self.again.emit(node.message_id))
        self.refresh()

    def refresh(self) -> None:
        """Show the message as it is now."""
        node, record = self.node, self.node.record
        doing = activity_words(node)
        self._doing.setText(doing)
        self._doing.setVisible(bool(doing))
        self._bar.setVisible(node.running and node.progress is not None and not node.text)
        self._bar.setValue(int(1000 * (node.progress or 0.0)))
        self.body.setVisible(bool(node.text) or node.state == "streaming")
        self.body.show_text(node.text or " ", _numbers(record), writing=node.state == "streaming")
        self.body.set_ticks([(at, f"from here: {gains}") for at, gains in gain_edits(node)])
        happened = notes(node)
        self._notes.setText("\n".join(happened))
        self._notes.setVisible(bool(happened))
        self._error.setVisible(node.error is not None)
        if node.error is not None:
            self._error.show_error(node.error)
        self.chips.show_citations(() if node.running else record.citations)
        self.tools.setVisible(bool(node.text) or node.state == "stopped")
        self.tools.show_figures(figures(record, node.running), figures_tip(record))
        self.show_tools()
        self.setAccessibleName(f"Answer: {node.text}" if node.text else doing or "Answer")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.hasFocus():
            self.token_clicked.emit(self.node.message_id, 0)
        else:
            super().keyPressEvent(event)

    def mark_token(self, start: int, end: int) -> QRect | None:
        """Mark a token; where it is drawn in this widget (None: it shows as no text)."""
        self.body.mark(start, end)
        rect = self.body.rect_of(start, end)
        if rect is None:
            return None
        return QRect(self.body.mapTo(self, QPoint(rect.topLeft())), rect.size())

    def _link(self, target: str) -> None:
        kind, _, rest = target.partition(":")
        if kind == "cite":
            self.citation_opened.emit(self.node.message_id, int(rest))
        elif kind == "code":
            segment, number = rest.split(":")
            QGuiApplication.clipboard().setText(self.body.code(int(segment), int(number)))
            QToolTip.showText(QCursor.pos(), "Copied", self)
        else:
            self.link_followed.emit(target)


def _numbers(record: Record) -> frozenset[int]:
    """The passages that a number in the text may point to."""
    return frozenset(citation.number for citation in record.cited())
