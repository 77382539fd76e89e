"""One file in, a ParsedDocument out; every refusal in the user's words."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from engine.errors import BadInput
from engine.library.readers.document import ParsedDocument
from engine.library.readers.kinds import Reader, kind_of

MAX_FILE_BYTES = 512 * 1024**2
MAX_CHARACTERS = 50_000_000

# Imported when first needed: a folder of notes does not wait for the Office reader.
_READERS: dict[Reader, tuple[str, str]] = {
    "pdf": ("pdf", "read_pdf"),
    "office": ("office", "read_office"),
    "web": ("web", "read_web"),
    "xml": ("web", "read_xml"),
    "markdown": ("markdown", "read_markdown"),
    "text": ("text", "read_text"),
}


def read(path: Path) -> ParsedDocument:
    """Read ``path``. Raises BadInput with what to do: empty, too big, not permitted, encrypted,
    a scan, damaged, not text."""
    kind, reader = kind_of(path)
    _check_size(path)
    module, name = _READERS[reader]
    function: Callable[[Path, str], ParsedDocument] = getattr(
        import_module(f"engine.library.readers.{module}"), name
    )
    document = function(path, kind)
    if not document.has_words:
        raise BadInput(f"“{path.name}” holds no text.", "Check the file; there is nothing to search in it.")
    if sum(len(page.text) for page in document.pages) > MAX_CHARACTERS:
        raise BadInput(
            f"“{path.name}” holds more than {MAX_CHARACTERS // 1_000_000} million characters.",
            "Split it into smaller files and add those.",
        )
    return document


def _check_size(path: Path) -> None:
    """Also the first touch of the file: absent or unreadable files end here."""
    try:
        with path.open("rb") as file:
            size_bytes = file.seek(0, 2)
    except FileNotFoundError as error:
        raise BadInput(
            f"“{path.name}” is not there any more.", "Check the name, and add it again.", str(error)
        ) from error
    except OSError as error:
        raise BadInput(
            f"“{path.name}” may not be read: {error.strerror or error}.",
            "Change the file's permissions, or copy it to a folder of yours.",
            str(error),
        ) from error
    if size_bytes == 0:
        raise BadInput(f"“{path.name}” is empty.", "Check the file; its size is 0 bytes.")
    if size_bytes > MAX_FILE_BYTES:
        raise BadInput(
            f"“{path.name}” is too big: {size_bytes / 1024**2:,.0f} MB, the limit is "
            f"{MAX_FILE_BYTES // 1024**2} MB.",
            "Split it into smaller files and add those.",
        )
