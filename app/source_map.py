"""From a place in rendered text back to the character of the Markdown source, and the other way.

The renderer knows for every run of text that it writes (a *leaf*) where it stands in the source.
The rendered document is these leaves in order with nothing but separators between them, so walking
both side by side gives the map exactly; no guess by similarity is needed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Leaf:
    """A run of rendered text. ``source`` is the source character that it begins with (None: not
    from the source). With ``length`` 0 the characters match one to one; otherwise the whole leaf
    stands for ``length`` source characters (a formula, an entity)."""

    text: str
    source: int | None
    length: int = 0


@dataclass(frozen=True, slots=True)
class _Run:
    shown: int
    source: int
    shown_length: int
    source_length: int


class SourceMap:
    """Positions count Python characters in the source and UTF-16 units in the rendered text (as Qt
    counts)."""

    def __init__(self, shown_text: str, leaves: Sequence[Leaf], offset: int = 0) -> None:
        self._wide = [i for i, character in enumerate(shown_text) if ord(character) > 0xFFFF]
        self._runs = _align(shown_text, leaves, offset)
        self._starts = [run.shown for run in self._runs]
        self._sources = [run.source for run in self._runs]

    def to_source(self, shown_utf16: int) -> int | None:
        """The source character shown at this position; None beside all text of the source."""
        shown = self._from_utf16(shown_utf16)
        at = bisect_right(self._starts, shown) - 1
        if at < 0:
            return None
        run = self._runs[at]
        if shown >= run.shown + run.shown_length:
            return None
        return run.source + min(shown - run.shown, run.source_length - 1)

    def to_shown(self, start: int, end: int) -> tuple[int, int] | None:
        """The range of rendered text (UTF-16) that shows source characters ``start`` to ``end``; None
        when they are all markup."""
        first: int | None = None
        last = 0
        at = max(0, bisect_right(self._sources, start) - 1)
        for run in self._runs[at:]:
            if run.source >= end:
                break
            low, high = (
                max(start, run.source) - run.source,
                min(end, run.source + run.source_length) - run.source,
            )
            if low >= high:
                continue
            whole = run.shown_length != run.source_length
            first = run.shown + (0 if whole else low) if first is None else first
            last = run.shown + (run.shown_length if whole else high)
        return None if first is None else (self._to_utf16(first), self._to_utf16(last))

    def _from_utf16(self, position: int) -> int:
        for i, at in enumerate(self._wide):
            if at + i >= position:
                return position - i
        return position - len(self._wide)

    def _to_utf16(self, position: int) -> int:
        return position + bisect_right(self._wide, position - 1)


def _align(shown_text: str, leaves: Sequence[Leaf], offset: int) -> list[_Run]:
    runs: list[_Run] = []
    at = 0
    for leaf in leaves:
        found = shown_text.find(leaf.text, at)
        if not leaf.text or found < 0:
            continue
        at = found + len(leaf.text)
        if leaf.source is not None:
            runs.append(_Run(found, leaf.source + offset, len(leaf.text), leaf.length or len(leaf.text)))
    return runs
