"""PDF with exact pages, by pypdfium2. Headings come from the outline (bookmarks)."""

from __future__ import annotations

import re
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium

from engine.errors import BadInput, DamagedFile
from engine.library.readers.document import Heading, Page, ParsedDocument, clean

MIN_CHARACTERS_A_PAGE = 10
# PDFium marks a hyphen at a line's end so; the word goes on in the next line.
_HYPHEN = re.compile("(?:\ufffe|\x02)(?:\r?\n)?")
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_MAX_OUTLINE = 5000


def read_pdf(path: Path, kind: str) -> ParsedDocument:
    """Raises BadInput (encrypted, a scan) and DamagedFile."""
    document = _open(path)
    try:
        texts = [_page_text(document, index) for index in range(len(document))]
        _refuse_scan(path.name, texts)
        headings = _outline(document, texts)
        title = clean(document.get_metadata_dict().get("Title", ""))
    finally:
        document.close()
    pages = tuple(Page(i + 1, text, headings.get(i, ())) for i, text in enumerate(texts))
    return ParsedDocument(kind, title or path.stem, pages)


def _open(path: Path) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
            raise BadInput(
                f"“{path.name}” is encrypted: it needs a password.",
                "Open it in a PDF viewer, save a copy without the password, and add that copy.",
                str(error),
            ) from error
        raise DamagedFile(
            f"“{path.name}” is damaged, or no PDF at all: it cannot be opened.",
            "Open it in a PDF viewer to check; if it shows there, print it to a new PDF and add that.",
            str(error),
        ) from error


def _page_text(document: pypdfium2.PdfDocument, index: int) -> str:
    page = document[index]
    try:
        text_page = page.get_textpage()
        try:
            text = text_page.get_text_range()
        finally:
            text_page.close()
    finally:
        page.close()
    return clean(_HYPHEN.sub("", text).translate(_LIGATURES))


def _refuse_scan(name: str, texts: list[str]) -> None:
    n_characters = sum(len(text) for text in texts)
    if n_characters < MIN_CHARACTERS_A_PAGE * len(texts) or not texts:
        raise BadInput(
            f"“{name}” is a scan: its {len(texts)} pages are pictures without text.",
            "It needs OCR. Run it through an OCR program (for example ocrmypdf) and add the result.",
        )


def _outline(document: pypdfium2.PdfDocument, texts: list[str]) -> dict[int, tuple[Heading, ...]]:
    """Headings by page index, in the order of their places on the page."""
    found: dict[int, list[Heading]] = {}
    for number, bookmark in enumerate(document.get_toc(max_depth=3)):
        target = bookmark.get_dest()
        index = None if target is None else target.get_index()
        title = " ".join(clean(bookmark.get_title() or "").split())
        if number >= _MAX_OUTLINE:
            break
        if index is not None and 0 <= index < len(texts) and title:
            start, end = _place(texts[index], title)
            found.setdefault(index, []).append(Heading(start, end, title, bookmark.level + 1))
    return {index: tuple(sorted(rows, key=lambda h: h.start)) for index, rows in found.items()}


def _place(text: str, title: str) -> tuple[int, int]:
    """The title's own lines in the page's text, or its very beginning."""
    words = r"\s+".join(re.escape(word) for word in title.split())
    match = re.search(rf"^[ \t\d.]*{words}[ \t]*$", text, re.MULTILINE | re.IGNORECASE)
    return match.span() if match else (0, 0)
