"""The page that a chunk lies on, for reading it in its place."""

from __future__ import annotations

import os

from engine.errors import BadInput
from engine.library.documents import DocumentTable
from engine.library.texts import TextTable
from engine.protocol import Passage

# A book without pages is shown as the surroundings of the span, cut at line ends.
MAX_CHARACTERS = 60_000


def open_passage(chunk_id: str, documents: DocumentTable, texts: TextTable) -> Passage:
    """Raises BadInput when the document was removed."""
    place = texts.places((chunk_id,)).get(chunk_id)
    if place is None:
        raise BadInput(
            "The document of this passage is not in the library any more.", "Add it again to read it here."
        )
    text, start, end = _window(texts.page_text(place.document_id, place.page_index), place.start, place.end)
    return Passage(
        document=place.document,
        path=place.path,
        page=place.page,
        n_pages=texts.n_pages(place.document_id),
        text=text,
        start=start,
        end=end,
        stale=_is_stale(place.document_id, documents),
    )


def _window(text: str, start: int, end: int) -> tuple[str, int, int]:
    if len(text) <= MAX_CHARACTERS:
        return text, start, end
    margin = max(0, MAX_CHARACTERS - (end - start)) // 2
    first = 0 if start <= margin else text.find("\n", start - margin, start) + 1 or start - margin
    last = text.rfind("\n", end, end + margin)
    last = len(text) if end + margin >= len(text) else last if last > 0 else end + margin
    return text[first:last], start - first, end - first


def _is_stale(document_id: str, documents: DocumentTable) -> bool:
    """Whether the file is gone, or has another size or time than when it was read."""
    version = documents.version(document_id)
    if version is None:
        return True
    try:
        status = os.stat(version.path)
    except OSError:
        return True
    return (status.st_size, status.st_mtime_ns) != (version.size_bytes, version.mtime_ns)
