"""Rows of a collection's documents, and which files they came from.

A document is its content: two equal files are one document with two sources, and a file that
changed becomes another document, which takes the old one's place once it can be searched.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from engine.library.database import Database
from engine.protocol import DocumentRow, ErrorInfo

_COLUMNS = "document_id, name, path, kind, n_pages, n_chunks, size_bytes, state, n_embedded, error"


@dataclass(frozen=True, slots=True)
class FileVersion:
    """A file as it was when it was looked at."""

    path: str
    name: str
    size_bytes: int
    mtime_ns: int


class DocumentTable:
    """Rows, states and sources."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self) -> tuple[DocumentRow, ...]:
        """All documents in order of arrival."""
        found = self._database.select(f"SELECT {_COLUMNS} FROM documents ORDER BY rowid")
        return tuple(_row(values) for values in found)

    def row(self, document_id: str) -> DocumentRow | None:
        """One document, None when it was removed."""
        found = self._database.select(
            f"SELECT {_COLUMNS} FROM documents WHERE document_id = ?", (document_id,)
        )
        return _row(found[0]) if found else None

    def known(self, file: FileVersion) -> DocumentRow | None:
        """The document read from exactly this file, unchanged since, unless that failed."""
        found = self._database.select(
            "SELECT document_id FROM sources WHERE path = ? AND size_bytes = ? AND mtime_ns = ?",
            (file.path, file.size_bytes, file.mtime_ns),
        )
        row = self.row(str(found[0][0])) if found else None
        return row if row is not None and row.state in ("ready", "embedding") else None

    def version(self, document_id: str) -> FileVersion | None:
        """The file that a document shows as its own, as it was when it was read."""
        found = self._database.select(
            "SELECT path, name, size_bytes, mtime_ns FROM documents WHERE document_id = ?", (document_id,)
        )
        return FileVersion(*cast("tuple[str, str, int, int]", found[0])) if found else None

    def with_state(self, *states: str) -> tuple[str, ...]:
        """Ids in order of arrival."""
        marks = ",".join("?" * len(states))
        sql = f"SELECT document_id FROM documents WHERE state IN ({marks}) ORDER BY rowid"
        return tuple(str(values[0]) for values in self._database.select(sql, states))

    def next_unread(self) -> str:
        """The document to read next, '' when there is none."""
        sql = "SELECT document_id FROM documents WHERE state IN ('queued', 'reading') ORDER BY rowid LIMIT 1"
        found = self._database.select(sql)
        return str(found[0][0]) if found else ""

    def unindexed(self, limit: int) -> tuple[str, ...]:
        """Documents whose text is stored but not in the search index yet, at most ``limit``."""
        sql = "SELECT document_id FROM documents WHERE state = 'embedding' AND NOT indexed LIMIT ?"
        return tuple(str(values[0]) for values in self._database.select(sql, (limit,)))

    def mark_unindexed(self, document_ids: Iterable[str]) -> None:
        """The search index has lost these; those with a text go into it again."""
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE documents SET state = 'embedding', indexed = 0, n_embedded = 0 "
                "WHERE document_id = ? AND state IN ('embedding', 'ready')",
                [(document_id,) for document_id in document_ids],
            )

    def queue(self, document_id: str, file: FileVersion, kind: str) -> None:
        """A document waits to be read (again, if it failed)."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO documents (document_id, name, path, kind, size_bytes, mtime_ns, state) "
                "VALUES (?, ?, ?, ?, ?, ?, 'queued') ON CONFLICT (document_id) DO UPDATE SET "
                "name = excluded.name, path = excluded.path, state = 'queued', error = NULL, "
                "size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns",
                (document_id, file.name, file.path, kind, file.size_bytes, file.mtime_ns),
            )

    def set_reading(self, document_id: str) -> None:
        """The parser has it."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE documents SET state = 'reading' WHERE document_id = ?", (document_id,))

    def fail(self, document_id: str, error: ErrorInfo) -> tuple[str, ...]:
        """It cannot be read; whatever its path held before is outdated (returned, and gone)."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE documents SET state = 'failed', error = ? WHERE document_id = ?",
                (json.dumps(asdict(error)), document_id),
            )
        return self.take_place((document_id,))

    def take_place(self, document_ids: Iterable[str]) -> tuple[str, ...]:
        """The documents are now what their paths hold. Returns the ids of documents that no file
        holds any more; their rows are gone."""
        with self._database.transaction() as connection:
            for document_id in document_ids:
                connection.execute(
                    "INSERT OR REPLACE INTO sources SELECT path, document_id, size_bytes, mtime_ns "
                    "FROM documents WHERE document_id = ?",
                    (document_id,),
                )
                connection.execute("UPDATE documents SET indexed = 1 WHERE document_id = ?", (document_id,))
        return self._drop_sourceless()

    def add_source(self, document_id: str, file: FileVersion, *, moved: bool) -> tuple[str, ...]:
        """Another file with the same content; ``moved`` makes it the one that is shown. Returns what
        :meth:`take_place` returns."""
        values = (file.path, document_id, file.size_bytes, file.mtime_ns)
        with self._database.transaction() as connection:
            if moved:
                connection.execute(
                    "DELETE FROM sources WHERE path = (SELECT path FROM documents WHERE document_id = ?)",
                    (document_id,),
                )
                connection.execute(
                    "UPDATE documents SET path = ?, name = ?, mtime_ns = ? WHERE document_id = ?",
                    (file.path, file.name, file.mtime_ns, document_id),
                )
            connection.execute("INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?)", values)
        return self._drop_sourceless()

    def outdated_by(self, document_ids: Iterable[str]) -> tuple[str, ...]:
        """Documents that lose their last file when ``document_ids`` take their places."""
        ids = tuple(document_ids)
        marks = ",".join("?" * len(ids))
        sql = (
            f"SELECT DISTINCT s.document_id FROM sources s WHERE s.document_id NOT IN ({marks}) "
            "AND NOT EXISTS (SELECT 1 FROM sources o WHERE o.document_id = s.document_id AND o.path NOT IN "
            f"(SELECT path FROM documents WHERE document_id IN ({marks})))"
        )
        return tuple(str(values[0]) for values in self._database.select(sql, (*ids, *ids)))

    def add_embedded(self, counts: Mapping[str, int]) -> None:
        """So many more chunks of each document have vectors; with the last one it is ready."""
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE documents SET n_embedded = MIN(n_embedded + ?, n_chunks) WHERE document_id = ?",
                [(count, document_id) for document_id, count in counts.items()],
            )
            _set_ready(connection)

    def set_embedded(self, missing: Mapping[str, int]) -> None:
        """Count anew from what the index lacks, after a killed run."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE documents SET n_embedded = n_chunks WHERE state = 'embedding'")
            connection.executemany(
                "UPDATE documents SET n_embedded = n_chunks - ?, state = 'embedding' WHERE document_id = ? "
                "AND state IN ('embedding', 'ready')",
                [(count, document_id) for document_id, count in missing.items()],
            )
            _set_ready(connection)

    def delete(self, document_ids: Iterable[str]) -> None:
        """Rows, sources, pages and chunks go together."""
        with self._database.transaction() as connection:
            connection.executemany(
                "DELETE FROM documents WHERE document_id = ?", [(key,) for key in document_ids]
            )

    def _drop_sourceless(self) -> tuple[str, ...]:
        """Documents in use whose shown path went to another document show another of theirs, or go."""
        settled = "d.state NOT IN ('queued', 'reading') AND d.indexed"
        with self._database.transaction() as connection:
            gone = connection.execute(
                f"SELECT document_id FROM documents d WHERE {settled} AND NOT EXISTS "
                "(SELECT 1 FROM sources s WHERE s.document_id = d.document_id)"
            ).fetchall()
            connection.executemany("DELETE FROM documents WHERE document_id = ?", gone)
            moved = connection.execute(
                f"SELECT document_id FROM documents d WHERE {settled} AND NOT EXISTS "
                "(SELECT 1 FROM sources s WHERE s.path = d.path AND s.document_id = d.document_id)"
            ).fetchall()
            for (document_id,) in moved:
                _show_other_source(connection, document_id)
        return tuple(str(values[0]) for values in gone)


def _set_ready(connection: sqlite3.Connection) -> None:
    connection.execute(
        "UPDATE documents SET state = 'ready' "
        "WHERE state = 'embedding' AND indexed AND n_embedded >= n_chunks"
    )


def _show_other_source(connection: sqlite3.Connection, document_id: str) -> None:
    path, mtime_ns = connection.execute(
        "SELECT path, mtime_ns FROM sources WHERE document_id = ? ORDER BY path", (document_id,)
    ).fetchone()
    connection.execute(
        "UPDATE documents SET path = ?, name = ?, mtime_ns = ? WHERE document_id = ?",
        (path, Path(path).name, mtime_ns, document_id),
    )


def _row(values: tuple[Any, ...]) -> DocumentRow:
    document_id, name, path, kind, n_pages, n_chunks, size_bytes, state, n_embedded, error = values
    progress = n_embedded / n_chunks if state == "embedding" and n_chunks else float(state == "ready")
    return DocumentRow(
        document_id=document_id,
        name=name,
        path=path,
        kind=kind,
        n_pages=n_pages,
        n_chunks=n_chunks,
        size_bytes=size_bytes,
        state=state,
        progress=progress,
        error=ErrorInfo(**json.loads(error)) if error else None,
    )
