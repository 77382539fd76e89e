"""Writes the text inside a paragraph as HTML, noting where each run of it stands in the source."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from markdown_it.token import Token

from app.formulas import Formula, formula
from app.source_map import Leaf

_CITATION = re.compile(r"\[(\d{1,3}(?:\s?,\s?\d{1,3})*)\]")
_NUMBER = re.compile(r"\d+")
_URL = re.compile(r"https?://[^\s<>\"'`]*[^\s<>\"'`.,;:!?)\]}]")
_SAFE_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_TASK = re.compile(r"\[([ xX])\] ")
MONO = "'JetBrains Mono','DejaVu Sans Mono',monospace"
_INLINE_TAGS = {
    "em_open": "<i>", "em_close": "</i>", "strong_open": "<b>", "strong_close": "</b>",
    "s_open": "<s>", "s_close": "</s>",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """Colours (``#rrggbb``) and the size of running text in points."""

    text: str
    muted: str
    accent: str
    line: str
    code: str
    chip: str
    dark: bool
    points: float = 10.0


class InlineWriter:
    """Grows ``leaves``, ``formulas`` and the HTML; ``_at`` is how far the source has been written."""

    def __init__(self, source: str, look: Look, citations: frozenset[int]) -> None:
        self._source, self._look, self._citations = source, look, citations
        self._at = 0
        self._parts: list[str] = []
        self._task_pending = False
        self.leaves: list[Leaf] = []
        self.formulas: dict[str, Formula] = {}

    def html(self) -> str:
        """What has been written."""
        return "".join(self._parts)

    def _formula(self, latex: str, display: bool) -> None:
        start = self._source.find(latex, self._at)
        size_px = self._look.points * (1.5 if display else 1.35)
        drawn = formula(latex, self._look.text, size_px, display)
        if start >= 0:
            self._at = start + len(latex)
        if drawn is None:
            self._leaf(latex, start if start >= 0 else None)
            self._parts.append(f'<span style="font-family:{MONO}">{escape(latex)}</span>')
            return
        name = f"formula:{len(self.formulas)}"
        self.formulas[name] = drawn
        self._leaf("\ufffc", start if start >= 0 else None, len(latex))
        align = "middle" if drawn.depth > 2 else "baseline"
        self._parts.append(
            f'<img src="{name}" width="{drawn.width:.0f}" height="{drawn.height:.0f}" '
            f'style="vertical-align:{align}">'
        )

    def _inline(self, tokens: Sequence[Token]) -> None:
        hrefs: list[str] = []
        for token in tokens:
            self._inline_token(token, hrefs)
        self._task_pending = False

    def _inline_token(self, token: Token, hrefs: list[str]) -> None:
        match token.type:
            case "text":
                self._text(token.content, bool(hrefs))
            case "text_special":
                self._special(token)
            case "code_inline":
                self._parts.append(f'<span style="font-family:{MONO};background-color:{self._look.code}">')
                self._run(token.content)
                self._parts.append("</span>")
            case "softbreak" | "hardbreak":
                self._parts.append("<br>")
            case "math_inline" | "math_inline_double":
                self._formula(token.content, display=token.type == "math_inline_double")
            case "image":
                self._image(token)
            case "link_open":
                hrefs.append(str(token.attrs.get("href", "")))
                self._parts.append(self._link(hrefs[-1]))
            case "link_close":
                self._close_link(hrefs.pop())
            case _:
                self._parts.append(_INLINE_TAGS.get(token.type, ""))

    def _link(self, href: str) -> str:
        if not _SAFE_LINK.match(href):
            return f'<span style="color:{self._look.muted};text-decoration:underline">'
        return f'<a href="{escape(href)}" style="color:{self._look.accent};text-decoration:none">'

    def _close_link(self, href: str) -> None:
        self._parts.append("</a>" if _SAFE_LINK.match(href) else "</span>")
        if self._source.startswith("](", self._at):
            end = self._source.find(")", self._at)
            self._at = end + 1 if end >= 0 else self._at

    def _image(self, token: Token) -> None:
        words = f"[image: {token.content}]" if token.content else "[image]"
        self.leaves.append(Leaf(words, None))
        self._parts.append(f'<span style="color:{self._look.muted}">{escape(words)}</span>')
        end = self._source.find(")", self._at)
        self._at = end + 1 if end >= 0 else self._at

    def _special(self, token: Token) -> None:
        start = self._source.find(token.markup, self._at)
        if start >= 0:
            self._at = start + len(token.markup)
        self._leaf(token.content, start if start >= 0 else None, len(token.markup))
        self._parts.append(escape(token.content))

    def _text(self, text: str, in_link: bool) -> None:
        task = _TASK.match(text) if self._task_pending else None
        self._task_pending = False
        if task is not None:
            self._task(task[1] != " ")
            text = text[task.end() :]
        at = 0
        for found, write in [] if in_link else self._specials(text):
            if found.start() >= at:
                self._run(text[at : found.start()])
                write(found)
                at = found.end()
        self._run(text[at:])

    def _task(self, done: bool) -> None:
        box = "\u2611" if done else "\u2610"
        start = self._source.find("[", self._at)
        self._at = start + 4
        self.leaves.append(Leaf(box, start, 3))
        colour = self._look.accent if done else self._look.muted
        self._parts.append(f'<span style="color:{colour}">{box}</span> ')

    def _specials(self, text: str) -> list[tuple[re.Match[str], Callable[[re.Match[str]], None]]]:
        found: list[tuple[re.Match[str], Callable[[re.Match[str]], None]]] = []
        for match in _CITATION.finditer(text):
            if all(int(number) in self._citations for number in _NUMBER.findall(match[1])):
                found.append((match, self._chips))
        found += [(match, self._url) for match in _URL.finditer(text)]
        return sorted(found, key=lambda item: item[0].start())

    def _url(self, match: re.Match[str]) -> None:
        self._parts.append(self._link(match[0]))
        self._run(match[0])
        self._parts.append("</a>")

    def _chips(self, match: re.Match[str]) -> None:
        start = self._source.find(match[0], self._at)
        for i, number in enumerate(_NUMBER.finditer(match[0])):
            if i:
                self._parts.append("\u200a")
            words = f" {number[0]} "
            self._leaf(words, start + number.start() - 1 if start >= 0 else None)
            self._parts.append(
                f'<a href="cite:{number[0]}" style="color:{self._look.accent};text-decoration:none;'
                f'background-color:{self._look.chip}">&nbsp;{number[0]}&nbsp;</a>'
            )
        if start >= 0:
            self._at = start + len(match[0])

    def _run(self, text: str) -> None:
        """Text that stands in the source as it is."""
        if not text:
            return
        start = self._source.find(text, self._at)
        if start >= 0:
            self._at = start + len(text)
        self._leaf(text, start if start >= 0 else None)
        self._parts.append(escape(text))

    def _leaf(self, text: str, source: int | None, length: int = 0) -> None:
        self.leaves.append(Leaf(text, source, length))
