"""Word, slides, sheets, books, mail and notebooks, by kreuzberg, as Markdown with headings."""

from __future__ import annotations

from pathlib import Path

import kreuzberg

from engine.errors import BadInput, DamagedFile
from engine.library.readers.document import ParsedDocument, clean
from engine.library.readers.markdown import markdown_document, plain

_COMPOUND_FILE = bytes.fromhex("d0cf11e0a1b11ae1")
_ZIP_ENDINGS = (".docx", ".docm", ".dotx", ".pptx", ".pptm", ".ppsx", ".xlsx", ".xlsm", ".xlsb")
_CONFIG = kreuzberg.ExtractionConfig(
    use_cache=False,
    disable_ocr=True,
    output_format="markdown",  # type: ignore[call-arg]
)


def read_office(path: Path, kind: str) -> ParsedDocument:
    """Raises BadInput (encrypted) and DamagedFile."""
    _refuse_encrypted(path)
    text, title = convert(path)
    return markdown_document(kind, title or path.stem, plain(text))


def convert(path: Path) -> tuple[str, str]:
    """(Markdown, title) of any file that kreuzberg reads. Raises DamagedFile."""
    try:
        result = kreuzberg.extract_file_sync(path, config=_CONFIG)
    except (kreuzberg.KreuzbergError, RuntimeError, ValueError, OSError) as error:
        raise DamagedFile(
            f"“{path.name}” cannot be read: it is damaged, or not what its ending says.",
            "Open it in its own program, save it anew, and add that copy.",
            str(error),
        ) from error
    title = (result.metadata or {}).get("title") or (result.metadata or {}).get("subject")
    return clean(result.content), clean(title) if isinstance(title, str) else ""


def _refuse_encrypted(path: Path) -> None:
    """New Office files are ZIP archives; an encrypted one is a compound file instead."""
    if path.suffix.lower() not in _ZIP_ENDINGS:
        return
    with path.open("rb") as file:
        if file.read(8) == _COMPOUND_FILE:
            raise BadInput(
                f"“{path.name}” is encrypted: it needs a password.",
                "Open it in its own program, save a copy without the password, and add that copy.",
            )
