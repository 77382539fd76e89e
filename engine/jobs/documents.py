"""What the commands about documents do; also the passages and citations of an answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cancel import CancelToken
from engine.errors import BadInput, EngineError
from engine.jobs.failure import error_info
from engine.library.prompt import build_messages
from engine.protocol import (
    Citation,
    DocumentChanged,
    DocumentRow,
    Documents,
    Event,
    Hit,
    Ingest,
    ListDocuments,
    Message,
    Notice,
    OpenPassage,
    Passage,
    RemoveDocuments,
    Search,
)

if TYPE_CHECKING:
    from engine.library.library import Library

MIN_ANSWERABILITY = 0.05
"""Below this nothing in the documents has to do with the message (a model may still say 'not in the
documents' above it)."""


class DocumentRoom:
    """The library of the workspace, opened at first use. Ingestion and removal belong to the library
    thread; searching is allowed from both."""

    def __init__(self, root: Path | None, emit: Callable[[Event], None]) -> None:
        self._root, self._emit = root, emit
        self._lock = threading.Lock()
        self._opened: Library | None = None

    @property
    def library(self) -> Library:
        """The library; BadInput when the engine runs without a workspace."""
        if self._root is None:
            raise BadInput("There is no workspace, so there are no documents.", "Give --workspace DIR.")
        with self._lock:
            if self._opened is None:
                # LanceDB takes seconds to import, and the model must not wait for it
                from engine.library.library import Library

                self._opened = Library(self._root)
            return self._opened

    def ingest(self, command: Ingest, cancel: CancelToken) -> Generator[None, None, tuple[DocumentRow, ...]]:
        """Read files and folders, a small step at a time."""
        return self._report(command, self.library.ingest(command.paths, command.collection, cancel))

    def resume(self) -> Generator[None, None, None]:
        """Finish what an earlier run left unfinished. What goes wrong becomes a notice: nobody asked."""
        command = Ingest(paths=())
        try:
            yield from self._report(command, self.library.resume(command.collection, CancelToken()))
        except EngineError as error:
            self._emit(Notice(severity="warning", error=error_info(error)))

    def keep_queue(self) -> None:
        """The program ends: what still waits to be read is kept for the next start."""
        if self._opened is not None:
            self._opened.keep_queue()

    def _report(
        self, command: Ingest, rows: Generator[DocumentRow, None, object]
    ) -> Generator[None, None, tuple[DocumentRow, ...]]:
        last: dict[str, DocumentRow] = {}
        try:
            for row in rows:
                last[row.document_id] = row
                self._emit(DocumentChanged(job=command.job, collection=command.collection, row=row))
                yield
        finally:
            rows.close()
        return tuple(last.values())

    def list_documents(self, command: ListDocuments, cancel: CancelToken) -> tuple[DocumentRow, ...]:
        """All rows of a collection."""
        return tuple(self.library.list_documents(command.collection))

    def remove(self, command: RemoveDocuments, cancel: CancelToken) -> tuple[str, ...]:
        """Remove documents with every chunk and vector of theirs."""
        return tuple(self.library.remove(command.document_ids, command.collection))

    def search(self, command: Search, cancel: CancelToken) -> tuple[Hit, ...]:
        """The best hits, best first."""
        return tuple(self.library.search(command.query, command.collection, command.k))

    def passage(self, command: OpenPassage, cancel: CancelToken) -> Passage:
        """A hit's page with its span."""
        return self.library.passage(command.chunk_id, command.collection)

    def passages_for(self, question: str, documents: Documents) -> tuple[Hit, ...]:
        """The passages that go into a prompt; none when even the best one is far from the question, so
        that a greeting is not answered from documents."""
        name = documents.collection
        hits = self.library.search(question, name, documents.k, for_prompt=True)
        near = bool(hits) and self.library.answerability(question, hits, name) >= MIN_ANSWERABILITY
        return tuple(hits) if near else ()

    @staticmethod
    def assemble(history: Sequence[Message], hits: Sequence[Hit]) -> tuple[Message, ...]:
        """The conversation with its passages, as the model reads it."""
        return tuple(build_messages(history, hits))

    def citations(self, answer: str, hits: Sequence[Hit]) -> tuple[Citation, ...]:
        """The numbered citations of an answer, each checked against its passage."""
        return tuple(self.library.citations(answer, hits)) if hits else ()

    def embedder_bytes(self) -> int:
        """Memory of the embedder, 0 while it is not loaded."""
        return 0 if self._opened is None else self._opened.embedder_bytes()

    def close(self) -> None:
        """Close the store and the parser process."""
        if self._opened is not None:
            self._opened.close()
