"""Markdown of untrusted origin to HTML for a QTextDocument, with the way back to the source.

Nothing is ever loaded: an image becomes its description, raw HTML is shown as text, links other
than http, https and mailto are dead. ``[n]`` becomes a chip where the answer has passage n.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.texmath import texmath_plugin

from app.formulas import Formula
from app.markdown_inline import Look
from app.markdown_writer import Writer
from app.source_map import Leaf

SEGMENT_CHARS = 3_000
# A table, a list or code without end would make one huge segment.
SEGMENT_MAX_CHARS, CODE_MAX_CHARS = 12_000, 48_000

__all__ = ["Look", "Rendered", "Segment", "render", "segments"]


@dataclass(frozen=True, slots=True)
class Rendered:
    """HTML, its text runs, its formulas by picture name, its code blocks (as 'code:n' links copy
    them)."""

    html: str
    leaves: tuple[Leaf, ...]
    formulas: dict[str, Formula] = field(default_factory=dict)
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """Part of a long text that is rendered by itself; ``start`` is its first character."""

    start: int
    text: str


def render(source: str, look: Look, citations: frozenset[int] = frozenset()) -> Rendered:
    """HTML of ``source`` in the colours of ``look``; ``citations`` are the numbers that may become
    chips."""
    writer = Writer(source, look, citations)
    writer.write(_parser().parse(source))
    return Rendered(writer.html(), tuple(writer.leaves), writer.formulas, tuple(writer.codes))


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"breaks": True, "maxNesting": 30})
    parser.enable(["table", "strikethrough"])
    # Definitions would let a text redirect [1]; entities stay apart so that they map to the source.
    parser.disable(["html_block", "html_inline", "reference", "text_join"])
    dollarmath_plugin(parser, allow_labels=False, allow_space=False, allow_digits=False, double_inline=True)
    texmath_plugin(parser, delimiters="brackets")
    return parser


def segments(source: str) -> list[Segment]:
    """``source`` cut between blocks into pieces of some thousand characters, so that a growing answer
    is rendered anew only at its end. Code and what is indented below a list item stay whole. The
    pieces joined are the source."""
    out: list[Segment] = []
    start = at = 0
    fence, after_blank = "", False
    for line in source.splitlines(keepends=True):
        size = at - start
        between = after_blank and not fence and not line[:1].isspace()
        if (size >= SEGMENT_CHARS and between) or size >= (CODE_MAX_CHARS if fence else SEGMENT_MAX_CHARS):
            out.append(Segment(start, source[start:at]))
            start, fence = at, ""
        at += len(line)
        fence, after_blank = _fence_after(line, fence), not line.strip()
        while at - start > CODE_MAX_CHARS:  # one endless line
            out.append(Segment(start, source[start : start + CODE_MAX_CHARS]))
            start += CODE_MAX_CHARS
    if at > start or not out:
        out.append(Segment(start, source[start:at]))
    return out


def _fence_after(line: str, fence: str) -> str:
    """The code fence that is open after this line ('' for none)."""
    text = line.lstrip()
    mark = text[:3]
    if fence:
        return "" if text.startswith(fence) and not text.strip(fence[0]).strip() else fence
    return mark if mark in ("```", "~~~") else ""
