"""Filling in the vectors of chunks that have none, in small steps."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from engine.cancel import CancelToken
from engine.library.collection import Collection
from engine.library.embedder import MAX_BATCH, Embedder
from engine.library.texts import IndexedChunk

SAVE_PERIOD_S = 3.0
_STEP_S = 0.4
_FETCH_CHUNKS = 256
_FIRST_BATCH = 8


class VectorFiller:
    """One pass over a collection. What it made is saved every few seconds and when it ends early."""

    def __init__(self, collection: Collection, embedder: Embedder, cancel: CancelToken) -> None:
        self._collection, self._embedder, self._cancel = collection, embedder, cancel
        self._batch = _FIRST_BATCH

    def run(self) -> Generator[str, None, None]:
        """Ids of documents that came nearer to being ready. Raises JobCancelled."""
        self._collection.adopt(self._embedder)
        store = self._collection.store
        waiting = store.without_vector(_FETCH_CHUNKS)
        if not waiting:
            return
        store.optimize()
        while waiting:
            yield from self._fill(waiting)
            waiting = store.without_vector(_FETCH_CHUNKS)
        store.optimize()

    def _fill(self, waiting: tuple[IndexedChunk, ...]) -> Generator[str, None, None]:
        made: list[NDArray[np.float32]] = []
        first = at = 0
        saved_at = time.monotonic()
        try:
            while at < len(waiting):
                self._cancel.check()
                batch = waiting[at : at + self._batch]
                made.append(self._embed(batch))
                at += len(batch)
                if time.monotonic() - saved_at > SAVE_PERIOD_S:
                    self._save(waiting[first:at], made)
                    first, made, saved_at = at, [], time.monotonic()
                yield batch[-1].document_id
        finally:
            self._save(waiting[first:at], made)
        yield from dict.fromkeys(chunk.document_id for chunk in waiting)

    def _embed(self, batch: tuple[IndexedChunk, ...]) -> NDArray[np.float32]:
        """Vectors [n, dimension]; the next batch is sized to take about ``_STEP_S``."""
        began = time.monotonic()
        vectors = self._embedder.embed([chunk.content for chunk in batch])
        taken_s = time.monotonic() - began
        if taken_s > _STEP_S:
            self._batch = max(1, self._batch // 2)
        elif taken_s < _STEP_S / 3:
            self._batch = min(MAX_BATCH, self._batch * 2)
        return vectors

    def _save(self, chunks: tuple[IndexedChunk, ...], vectors: list[NDArray[np.float32]]) -> None:
        if chunks:
            self._collection.store.set_vectors([chunk.chunk_id for chunk in chunks], np.concatenate(vectors))
            self._collection.documents.add_embedded(Counter(chunk.document_id for chunk in chunks))
