"""The part of a passage that a query is about. No Qt."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BEFORE = 32
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Snippet:
    """``bold`` holds (start, length) of the query's words in ``text``."""

    text: str
    bold: tuple[tuple[int, int], ...]


def make_snippet(passage: str, query: str) -> Snippet:
    """One line of ``passage`` that begins shortly before the first word of ``query``."""
    line = " ".join(passage.split())
    words = sorted({word for word in re.findall(r"\w+", query) if len(word) > 2}, key=len, reverse=True)
    if not words:
        return Snippet(line[:_LONGEST], ())
    pattern = re.compile(r"\b(?:" + "|".join(map(re.escape, words)) + r")\w*", re.IGNORECASE)
    first = pattern.search(line)
    start = 0
    if first is not None and first.start() > _BEFORE:
        start = line.rfind(" ", 0, first.start() - _BEFORE) + 1
    text = ("… " if start else "") + line[start : start + _LONGEST]
    return Snippet(text, tuple((hit.start(), len(hit.group())) for hit in pattern.finditer(text)))
