"""Headings of a PDF: from its outline (bookmarks), or else from lines set larger than the body."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import pypdfium2
import pypdfium2.raw as pdfium

from engine.library.readers.document import Heading, clean

Line = tuple[str, float]
PageHeadings = dict[int, tuple[Heading, ...]]

MIN_HEADING_RATIO = 1.15
_MAX_HEADING_CHARACTERS = 120
_MAX_SECTION_LINES = 3
_MAX_OUTLINE = 5000


def sized_lines(text_page: pypdfium2.PdfTextPage, text: str) -> list[Line]:
    """(line, font size of its first character); empty where PDFium counts characters otherwise."""
    if text_page.count_chars() != len(text):
        return []
    lines, at = [], 0
    for line in text.split("\r\n"):
        lines.append((clean(line), round(pdfium.FPDFText_GetFontSize(text_page, at), 1)))
        at += len(line) + 2
    return lines


def headings_from_outline(document: pypdfium2.PdfDocument, texts: Sequence[str]) -> PageHeadings:
    """Headings by page index, in the order of their places on the page."""
    found: dict[int, list[Heading]] = {}
    for number, bookmark in enumerate(document.get_toc(max_depth=3)):
        target = bookmark.get_dest()
        index = None if target is None else target.get_index()
        title = " ".join(clean(bookmark.get_title() or "").split())
        if number >= _MAX_OUTLINE:
            break
        if index is not None and 0 <= index < len(texts) and title:
            start, end = _place(texts[index], title, 0) or (0, 0)
            found.setdefault(index, []).append(Heading(start, end, title, bookmark.level + 1))
    return {index: tuple(sorted(rows, key=lambda heading: heading.start)) for index, rows in found.items()}


def headings_from_sizes(pages: Sequence[Sequence[Line]], texts: Sequence[str]) -> PageHeadings:
    """Short lines set clearly larger than most of the text; larger ones are of a higher level."""
    weights: Counter[float] = Counter()
    for line, size in (line for page in pages for line in page):
        weights[size] += len(line)
    if not weights:
        return {}
    smallest = weights.most_common(1)[0][0] * MIN_HEADING_RATIO
    levels = {size: level for level, size in enumerate(sorted(weights, reverse=True), start=1)}
    return {
        index: tuple(_sized_headings(page, text, smallest, levels))
        for index, (page, text) in enumerate(zip(pages, texts, strict=True))
    }


def _sized_headings(
    page: Sequence[Line], text: str, smallest: float, levels: dict[float, int]
) -> list[Heading]:
    found: list[Heading] = []
    at = 0
    for size, group in groupby((line for line in page if line[0]), key=lambda line: line[1]):
        lines = [line for line, _ in group]
        title = " ".join(" ".join(lines).split())
        is_short = len(lines) <= _MAX_SECTION_LINES and len(title) <= _MAX_HEADING_CHARACTERS
        if size < smallest or not is_short or not re.search(r"[^\W\d_]{2}", title):
            continue
        place = _place(text, title, at)
        if place is not None:
            found.append(Heading(*place, title, levels[size]))
            at = place[1]
    return found


def _place(text: str, title: str, at: int) -> tuple[int, int] | None:
    """The title's own lines in the page's text from ``at`` on."""
    words = r"\s+".join(re.escape(word) for word in title.split())
    pattern = re.compile(rf"^[ \t\d.]*{words}[ \t]*$", re.MULTILINE | re.IGNORECASE)
    match = pattern.search(text, at)
    return match.span() if match else None
