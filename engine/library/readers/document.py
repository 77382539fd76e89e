"""What every reader returns, and the clean-up that all texts share."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Everything below space but tab and newline, the C1 block, lone surrogates, byte order marks.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading whose own line is ``text[start:end]`` of its page (``start == end``: it is not in
    the text, as with a bookmark that points to a page). Level 1 is the highest."""

    start: int
    end: int
    title: str
    level: int


@dataclass(frozen=True, slots=True)
class Page:
    """A page, or a whole document without pages (``number`` None). Numbers count from 1."""

    number: int | None
    text: str
    headings: tuple[Heading, ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A file as text. ``kind`` is a word for people ('PDF', 'Word'); ``is_markdown`` says that the text
    may be cut by Markdown's blocks."""

    kind: str
    title: str
    pages: tuple[Page, ...]
    is_markdown: bool = False

    @property
    def has_words(self) -> bool:
        """Whether there is anything to search for."""
        return any(character.isalnum() for page in self.pages for character in page.text)


def clean(text: str) -> str:
    """One kind of line end, no control characters, no white space at either end."""
    return _CONTROL.sub("", _LINE_ENDS.sub("\n", text)).strip()
