"""Bytes to text: byte order mark, then strict UTF-8, then a guess by charset-normalizer."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from charset_normalizer import from_bytes

from engine.errors import UnsupportedInput
from engine.library.readers.document import Heading, Page, ParsedDocument, clean

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE)
_DECLARATION_BYTES = 2048
_GUESS_BYTES = 512 * 1024
_NOT_TEXT = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ufffd]")
MAX_NOT_TEXT = 0.02
_PROSE = "Text"
_UNDERLINED = re.compile(
    r"(?:\A|(?<=\n\n))(?P<title>[^\n]*[^\W\d_][^\n]{0,100})\n(?P<line>([=\-~^*+#])\3{2,})[ \t]*(?=\n|\Z)"
)
_WESTERN = "cp1252"
_INSTEAD = dict.fromkeys(("iso8859_4", "iso8859_10", "iso8859_14", "iso8859_16"), "iso8859_2")


def read_text(path: Path, kind: str) -> ParsedDocument:
    """A file that is text itself. Raises UnsupportedInput for anything binary."""
    text = clean(decode(path.read_bytes(), path.name))
    headings = _underlined(text) if kind == _PROSE else ()
    return ParsedDocument(kind, path.stem, (Page(None, text, headings),))


def _underlined(text: str) -> tuple[Heading, ...]:
    """Headings as people type them (and reStructuredText has them): a line between blank lines with
    another of dashes, equals signs or the like below it, about as long."""
    marks: list[str] = []
    found = []
    for match in _UNDERLINED.finditer(text):
        title, line = match["title"].strip(), match["line"]
        if len(line) >= len(title) // 2:
            marks += [line[0]] if line[0] not in marks else []
            found.append(Heading(match.start("title"), match.end(), title, marks.index(line[0]) + 1))
    return tuple(found)


def decode(data: bytes, name: str, *, declared: bool = False) -> str:
    """The text in ``data``; with ``declared`` an encoding named in the first lines (HTML, XML) is
    believed where there is no byte order mark. Raises UnsupportedInput for binary data."""
    text = _strict(data, declared)
    if text is None:
        text = _guess(data)
    if text is None or len(_NOT_TEXT.findall(text)) > MAX_NOT_TEXT * max(len(text), 50):
        raise UnsupportedInput(
            f"“{name}” is not text: its bytes make no words in any known encoding.",
            "If it is a document, give it its proper ending (.pdf, .docx, …); otherwise leave it out.",
        )
    return text


def _strict(data: bytes, declared: bool) -> str | None:
    names = [encoding for mark, encoding in _MARKS if data.startswith(mark)][:1]
    if declared and not names:
        names += [found.decode("ascii") for found in _DECLARED.findall(data[:_DECLARATION_BYTES])[:1]]
    if b"\0" not in data:  # UTF-16 without a mark is valid UTF-8, full of zeros
        names.append("utf-8")
    for name in names:
        try:
            return data.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    return None


def _guess(data: bytes) -> str | None:
    """A long file is judged by its beginning. Of equally good guesses the Western European one is by
    far the likeliest; Latin-4, -6, -8 and -10 are hardly ever met and stand for Latin-2, which the
    library does not try."""
    guesses = from_bytes(data[:_GUESS_BYTES])
    best = guesses.best()
    if best is None:
        return None
    equal = [g.encoding for g in guesses if (g.chaos, g.coherence) == (best.chaos, best.coherence)]
    name = _WESTERN if _WESTERN in equal else _INSTEAD.get(best.encoding, best.encoding)
    return data.decode(name, errors="replace")
