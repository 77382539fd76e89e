"""The page a citation points to, with the cited words marked. Stands beside the conversation."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QColor, QGuiApplication, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPlainTextEdit, QTextEdit, QVBoxLayout, QWidget

from app.context import AppContext
from app.views.card import Card
from app.views.parts import ElidedLabel, button, icon_button, label
from engine.protocol import Citation, Event, Failed, Finished, OpenPassage, Passage

LEAD_LINES = 4
VERDICTS = {
    True: "The answer's sentence matches this passage.",
    False: "Check this: the passage may not say what the answer says.",
    None: "",
}


class PassageViewer(QDialog):
    """Not modal; Esc closes it."""

    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._citations: tuple[Citation, ...] = ()
        self._at, self._asked = 0, 0
        self.setWindowTitle("Passage")
        self.setModal(False)
        self.resize(560, 620)
        self._card = Card("Passage")
        self._document = ElidedLabel("", "title", Qt.TextElideMode.ElideMiddle)
        self._page = label("", "muted")
        self._stale = label("file changed since it was read", "warn")
        self._verdict = label("", "muted", wrap=True)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setAccessibleName("Text of the page")
        self._count = label("", "muted")
        self._back = icon_button("chevron-left", "Previous passage of this answer", context.theme)
        self._on = icon_button("chevron-right", "Next passage of this answer", context.theme)
        self._back.clicked.connect(lambda: self._step(-1))
        self._on.clicked.connect(lambda: self._step(1))
        self._passage: Passage | None = None
        self._lay_out()
        context.theme.changed.connect(self._mark)

    def open_citations(self, citations: tuple[Citation, ...], number: int) -> None:
        """Show the passage of citation ``number``, the others within reach."""
        numbers = [citation.number for citation in citations]
        if number not in numbers:
            return
        self._citations = citations
        self._show(numbers.index(number))
        self.show()
        self.raise_()
        self.activateWindow()
        self.text.setFocus()

    def _show(self, at: int) -> None:
        self._at = at
        citation = self._citations[at]
        self._card.set_title(f"Passage {citation.number}")
        self._document.setText(citation.hit.document)
        self._document.setToolTip(citation.hit.path)
        self._count.setText(f"{at + 1} of {len(self._citations)}")
        self._back.setEnabled(at > 0)
        self._on.setEnabled(at < len(self._citations) - 1)
        self._verdict.setText(VERDICTS[citation.matches_source])
        self._verdict.setVisible(citation.matches_source is not None)
        self._page.setText("opening …")
        self._stale.hide()
        self._asked = self._context.client.send(
            OpenPassage(chunk_id=citation.hit.chunk_id), done=lambda event: self._opened(citation, event)
        )

    def _opened(self, citation: Citation, event: Event) -> None:
        if event.job != self._asked:
            return  # another passage was asked for since
        if isinstance(event, Finished) and isinstance(event.result, Passage):
            self._fill(event.result)
            return
        hit = citation.hit
        self._fill(
            Passage(
                document=hit.document,
                path=hit.path,
                page=hit.page,
                n_pages=0,
                text=hit.text,
                start=0,
                end=len(hit.text),
            )
        )
        why = event.error.text if isinstance(event, Failed) else "It could not be opened."
        self._verdict.setText(f"{why} This is the passage as the answer saw it.")
        self._verdict.show()

    def _fill(self, passage: Passage) -> None:
        self._passage = passage
        self._document.setText(passage.document)
        self._page.setText(_page_words(passage))
        self._stale.setVisible(passage.stale)
        self.text.setPlainText(passage.text)
        self._mark()
        QTimer.singleShot(0, self._scroll)

    def _mark(self) -> None:
        if self._passage is None:
            return
        mark = QTextEdit.ExtraSelection()
        cursor = QTextCursor(self.text.document())
        cursor.setPosition(_utf16(self._passage.text, self._passage.start))
        cursor.setPosition(_utf16(self._passage.text, self._passage.end), QTextCursor.MoveMode.KeepAnchor)
        look = QTextCharFormat()
        look.setBackground(QColor(self._context.theme.colors.user))
        mark.cursor, mark.format = cursor, look
        self.text.setExtraSelections([mark])

    def _scroll(self) -> None:
        """Bring the cited words near the top, some lines before them in sight."""
        if self._passage is None:
            return
        cursor = self.text.textCursor()
        cursor.setPosition(_utf16(self._passage.text, self._passage.start))
        self.text.setTextCursor(cursor)
        bar = self.text.verticalScrollBar()
        top = self.text.cursorRect(cursor).top() // max(1, self.text.fontMetrics().lineSpacing())
        bar.setValue(bar.value() + top - LEAD_LINES)

    def _step(self, delta: int) -> None:
        at = self._at + delta
        if 0 <= at < len(self._citations):
            self._show(at)

    def _copy(self) -> None:
        if self._passage is not None:
            passage = self._passage
            QGuiApplication.clipboard().setText(passage.text[passage.start : passage.end])

    def _lay_out(self) -> None:
        copy, close = button("Copy passage"), button("Close")
        copy.clicked.connect(self._copy)
        close.clicked.connect(self.close)
        for widget in (self._back, self._count, self._on):
            self._card.add_tool(widget)
        head = QHBoxLayout()
        head.addWidget(self._document, 1)
        head.addWidget(self._stale)
        head.addWidget(self._page)
        foot = QHBoxLayout()
        foot.addWidget(copy)
        foot.addStretch(1)
        foot.addWidget(close)
        content = self._card.content
        content.addLayout(head)
        content.addWidget(self._verdict)
        content.addWidget(self.text, 1)
        content.addLayout(foot)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(10, 10, 10, 10)
        outer.addWidget(self._card)


def _page_words(passage: Passage) -> str:
    if passage.page is None:
        return ""
    return f"page {passage.page} of {passage.n_pages}" if passage.n_pages else f"page {passage.page}"


def _utf16(text: str, position: int) -> int:
    """Qt counts UTF-16 units."""
    return len(text[:position].encode("utf-16-le")) // 2
