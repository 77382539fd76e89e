"""The search index of a collection: a LanceDB table with full text and vectors.

Rows come with text only and get their vectors later. Everything in it can be rebuilt from the
collection's database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import FTS, IvfRq
from lancedb.query import MatchQuery
from numpy.typing import NDArray

from engine.library.texts import IndexedChunk

# Below this, comparing with every vector is as fast as an index, and exact (49 ms at 100,000).
MIN_ROWS_FOR_VECTOR_INDEX = 50_000
_KEEP_VERSIONS = timedelta(minutes=1)
_TABLE = "chunks"
# ICU finds words in scripts without spaces too; "split" also finds the parts of file_names and node.js.
_FULL_TEXT = FTS(base_tokenizer="icu/split", language="English", stem=True, ascii_folding=True)
_SCHEMA = pa.schema(
    [
        pa.field("chunk_id", pa.string(), nullable=False),
        pa.field("document_id", pa.string(), nullable=False),
        pa.field("content", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Candidates:
    """What one kind of search found: ids, scores [n] (BM25, or nothing), vectors [n, dimension] (NaN
    where a chunk has none yet)."""

    chunk_ids: tuple[str, ...]
    bm25: NDArray[np.float32]
    vectors: NDArray[np.float32]


class IndexStore:
    """One writer thread; any thread may search meanwhile."""

    def __init__(self, folder: Path) -> None:
        # Without consistency checks another handle (or thread) would search an old version.
        self._connection = lancedb.connect(folder, read_consistency_interval=timedelta(0))
        exists = _TABLE in self._connection.list_tables().tables
        self._table: Any = (  # an existing table may have the vectors' column, which the schema has not
            self._connection.open_table(_TABLE)
            if exists
            else self._connection.create_table(_TABLE, schema=_SCHEMA)
        )
        if not self._table.list_indices():
            self._table.create_index("content", config=_FULL_TEXT)

    def insert(self, chunks: Sequence[IndexedChunk], outdated_ids: Sequence[str]) -> None:
        """Add chunks without vectors and delete the documents they replace, in one commit. A chunk that
        is there already stays as it is."""
        rows = pa.table(
            {
                "chunk_id": [chunk.chunk_id for chunk in chunks],
                "document_id": [chunk.document_id for chunk in chunks],
                "content": [chunk.content for chunk in chunks],
            },
            schema=_SCHEMA,
        )
        merge = self._table.merge_insert("chunk_id").when_not_matched_insert_all()
        if outdated_ids:
            merge = merge.when_not_matched_by_source_delete(_among(outdated_ids))
        merge.execute(rows)

    def set_vectors(self, chunk_ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Store unit vectors [n, dimension]; chunks that were removed meanwhile stay removed."""
        dimension = vectors.shape[1]
        if self.dimension is None:
            self._table.add_columns(pa.field("vector", pa.list_(pa.float32(), dimension)))
        values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dimension)
        rows = pa.table({"chunk_id": list(chunk_ids), "vector": values})
        self._table.merge_insert("chunk_id").when_matched_update_all().execute(rows)

    @property
    def dimension(self) -> int | None:
        """Length of the vectors, None before the first."""
        schema = self._table.schema
        return schema.field("vector").type.list_size if "vector" in schema.names else None

    def drop_vectors(self) -> None:
        """Forget all vectors (another embedder will make new ones)."""
        if self.dimension is not None:
            self._table.drop_columns(["vector"])

    def without_vector(self, limit: int) -> tuple[IndexedChunk, ...]:
        """Chunks that wait for their vectors, at most ``limit``."""
        query = self._table.search().select(["chunk_id", "document_id", "content"])
        if self.dimension is not None:
            query = query.where("vector IS NULL")
        rows = query.limit(limit).to_arrow().to_pylist()
        return tuple(IndexedChunk(**row) for row in rows)

    def count_without_vector(self) -> Counter[str]:
        """How many chunks of each document wait for their vectors; documents that miss none are left
        out."""
        query = self._table.search().select(["document_id"])
        if self.dimension is not None:
            query = query.where("vector IS NULL")
        return Counter(query.limit(None).to_arrow()["document_id"].to_pylist())

    def document_ids(self) -> frozenset[str]:
        """Documents that have chunks here."""
        column = self._table.search().select(["document_id"]).limit(None).to_arrow()["document_id"]
        return frozenset(column.unique().to_pylist())

    def delete(self, document_ids: Sequence[str]) -> None:
        """Remove every chunk of the documents."""
        if document_ids:
            self._table.delete(_among(document_ids))

    def search_text(self, query: str, limit: int) -> Candidates:
        """The best chunks by BM25 over stemmed words; operators and quotes are plain text."""
        found = self._table.search(MatchQuery(query, "content"), query_type="fts")  # type: ignore[call-arg]
        rows = found.select([*self._columns(), "_score"]).limit(limit).to_arrow()
        return self._candidates(rows, rows["_score"].to_numpy().astype(np.float32))

    def search_vector(self, vector: NDArray[np.float32], limit: int) -> Candidates:
        """The nearest chunks by cosine; empty before the first vectors."""
        if self.dimension is None:
            return Candidates((), np.empty(0, np.float32), np.empty((0, len(vector)), np.float32))
        found = self._table.search(vector, vector_column_name="vector").distance_type("cosine")
        rows = found.refine_factor(10).select([*self._columns(), "_distance"]).limit(limit).to_arrow()
        return self._candidates(rows, np.zeros(rows.num_rows, np.float32))

    def optimize(self) -> None:
        """Fold new rows into the indexes, drop old versions; the vector index comes when it pays."""
        n_rows = self._table.count_rows()
        has_index = any(index.columns == ["vector"] for index in self._table.list_indices())
        if self.dimension is not None and not has_index and n_rows >= MIN_ROWS_FOR_VECTOR_INDEX:
            self._table.create_index("vector", config=IvfRq(distance_type="cosine"))
        self._table.optimize(cleanup_older_than=_KEEP_VERSIONS)

    def _columns(self) -> list[str]:
        return ["chunk_id"] if self.dimension is None else ["chunk_id", "vector"]

    def _candidates(self, rows: Any, bm25: NDArray[np.float32]) -> Candidates:
        ids = tuple(rows["chunk_id"].to_pylist())
        width = self.dimension or 0
        vectors = np.full((len(ids), width), np.nan, np.float32)
        if "vector" in rows.column_names:
            for place, vector in enumerate(rows["vector"]):
                if vector.is_valid:
                    vectors[place] = vector.values.to_numpy()
        return Candidates(ids, bm25, vectors)


def _among(document_ids: Sequence[str]) -> str:
    """A filter; ids are hexadecimal digits, so nothing in them needs quoting."""
    if not all(document_id.isalnum() for document_id in document_ids):
        raise ValueError(f"not document ids: {document_ids}")
    return f"document_id IN ({', '.join(repr(document_id) for document_id in document_ids)})"
