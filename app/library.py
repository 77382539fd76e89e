"""The window's side of the library: what is in it, what is being read, what a search found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from time import monotonic

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QUndoCommand

from app.context import AppContext
from engine.protocol import (
    Cancelled,
    DocumentChanged,
    DocumentRow,
    Event,
    Failed,
    Finished,
    Hit,
    Ingest,
    ListDocuments,
    Progress,
    RemoveDocuments,
    Search,
)

COLLECTION = "library"
FLUSH_MS = 50
_SHARE_DONE = {"queued": 0.0, "reading": 0.0, "embedding": 0.3, "ready": 1.0, "failed": 1.0}
_SHARE_OF_STATE = {"reading": 0.3, "embedding": 0.7}


class LibraryController(QObject):
    """Sends the library's commands and keeps its rows. Changes are told at most 20 times a second."""

    reset = Signal(object)  # every DocumentRow, after a listing
    rows_changed = Signal(object)  # the DocumentRows that are new or differ
    rows_removed = Signal(object)  # ids
    activity_changed = Signal()  # ``busy``, ``fraction`` or ``summary`` differ
    searching = Signal(str)  # a query went out
    hits_found = Signal(str, object)  # the query and its Hits

    def __init__(self, context: AppContext, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._rows: dict[str, DocumentRow] = {}
        self._fresh: dict[str, DocumentRow] = {}
        self._ingests: dict[int, tuple[str, ...]] = {}
        self._batch: set[str] = set()
        self._stage = ""
        self._started_at = 0.0
        self._search_job = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(FLUSH_MS)
        self._timer.timeout.connect(self.flush)
        context.client.subscribe(DocumentChanged, self._on_document)
        self.refresh()

    @property
    def rows(self) -> tuple[DocumentRow, ...]:
        """Every document, in order of arrival."""
        return tuple(self._rows.values())

    @property
    def busy(self) -> bool:
        """Whether documents are being read or wait for it."""
        return bool(self._ingests)

    @property
    def fraction(self) -> float | None:
        """How far the documents at hand are, 0..1; None while their number is not known."""
        batch = [self._rows[i] for i in self._batch if i in self._rows]
        return sum(_done(row) for row in batch) / len(batch) if batch else None

    @property
    def summary(self) -> str:
        """The work at hand in a few words, with its rate."""
        batch = [self._rows[i] for i in self._batch if i in self._rows]
        if not batch:
            return self._stage or "Looking through the files…"
        ended = [row for row in batch if row.state in ("ready", "failed")]
        words = f"{len(ended):,} of {len(batch):,} documents"
        seconds = monotonic() - self._started_at
        n_chunks = sum(row.n_chunks for row in ended)
        return f"{words} · {n_chunks / seconds:,.0f} chunks/s" if n_chunks and seconds > 1 else words

    def refresh(self) -> None:
        """Ask the engine what is in the library."""
        self._context.client.send(ListDocuments(collection=COLLECTION), done=self._on_list)

    def add_paths(self, paths: Sequence[str]) -> None:
        """Read files and folders into the library; several calls queue up."""
        wanted = tuple(dict.fromkeys(paths))
        if not wanted:
            return
        if not self._ingests:
            self._batch.clear()
            self._started_at = monotonic()
        job = self._context.client.send(
            Ingest(paths=wanted, collection=COLLECTION), done=self._on_ingested, on_event=self._on_progress
        )
        self._ingests[job] = wanted
        self.activity_changed.emit()

    def cancel(self) -> None:
        """Stop reading; what is ready stays."""
        for job in tuple(self._ingests):
            self._context.client.cancel(job)

    def retry(self, document_ids: Iterable[str]) -> None:
        """Read documents again (failed ones, usually)."""
        self.add_paths([self._rows[i].path for i in document_ids if i in self._rows])

    def remove(self, document_ids: Iterable[str]) -> None:
        """Take documents out of the library (the files stay); can be undone."""
        rows = tuple(self._rows[i] for i in dict.fromkeys(document_ids) if i in self._rows)
        if rows:
            self._context.undo.push(_Remove(self, rows))

    def search(self, query: str, k: int = 20) -> None:
        """Look for passages; the newest query wins."""
        if self._search_job:
            self._context.client.cancel(self._search_job)
        self.searching.emit(query)
        self._search_job = self._context.client.send(
            Search(query=query, collection=COLLECTION, k=k), done=lambda event: self._on_hits(query, event)
        )

    def take_out(self, rows: Sequence[DocumentRow]) -> None:
        """Remove what lies at the paths of ``rows`` now (an undone removal gives new ids)."""
        paths = {row.path for row in rows}
        ids = tuple(i for i, row in self._rows.items() if row.path in paths)
        if ids:
            command = RemoveDocuments(document_ids=ids, collection=COLLECTION)
            self._context.client.send(command, done=self._on_removed)

    def put_back(self, rows: Sequence[DocumentRow]) -> None:
        """Read the files of ``rows`` again; says which are gone."""
        gone = [row for row in rows if not Path(row.path).exists()]
        if gone:
            self._context.notices.show(
                "warning",
                _gone_words(gone),
                "Put the file back where it was and add it again.",
                "\n".join(row.path for row in gone),
            )
        self.add_paths([row.path for row in rows if row not in gone])

    def _on_list(self, event: Event) -> None:
        if isinstance(event, Finished) and isinstance(event.result, tuple):
            self._rows = {row.document_id: row for row in event.result}
            self._fresh.clear()
            self.reset.emit(self.rows)
            self.activity_changed.emit()
        elif isinstance(event, Failed):
            self._context.notices.show_error(event.error)

    def _on_document(self, event: DocumentChanged) -> None:
        if event.collection == COLLECTION:
            self._keep(event.row)

    def _keep(self, row: DocumentRow) -> None:
        self._rows[row.document_id] = row
        self._fresh[row.document_id] = row
        if self.busy:
            self._batch.add(row.document_id)
        if not self._timer.isActive():
            self._timer.start()

    def flush(self) -> None:
        """Tell what came since the last time."""
        if self._fresh:
            changed = tuple(self._fresh.values())
            self._fresh.clear()
            self.rows_changed.emit(changed)
        self.activity_changed.emit()

    def _on_progress(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._stage = event.text or event.stage
            if not self._timer.isActive():
                self._timer.start()

    def _on_ingested(self, event: Event) -> None:
        self._ingests.pop(event.job, None)
        if isinstance(event, Failed):
            self._context.notices.show_error(event.error)
        elif isinstance(event, Finished | Cancelled) and isinstance(event.result, tuple):
            for row in event.result:
                self._keep(row)
        self._stage = ""
        self.flush()
        if isinstance(event, Cancelled):
            self.refresh()  # what was queued and never read is no longer there

    def _on_removed(self, event: Event) -> None:
        if isinstance(event, Failed):
            self._context.notices.show_error(event.error)
            self.refresh()
        elif isinstance(event, Finished) and isinstance(event.result, tuple):
            for document_id in event.result:
                self._rows.pop(document_id, None)
                self._fresh.pop(document_id, None)
            self.rows_removed.emit(event.result)
            self.activity_changed.emit()

    def _on_hits(self, query: str, event: Event) -> None:
        if event.job != self._search_job:
            return
        self._search_job = 0
        if isinstance(event, Failed):
            self._context.notices.show_error(event.error)
        hits: tuple[Hit, ...] = ()
        if isinstance(event, Finished) and isinstance(event.result, tuple):
            hits = event.result
        self.hits_found.emit(query, hits)


class _Remove(QUndoCommand):
    """Documents leave the library; undoing reads their files again."""

    def __init__(self, library: LibraryController, rows: tuple[DocumentRow, ...]) -> None:
        name = rows[0].name if len(rows) == 1 else f"{len(rows):,} documents"
        super().__init__(f"remove {name}")
        self._library, self._removed = library, rows

    def redo(self) -> None:
        self._library.take_out(self._removed)

    def undo(self) -> None:
        self._library.put_back(self._removed)


def _done(row: DocumentRow) -> float:
    return _SHARE_DONE[row.state] + _SHARE_OF_STATE.get(row.state, 0.0) * row.progress


def _gone_words(gone: Sequence[DocumentRow]) -> str:
    if len(gone) == 1:
        return f"{gone[0].name} cannot come back: the file is no longer there."
    return f"{len(gone):,} documents cannot come back: their files are no longer there."
