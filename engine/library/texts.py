"""Pages and chunks of a collection's documents, and in how many chunks each word occurs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from engine.library.chunks import content_of
from engine.library.database import Database
from engine.library.parse_pool import Parsed


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chunk lies. ``page`` counts from 1; None: the document has no pages."""

    chunk_id: str
    document_id: str
    document: str
    path: str
    page_index: int
    page: int | None
    heading: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """What the search index takes of a chunk; ``content`` is its heading and its text."""

    chunk_id: str
    document_id: str
    content: str


class TextTable:
    """Pages, chunks and terms; spans are characters of the page's text."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, document_id: str, parsed: Parsed) -> None:
        """Store a document's text in one transaction; a text that is there already is replaced.
        Does nothing when the document was removed meanwhile."""
        document = parsed.document
        numbered = sum(page.number is not None for page in document.pages)
        with self._database.transaction() as connection:
            known = connection.execute(
                "UPDATE documents SET state = 'embedding', indexed = 0, n_embedded = 0, kind = ?, title = ?, "
                "n_pages = ?, n_chunks = ? WHERE document_id = ?",
                (document.kind, document.title, numbered, len(parsed.chunks), document_id),
            ).rowcount
            if known:
                _put_rows(connection, document_id, parsed)

    def chunks(self, document_id: str) -> tuple[IndexedChunk, ...]:
        """A document's chunks in reading order."""
        return tuple(
            IndexedChunk(chunk_id, document_id, content_of(heading, text))
            for chunk_id, heading, text in self._chunk_texts(document_id)
        )

    def places(self, chunk_ids: Sequence[str]) -> dict[str, Place]:
        """Places by chunk id; chunks of removed documents are not in it."""
        marks = ",".join("?" * len(chunk_ids))
        sql = (
            "SELECT c.chunk_id, c.document_id, d.name, d.path, c.page_index, p.number, c.heading, c.start, "
            "c.end FROM chunks c JOIN documents d USING (document_id) "
            "JOIN pages p USING (document_id, page_index) "
            f"WHERE c.chunk_id IN ({marks})"
        )
        found = cast("list[tuple[Any, ...]]", self._database.select(sql, tuple(chunk_ids)))
        return {values[0]: Place(*values) for values in found}

    def page_text(self, document_id: str, page_index: int) -> str:
        """The text of a page, '' when its document was removed."""
        found = self._database.select(
            "SELECT text FROM pages WHERE document_id = ? AND page_index = ?", (document_id, page_index)
        )
        return str(found[0][0]) if found else ""

    def n_pages(self, document_id: str) -> int:
        """Numbered pages, 0 for a document without pages."""
        found = self._database.select("SELECT COUNT(number) FROM pages WHERE document_id = ?", (document_id,))
        return cast("int", found[0][0])

    def n_chunks(self) -> int:
        """Chunks in the collection."""
        return cast("int", self._database.select("SELECT COUNT(*) FROM chunks")[0][0])

    def term_counts(self, terms: Iterable[str]) -> dict[str, int]:
        """In how many chunks each term occurs; terms that occur in none are left out."""
        wanted = tuple(terms)
        marks = ",".join("?" * len(wanted))
        sql = f"SELECT term, SUM(n_chunks) FROM terms WHERE term IN ({marks}) GROUP BY term"
        found = self._database.select(sql, wanted)
        return {str(term): cast("int", count) for term, count in found}

    def _chunk_texts(self, document_id: str) -> Iterator[tuple[str, str, str]]:
        """(chunk id, heading, text) in reading order, a page in memory at a time."""
        sql = (
            "SELECT chunk_id, page_index, start, end, heading FROM chunks "
            "WHERE document_id = ? ORDER BY chunk_id"
        )
        at, text = -1, ""
        for row in self._database.select(sql, (document_id,)):
            chunk_id, page_index, start, end, heading = cast("tuple[str, int, int, int, str]", row)
            if page_index != at:
                at, text = page_index, self.page_text(document_id, page_index)
            yield chunk_id, heading, text[start:end]


def _put_rows(connection: sqlite3.Connection, document_id: str, parsed: Parsed) -> None:
    for table in ("pages", "chunks", "terms"):
        connection.execute(f"DELETE FROM {table} WHERE document_id = ?", (document_id,))
    pages = parsed.document.pages
    connection.executemany(
        "INSERT INTO pages VALUES (?, ?, ?, ?)",
        [(document_id, index, page.number, page.text) for index, page in enumerate(pages)],
    )
    connection.executemany(
        "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?)",
        [
            (f"{document_id}-{number:06d}", document_id, c.page_index, c.start, c.end, c.heading)
            for number, c in enumerate(parsed.chunks)
        ],
    )
    connection.executemany(
        "INSERT INTO terms VALUES (?, ?, ?)", [(term, document_id, n) for term, n in parsed.terms.items()]
    )
