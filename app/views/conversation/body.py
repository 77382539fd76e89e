"""The text of one answer: segments of rendered Markdown, of which only the changed ones are redrawn."""

from __future__ import annotations

import time

from PySide6.QtCore import QRect, QTimer, QUrl, Signal
from PySide6.QtGui import QColor, QTextCharFormat
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app import markdown
from app.markdown import Look, Segment
from app.theme import Theme
from app.views.conversation.rich_text import RichText

AT_ONCE = 3


def look_of(theme: Theme, points: float = 10.0) -> Look:
    """The theme's colours as the Markdown writer wants them."""
    c = theme.colors
    return Look(c.text, c.muted, c.accent, c.line, c.code, c.user, theme.dark, points)


class AnswerBody(QWidget):
    """``clicked`` gives a character of the source; ``link`` a link's target ('cite:2', 'https://...')."""

    clicked = Signal(int)
    link = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._texts: list[RichText] = []
        self._shown: list[Segment | None] = []
        self._codes: list[tuple[str, ...]] = []
        self._wanted: list[Segment] = []
        self._citations: frozenset[int] = frozenset()
        self._ticks: list[tuple[int, str]] = []
        self._mark: tuple[int, int] | None = None
        self._writing = False
        self._later = QTimer(self, singleShot=True, interval=0)
        self._later.timeout.connect(self._next)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(8)
        theme.changed.connect(self._rerender)
        self.render_ms = 0.0

    def show_text(self, source: str, citations: frozenset[int], writing: bool) -> None:
        """Show ``source``; ``writing`` draws the mark of an answer that still grows."""
        started = time.perf_counter()
        if citations != self._citations:
            self._citations, self._shown = citations, [None] * len(self._shown)
        self._wanted = markdown.segments(source) if source else []
        self._writing = writing
        self._resize()
        at_once = AT_ONCE
        for i, segment in enumerate(self._wanted):
            if self._shown[i] != segment and at_once:
                at_once -= 1
                self._show(i)
        self._carets()
        self.render_ms = 1e3 * (time.perf_counter() - started)
        if not at_once:
            self._later.start()

    def mark(self, start: int, end: int) -> None:
        """Mark source characters ``start`` to ``end``; an empty span marks nothing."""
        self._mark = (start, end) if end > start else None
        self._marks()

    def set_ticks(self, ticks: list[tuple[int, str]]) -> None:
        """Draw a line before these source characters, with words as tooltip."""
        self._ticks = ticks
        self._carets()

    def rect_of(self, start: int, end: int) -> QRect | None:
        """Where a source span is drawn, in this widget."""
        for text in self._texts:
            rect = text.rect_of(start, end)
            if rect is not None:
                return QRect(text.mapTo(self, rect.topLeft()), rect.size())
        return None

    def code(self, segment: int, number: int) -> str:
        """The text of a code block."""
        return self._codes[segment][number]

    def texts(self) -> tuple[RichText, ...]:
        """The segments' widgets."""
        return tuple(self._texts)

    def _resize(self) -> None:
        while len(self._texts) > len(self._wanted):
            self._layout.removeWidget(self._texts[-1])
            self._texts.pop().deleteLater()
            self._shown.pop()
            self._codes.pop()
        while len(self._texts) < len(self._wanted):
            number = len(self._texts)
            text = RichText(self)
            text.setAccessibleName("Answer")
            text.clicked.connect(lambda at, text=text: self._clicked(text, at))
            text.anchorClicked.connect(lambda url, number=number: self._followed(number, url))
            self._texts.append(text)
            self._shown.append(None)
            self._codes.append(())
            self._layout.addWidget(text)

    def _show(self, i: int) -> None:
        segment = self._wanted[i]
        rendered = markdown.render(segment.text, look_of(self._theme), self._citations)
        self._texts[i].show_rendered(rendered, segment.start)
        self._shown[i], self._codes[i] = segment, rendered.codes

    def _next(self) -> None:
        """Render one more segment, then let the window breathe."""
        for i, segment in enumerate(self._wanted):
            if self._shown[i] != segment:
                self._show(i)
                self._later.start()
                return
        self._carets()
        self._marks()

    def _carets(self) -> None:
        for i, text in enumerate(self._texts):
            last = self._writing and i == len(self._texts) - 1
            text.set_caret(QColor(self._theme.colors.text) if last else None)
            text.set_ticks(self._ticks, QColor(self._theme.colors.warn))
        self._marks()

    def _marks(self) -> None:
        look = QTextCharFormat()
        look.setBackground(QColor(self._theme.colors.accent))
        look.setForeground(QColor(self._theme.colors.accent_text))
        spans = [(*self._mark, look)] if self._mark is not None else []
        for text in self._texts:
            text.mark(spans)

    def _rerender(self) -> None:
        for i in range(len(self._wanted)):
            self._show(i)
        self._carets()

    def _clicked(self, text: RichText, shown: int) -> None:
        source = text.source_at(shown)
        if source is not None:
            self.clicked.emit(source)

    def _followed(self, segment: int, url: QUrl) -> None:
        target = url.toString()
        self.link.emit(f"code:{segment}:{target[5:]}" if target.startswith("code:") else target)
