"""Hybrid search: BM25 and cosine fused, near-duplicates dropped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from engine.library.embedder import Embedder
from engine.library.store import Candidates, IndexStore
from engine.library.texts import Place, TextTable
from engine.library.words import coverage, numbers, stems
from engine.protocol import Hit

DEPTH = 100
COSINE_WEIGHT = 0.8
DUPLICATE_COSINE = 0.95
MAX_CHUNKS_PER_DOCUMENT = 3
_MAX_QUERY_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates in order of their fused score [n]; cosines are NaN where a vector is missing."""

    chunk_ids: tuple[str, ...]
    scores: NDArray[np.float64]
    cosines: NDArray[np.float64]
    bm25: NDArray[np.float64]
    vectors: NDArray[np.float32]


def search(
    query: str, store: IndexStore, texts: TextTable, embedder: Embedder | None, k: int, *, for_prompt: bool
) -> tuple[Hit, ...]:
    """The ``k`` best chunks, best first. ``embedder`` None searches the text alone."""
    query = re.sub(r"\s+", " ", query).strip()[:_MAX_QUERY_CHARACTERS]
    if not query or k < 1:
        return ()
    ranked = rank(query, store, embedder)
    places = texts.places(ranked.chunk_ids)
    page_text = cache(texts.page_text)  # a book's hits share its one long text
    hits: list[Hit] = []
    kept: list[int] = []
    n_by_document: dict[str, int] = {}
    for place_in_ranking, chunk_id in enumerate(ranked.chunk_ids):
        place = places.get(chunk_id)
        if place is None:  # removed a moment ago
            continue
        if for_prompt and n_by_document.get(place.document_id, 0) >= MAX_CHUNKS_PER_DOCUMENT:
            continue
        hit = _hit(ranked, place_in_ranking, place, page_text)
        if _repeats(ranked.vectors, place_in_ranking, hit, kept, hits):
            continue
        n_by_document[place.document_id] = n_by_document.get(place.document_id, 0) + 1
        hits.append(hit)
        kept.append(place_in_ranking)
        if len(hits) == k:
            break
    return tuple(hits)


def rank(query: str, store: IndexStore, embedder: Embedder | None) -> Ranked:
    """The union of both searches, each ``DEPTH`` deep, in order of the fused score."""
    by_text = store.search_text(query, DEPTH)
    if embedder is None or store.dimension is None:
        cosines = np.full(len(by_text.chunk_ids), np.nan)
        union = by_text
    else:
        vector = embedder.embed_query(query)
        union = _union(by_text, store.search_vector(vector, DEPTH))
        cosines = (union.vectors @ vector).astype(np.float64)
    bm25 = union.bm25.astype(np.float64)
    scores = fuse(cosines, bm25)
    order = np.argsort(-scores, kind="stable")
    return Ranked(
        tuple(union.chunk_ids[i] for i in order),
        scores[order],
        cosines[order],
        bm25[order],
        union.vectors[order],
    )


def fuse(cosines: NDArray[np.float64], bm25: NDArray[np.float64]) -> NDArray[np.float64]:
    """s = 0.8 (1 + cos) / (1 + max cos) + 0.2 bm25 / max bm25 over candidates [n].

    Theoretical minimum-maximum scaling (Bruch et al., 2023, "An analysis of fusion functions for
    hybrid retrieval"). A chunk whose vector is not there yet (NaN) is taken to be as near, relative
    to the nearest, as it is by BM25.
    """
    if not len(bm25):
        return np.empty(0)
    text = bm25 / max(float(bm25.max()), 1e-9)
    if np.isnan(cosines).all():
        return text
    dense = (1 + cosines) / (1 + np.nanmax(cosines))
    return COSINE_WEIGHT * np.where(np.isnan(dense), text, dense) + (1 - COSINE_WEIGHT) * text


def answerability(question: str, hits: Sequence[Hit], weights: Mapping[str, float]) -> float:
    """cos1 * sum idf(q in chunk1) / sum idf(q): how far the first hit holds what is asked. At .30 and
    above the answer is likely there, below .15 it is not. ``weights`` are the idf of the question. Where
    the first hit has no vector yet, its words alone are judged; a question without content words ("How
    are you?") is held by nothing."""
    asked = stems(question)
    if not hits or not asked:
        return 0.0
    held = stems(f"{hits[0].heading}\n{hits[0].text}")
    nearness = 1.0 if hits[0].cosine is None else max(0.0, hits[0].cosine)
    return nearness * coverage(asked, held, weights)


def _union(by_text: Candidates, by_vector: Candidates) -> Candidates:
    known = set(by_text.chunk_ids)
    extra = [i for i, chunk_id in enumerate(by_vector.chunk_ids) if chunk_id not in known]
    return Candidates(
        (*by_text.chunk_ids, *(by_vector.chunk_ids[i] for i in extra)),
        np.concatenate([by_text.bm25, by_vector.bm25[extra]]),
        np.concatenate([by_text.vectors, by_vector.vectors[extra]]),
    )


def _hit(ranked: Ranked, index: int, place: Place, page_text: Callable[[str, int], str]) -> Hit:
    cosine, bm25 = float(ranked.cosines[index]), float(ranked.bm25[index])
    return Hit(
        chunk_id=place.chunk_id,
        document_id=place.document_id,
        document=place.document,
        path=place.path,
        page=place.page,
        heading=place.heading,
        start=place.start,
        end=place.end,
        text=page_text(place.document_id, place.page_index)[place.start : place.end],
        score=float(ranked.scores[index]),
        cosine=None if np.isnan(cosine) else cosine,
        bm25=bm25 or None,
    )


def _repeats(
    vectors: NDArray[np.float32], index: int, hit: Hit, kept: Sequence[int], hits: Sequence[Hit]
) -> bool:
    """Whether a better hit says the same. Texts that differ in a number never do."""
    return any(
        earlier.text == hit.text
        or (
            float(vectors[index] @ vectors[other]) > DUPLICATE_COSINE
            and numbers(earlier.text) == numbers(hit.text)
        )
        for other, earlier in zip(kept, hits, strict=True)
    )
