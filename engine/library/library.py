"""The library of a workspace: collections of documents, read, searched and cited."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.cancel import CancelToken
from engine.library.citations import find_citations
from engine.library.collection import Collection
from engine.library.embedder import Embedder
from engine.library.ingest import Ingester, Rows
from engine.library.parse_pool import ParserProcess
from engine.library.passage import open_passage
from engine.library.search import answerability, search
from engine.protocol import Citation, DocumentRow, Hit, Passage

DEFAULT_COLLECTION = "library"


class Library:
    """Reading and removing belong to one thread; listing, searching, passages and citations are
    allowed from any thread meanwhile."""

    def __init__(
        self, root: Path, embedder_path: str | None = None, parser: ParserProcess | None = None
    ) -> None:
        """Open (or begin) the library in ``root``. Raises BadInput when ``embedder_path`` is no
        sentence-transformers folder."""
        self._root = root
        self._embedder = Embedder(embedder_path)
        self._parser = parser if parser is not None else ParserProcess()
        self._lock = threading.Lock()
        self._collections: dict[str, Collection] = {}
        self._closing = False

    def ingest(self, paths: Iterable[str], collection: str, cancel: CancelToken) -> Rows:
        """Read files and folders. A generator of rows as they change, with a small step of work between
        two; it can be closed at any point. Raises JobCancelled, and EngineError on a full disk.

        What was called off is forgotten, but after :meth:`keep_queue` (the program ends) what still
        waits is kept for :meth:`resume`."""
        ingester = Ingester(self._collection(collection), self._embedder, self._parser, cancel)
        try:
            yield from ingester.run(paths)
        finally:
            self._parser.close()
            if cancel.is_set and not self._closing:
                ingester.forget_queue()

    def resume(self, collection: str, cancel: CancelToken) -> Rows:
        """Finish what an earlier run left: unread files, missing vectors, vectors of another
        embedder."""
        return self.ingest((), collection, cancel)

    def keep_queue(self) -> None:
        """The program is about to end: a run that stops now goes on at the next start. Any thread."""
        self._closing = True

    def list_documents(self, collection: str = DEFAULT_COLLECTION) -> tuple[DocumentRow, ...]:
        """All documents in order of arrival."""
        return self._collection(collection).documents.rows()

    def remove(self, document_ids: Iterable[str], collection: str = DEFAULT_COLLECTION) -> tuple[str, ...]:
        """Remove documents and every chunk and vector of theirs. Returns the ids that were there."""
        return self._collection(collection).remove(document_ids)

    def search(
        self, query: str, collection: str = DEFAULT_COLLECTION, k: int = 10, *, for_prompt: bool = False
    ) -> tuple[Hit, ...]:
        """The ``k`` best hits, best first, without near-duplicates; ``for_prompt`` takes at most three
        chunks of a document. Works on text alone while there are no vectors."""
        searched = self._collection(collection)
        embedder = self._embedder if searched.has_vectors_of(self._embedder) else None
        return search(query, searched.store, searched.texts, embedder, k, for_prompt=for_prompt)

    def answerability(
        self, question: str, hits: Sequence[Hit], collection: str = DEFAULT_COLLECTION
    ) -> float:
        """How far the first hit holds what is asked: at .30 and above answer, below .15 the documents
        do not hold it."""
        return answerability(question, hits, self._collection(collection).weights(question))

    def citations(
        self, answer: str, hits: Sequence[Hit], collection: str = DEFAULT_COLLECTION
    ) -> tuple[Citation, ...]:
        """The numbered citations of an answer, each checked against its passage."""
        weights = self._collection(collection).weights(answer)
        return find_citations(answer, hits, weights, self._embedder.embed)

    def passage(self, chunk_id: str, collection: str = DEFAULT_COLLECTION) -> Passage:
        """The page of a chunk with its span. Raises BadInput when its document was removed."""
        opened = self._collection(collection)
        return open_passage(chunk_id, opened.documents, opened.texts)

    @property
    def embedder(self) -> Embedder:
        """The embedder, loaded when first used."""
        return self._embedder

    def embedder_bytes(self) -> int:
        """Bytes of the embedder's weights, 0 while it is not loaded."""
        return self._embedder.memory_bytes()

    def close(self) -> None:
        """End the parser process and close the files."""
        self._closing = True
        self._parser.close()
        with self._lock:
            for collection in self._collections.values():
                collection.close()
            self._collections.clear()

    def _collection(self, name: str) -> Collection:
        with self._lock:
            if name not in self._collections:
                self._collections[name] = Collection(self._root / Collection.folder_name(name))
            return self._collections[name]
