"""Citations below an answer: one chip for each, which opens the passage."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QPushButton, QWidget

from app.icons import bind_icon
from app.theme import Theme
from app.views.conversation.flow import FlowLayout
from engine.protocol import Citation, Hit

NAME_CHARS, TIP_CHARS = 42, 420


def place_of(hit: Hit) -> str:
    """Where in its document a passage stands: its page, else its heading, else nothing."""
    if hit.page is not None:
        return f"p. {hit.page}"
    return f"§ {_short(hit.heading, 28)}" if hit.heading else ""


class Chips(QWidget):
    """``opened`` gives the number of the citation that was pressed."""

    opened = Signal(int)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._shown: tuple[Citation, ...] = ()
        self._flow = FlowLayout(self)

    def show_citations(self, citations: tuple[Citation, ...]) -> None:
        """Show these instead of what there was."""
        self.setVisible(bool(citations))
        if citations == self._shown:
            return
        self._shown = citations
        while (item := self._flow.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for citation in citations:
            self._flow.addWidget(self._chip(citation))
        self.updateGeometry()

    def _chip(self, citation: Citation) -> QPushButton:
        hit, place = citation.hit, place_of(citation.hit)
        words = " · ".join(part for part in (_short(hit.document, NAME_CHARS), place) if part)
        chip = QPushButton(
            f"{citation.number}  {words}" + ("" if citation.matches_source is None else "  \u200e"), self
        )
        chip.setObjectName("chip")
        chip.setCursor(Qt.CursorShape.PointingHandCursor)
        chip.setIconSize(QSize(13, 13))
        chip.setLayoutDirection(Qt.LayoutDirection.RightToLeft)  # the mark stands after the words
        verdict = _VERDICTS[citation.matches_source]
        if citation.matches_source is not None:
            icon, role = ("check", "ok") if citation.matches_source else ("warning", "warn")
            bind_icon(chip, icon, self._theme, role)
        chip.setAccessibleName(f"Citation {citation.number}: {hit.document} {place} {verdict}".strip())
        chip.setToolTip(_tip(citation, verdict))
        chip.clicked.connect(lambda: self.opened.emit(citation.number))
        return chip


_VERDICTS = {
    True: "matches source",
    False: "check: the passage may not say this",
    None: "",
}


def _tip(citation: Citation, verdict: str) -> str:
    text = escape(_short(" ".join(citation.hit.text.split()), TIP_CHARS))
    head = f"<b>{escape(citation.hit.document)}</b> {escape(place_of(citation.hit))}"
    last = f"<br><i>{escape(verdict)}</i>" if verdict else ""
    return f"<div style='width:380px'>{head}<br>{text}{last}</div>"


def _short(text: str, n_chars: int) -> str:
    return text if len(text) <= n_chars else text[: n_chars - 1].rstrip() + "…"
