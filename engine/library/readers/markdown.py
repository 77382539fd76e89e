"""Markdown: headings by a real parser (a ``#`` in a code block is none), links as plain words."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt

from engine.library.readers.document import Heading, Page, ParsedDocument, clean
from engine.library.readers.text import decode

# Blocks only: inline text is not needed to find headings, and costs most of the time.
_BLOCKS = MarkdownIt("commonmark").disable(["inline", "text_join"])
_FRONT_MATTER = re.compile(r"\A---\n.*?\n(?:---|\.\.\.)\n", re.DOTALL)
_IMAGE = re.compile(r"\\?!\[[^\]]*\]\([^)\s]*(?:\s+\"[^\"]*\")?\)")
_LINK = re.compile(r"(?<!!)\[([^\]\n]+)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+\"[^\"]*\")?\)")
_STRONG = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
_ESCAPE = re.compile(r"\\([!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~])")
_REFERENCE_MARK = re.compile(r"<sup>(?:\[[^\]\n]{1,12}\])+</sup>")
_TAG = re.compile(r"</?(?:sup|sub|br|u|b|i|em|strong|span|div|p|small|font)(?:\s[^>\n]*)?/?>", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n{3,}")


def read_markdown(path: Path, kind: str) -> ParsedDocument:
    """A Markdown file, as it was written but for its front matter."""
    text = clean(_FRONT_MATTER.sub("", clean(decode(path.read_bytes(), path.name)) + "\n"))
    return markdown_document(kind, path.stem, text)


def markdown_document(kind: str, title: str, text: str) -> ParsedDocument:
    """A document without pages from Markdown; its first heading of level 1 is the better title."""
    headings = find_headings(text)
    first = next((heading.title for heading in headings if heading.level == 1), "")
    return ParsedDocument(kind, first or title, (Page(None, text, headings),), is_markdown=True)


def find_headings(text: str) -> tuple[Heading, ...]:
    """The headings of a Markdown text, with the characters of their lines."""
    starts = _line_starts(text)
    tokens = _BLOCKS.parse(text)
    found = []
    for token, inline in pairwise(tokens):
        title = plain(inline.content)
        if token.type == "heading_open" and token.level == 0 and token.map and title:
            first, last = token.map
            found.append(Heading(starts[first], min(starts[last], len(text)), title, int(token.tag[1:])))
    return tuple(found)


def _line_starts(text: str) -> list[int]:
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts


def plain(markdown: str) -> str:
    """Converted Markdown without what only a renderer needs: images, link targets, bold, tags, escapes;
    and without reference marks, which would read like citations."""
    text = _TAG.sub("", _REFERENCE_MARK.sub("", markdown))
    text = _STRONG.sub(r"\2", _LINK.sub(r"\1", _IMAGE.sub("", text)))
    return _BLANK_LINES.sub("\n\n", _ESCAPE.sub(r"\1", text)).strip()
