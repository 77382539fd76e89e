"""Reading files into a collection, one small step at a time, so that the library thread can serve
searches between the steps. First all texts (searchable at once), then all vectors."""

from __future__ import annotations

import errno
import sqlite3
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.cancel import CancelToken
from engine.errors import BadInput, EngineError
from engine.library.collection import Collection
from engine.library.documents import FileVersion
from engine.library.embedder import Embedder
from engine.library.files import document_id, file_version, unread_id, walk
from engine.library.parse_pool import Parsed, ParserProcess
from engine.library.readers.kinds import kind_of
from engine.library.vectors import VectorFiller
from engine.protocol import DocumentRow, ErrorInfo

Rows = Generator[DocumentRow, None, None]

_POLL_S = 0.25
_INDEX_PERIOD_S = 1.0
_DISK_FULL_WORDS = ("disk is full", "No space left", "os error 28", "os error 122")


class Ingester:
    """One run over some paths, or over what a killed run left (no paths)."""

    def __init__(
        self, collection: Collection, embedder: Embedder, parser: ParserProcess, cancel: CancelToken
    ) -> None:
        self._collection, self._documents = collection, collection.documents
        self._embedder, self._parser, self._cancel = embedder, parser, cancel
        self._queued: list[str] = []

    def run(self, paths: Iterable[str]) -> Rows:
        """Rows as they change. Raises JobCancelled, and EngineError when nothing can be written; a file
        that cannot be read becomes a failed row and stops nothing."""
        with _disk_errors():
            self._collection.recover()
            yield from self._queue(paths)
            yield from self._read_all()
            for key in VectorFiller(self._collection, self._embedder, self._cancel).run():
                yield from self._changed(key)

    def forget_queue(self) -> None:
        """Drop what this run queued and has not read: it was called off."""
        waiting = set(self._documents.with_state("queued", "reading"))
        self._collection.remove(key for key in self._queued if key in waiting)

    def _queue(self, paths: Iterable[str]) -> Rows:
        for found in walk(paths):
            self._cancel.check()
            if isinstance(found, Path):
                yield from self._queue_file(found)
            else:
                yield from self._fail_unread(*found)

    def _queue_file(self, path: Path) -> Rows:
        try:
            file = file_version(path)
            row = self._documents.known(file)
            key = row.document_id if row is not None else document_id(path)
        except OSError as error:
            yield from self._fail_unread(path, _not_permitted(path, error))
            return
        if row is None:
            self._add(key, file)
        yield from self._changed(key)

    def _add(self, key: str, file: FileVersion) -> None:
        twin = self._documents.row(key)
        if twin is not None and twin.state in ("ready", "embedding"):
            moved = twin.path == file.path or not Path(twin.path).exists()
            self._collection.store.delete(self._documents.add_source(key, file, moved=moved))
        elif twin is None or twin.state == "failed":
            self._documents.queue(key, file, kind_of(Path(file.path))[0])
            self._queued.append(key)

    def _fail_unread(self, path: Path, error: BadInput) -> Rows:
        key = unread_id(path)
        self._documents.queue(key, FileVersion(str(path), path.name, 0, 0), kind_of(path)[0])
        yield from self._fail(key, error)

    def _read_all(self) -> Rows:
        """Documents are indexed a second's worth at a time, and at the end, however that comes."""
        indexed_at = time.monotonic()
        try:
            while key := self._documents.next_unread():
                self._cancel.check()
                yield from self._read(key)
                if time.monotonic() - indexed_at > _INDEX_PERIOD_S:
                    self._collection.index_waiting()
                    indexed_at = time.monotonic()
        finally:
            self._parser.close()
            self._collection.index_waiting()

    def _read(self, key: str) -> Rows:
        version = self._documents.version(key)
        if version is None:
            return
        self._documents.set_reading(key)
        yield from self._changed(key)
        self._parser.submit(Path(version.path), self._embedder.tokenizer_path)
        while (outcome := self._parser.poll(_POLL_S)) is None:
            self._cancel.check()
            yield from self._changed(key)
        if isinstance(outcome, Parsed):
            self._collection.texts.put(key, outcome)
            yield from self._changed(key)
        else:
            yield from self._fail(key, outcome)

    def _fail(self, key: str, error: EngineError) -> Rows:
        info = ErrorInfo(text=error.text, hint=error.hint, detail=error.detail, bad_input=True)
        self._collection.store.delete(self._documents.fail(key, info))
        yield from self._changed(key)

    def _changed(self, key: str) -> Rows:
        """The row as it is now; nothing when the document was removed meanwhile."""
        row = self._documents.row(key)
        if row is not None:
            yield row


def _not_permitted(path: Path, error: OSError) -> BadInput:
    return BadInput(
        f"“{path.name}” may not be read: {error.strerror or error}.",
        "Change the file's permissions, or copy it to a folder of yours.",
        str(error),
    )


@contextmanager
def _disk_errors() -> Iterator[None]:
    """A full disk in words, whoever met it: SQLite, LanceDB or the system."""
    try:
        yield
    except (OSError, sqlite3.OperationalError, RuntimeError) as error:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if not full and not any(words in str(error) for words in _DISK_FULL_WORDS):
            raise
        raise EngineError(
            "The disk is full: the library cannot be written. What it holds already is kept.",
            "Free some space, then add the rest again.",
            str(error),
        ) from error
