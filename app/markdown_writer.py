"""Writes the parser's blocks as HTML that QTextDocument understands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from markdown_it.token import Token

from app.code_colours import coloured
from app.markdown_inline import MONO, InlineWriter, Look
from app.source_map import Leaf

_HEADING_POINTS = {"h1": 14.0, "h2": 12.5, "h3": 11.0, "h4": 10.0, "h5": 10.0, "h6": 10.0}
# Text stands as it is: what HTML would collapse could not be found in the source again.
_KEEP = "white-space:pre-wrap;line-height:125%"


class Writer(InlineWriter):
    """One document; ``write`` once, then read ``html()``, ``leaves``, ``formulas``, ``codes``."""

    def __init__(self, source: str, look: Look, citations: frozenset[int]) -> None:
        super().__init__(source, look, citations)
        self._lines = [0, *(match.end() for match in re.finditer(r"\n", source))]
        self.codes: list[str] = []

    def write(self, tokens: Sequence[Token]) -> None:
        """Write blocks."""
        for token in tokens:
            if token.map is not None:
                self._at = max(self._at, self._lines[min(token.map[0], len(self._lines) - 1)])
            self._block(token)

    def _block(self, token: Token) -> None:
        match token.type:
            case "inline":
                self._inline(token.children or [])
            case "fence" | "code_block":
                self._code(token)
            case "math_block" | "math_block_label" | "math_block_eqno":
                self._display_formula(token)
            case "hr":
                self._parts.append(
                    '<table width="100%" style="margin:4px 0 10px 0;border-collapse:collapse"><tr>'
                    f'<td style="border-top:1px solid {self._look.line};font-size:1pt"></td></tr></table>'
                )
            case _:
                self._parts.append(self._tag(token))

    def _tag(self, token: Token) -> str:
        look = self._look
        match token.type:
            case "paragraph_open":
                # A paragraph of a tight list stands in its item without tags of its own.
                return "" if token.hidden else f'<p style="margin:0 0 8px 0;{_KEEP}">'
            case "paragraph_close":
                return "" if token.hidden else "</p>"
            case "heading_open":
                size = _HEADING_POINTS[token.tag] * look.points / 10
                return (
                    f'<p style="margin:10px 0 6px 0;font-weight:600;font-size:{size}pt;white-space:pre-wrap">'
                )
            case "heading_close":
                return "</p>"
            case "bullet_list_open":
                return '<ul style="margin:0 0 8px 0">'
            case "ordered_list_open":
                return f'<ol start="{int(token.attrs.get("start", 1))}" style="margin:0 0 8px 0">'
            case "list_item_open":
                self._task_pending = True
                return f'<li style="margin:0 0 3px 0;{_KEEP}">'
            case "bullet_list_close" | "ordered_list_close" | "list_item_close":
                return f"</{token.tag}>"
            case "blockquote_open":
                return (
                    '<table width="100%" cellpadding="0" cellspacing="0" style="margin:4px 0 10px 0"><tr>'
                    f'<td width="3" bgcolor="{look.line}"></td>'
                    f'<td style="padding-left:12px;color:{look.muted}">'
                )
            case "blockquote_close":
                return "</td></tr></table>"
        return self._table_tag(token)

    def _table_tag(self, token: Token) -> str:
        look = self._look
        match token.type:
            case "table_open":
                return (
                    '<table width="100%" cellspacing="0" cellpadding="6" style="margin:6px 0 12px 0;'
                    'border-collapse:collapse">'
                )
            case "th_open" | "td_open":
                align = str(token.attrs.get("style", "")).replace("text-align:", "") or "left"
                head = f";color:{look.muted};font-weight:600" if token.type == "th_open" else ""
                under = f"border-bottom:1px solid {look.line}"
                return f'<td align="{align}" style="white-space:pre-wrap;{under}{head}">'
            case "th_close" | "td_close":
                return "</td>"
            case "tr_open" | "tr_close":
                return "<tr>" if token.nesting > 0 else "</tr>"
            case "table_close":
                return "</table>"
        return ""

    def _code(self, token: Token) -> None:
        language = token.info.split()[0] if token.info.strip() else ""
        code = token.content.removesuffix("\n")
        look, number = self._look, len(self.codes)
        self.codes.append(code)
        title = escape(language or "code")
        self.leaves += [Leaf(language or "code", None), Leaf("Copy", None)]
        self._parts.append(
            f'<table width="100%" cellspacing="0" cellpadding="0" bgcolor="{look.code}" '
            'style="margin:6px 0 12px 0">'
            f'<tr><td style="padding:6px 12px 0 12px;color:{look.muted};font-size:8.5pt">{title}</td>'
            f'<td align="right" style="padding:6px 12px 0 12px;font-size:8.5pt">'
            f'<a href="code:{number}" style="color:{look.muted};text-decoration:none">Copy</a></td></tr>'
            f'<tr><td colspan="2" style="padding:4px 12px 10px 12px">'
            f'<p style="margin:0;white-space:pre-wrap;font-family:{MONO};font-size:{look.points * 0.95}pt">'
        )
        self._code_leaves(token, code)
        for colour, text in coloured(code, language, look.dark):
            shown = escape(text).replace("\n", "<br>")
            self._parts.append(f'<span style="color:{colour}">{shown}</span>' if colour else shown)
        self._parts.append("</p></td></tr></table>")

    def _code_leaves(self, token: Token, code: str) -> None:
        first = (token.map[0] if token.map else 0) + (1 if token.type == "fence" else 0)
        for i, line in enumerate(code.split("\n")):
            number = first + i
            if not line or number >= len(self._lines):
                continue
            end = self._lines[number + 1] - 1 if number + 1 < len(self._lines) else len(self._source)
            # Quotes and lists indent the line: the code is its end.
            start = end - len(line)
            same = self._source[start:end] == line
            self.leaves.append(Leaf(line, start if same else None))
            self._at = max(self._at, end)

    def _display_formula(self, token: Token) -> None:
        self._parts.append('<p align="center" style="margin:4px 0 10px 0">')
        self._formula(token.content.strip(), display=True)
        self._parts.append("</p>")
