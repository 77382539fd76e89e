"""PDF with exact pages, by pypdfium2."""

from __future__ import annotations

import re
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium

from engine.errors import BadInput, DamagedFile
from engine.library.readers.document import Page, ParsedDocument, clean
from engine.library.readers.pdf_headings import (
    Line,
    headings_from_outline,
    headings_from_sizes,
    sized_lines,
)

MIN_CHARACTERS_A_PAGE = 10
# PDFium marks a hyphen at a line's end so; the word goes on in the next line.
_HYPHEN = re.compile("(?:\ufffe|\x02)(?:\r?\n)?")
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})


def read_pdf(path: Path, kind: str) -> ParsedDocument:
    """Raises BadInput (encrypted, a scan) and DamagedFile."""
    document = _open(path)
    try:
        read = [_read_page(document, index) for index in range(len(document))]
        texts = [text for text, _ in read]
        _refuse_scan(path.name, texts)
        headings = headings_from_outline(document, texts)
        title = clean(document.get_metadata_dict().get("Title", ""))
    finally:
        document.close()
    headings = headings or headings_from_sizes([lines for _, lines in read], texts)
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


def _read_page(document: pypdfium2.PdfDocument, index: int) -> tuple[str, list[Line]]:
    page = document[index]
    try:
        text_page = page.get_textpage()
        try:
            text = text_page.get_text_range()
            lines = sized_lines(text_page, text)
        finally:
            text_page.close()
    finally:
        page.close()
    return clean(_HYPHEN.sub("", text).translate(_LIGATURES)), lines


def _refuse_scan(name: str, texts: list[str]) -> None:
    n_characters = sum(len(text) for text in texts)
    if n_characters < MIN_CHARACTERS_A_PAGE * len(texts) or not texts:
        raise BadInput(
            f"“{name}” is a scan: its {len(texts)} pages are pictures without text.",
            "It needs OCR. Run it through an OCR program (for example ocrmypdf) and add the result.",
        )
