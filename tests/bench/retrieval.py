"""How well search finds: nDCG@10 of BM25, dense, reciprocal rank fusion and Strata's own fusion.

``python -m tests.bench.retrieval FOLDER [--embedder FOLDER] [--limit N]`` on a folder in BEIR's form
(corpus.jsonl, queries.jsonl, qrels.tsv).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from engine.library.embedder import Embedder
from engine.library.search import DEPTH, rank
from engine.library.store import IndexStore
from engine.library.texts import IndexedChunk

Judgements = dict[str, dict[str, int]]
RRF_K = 60
CUT = 10


def read_jsonl(path: Path) -> list[dict[str, str]]:
    """One object a line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_judgements(path: Path) -> Judgements:
    """Relevance by query and document; a heading line is skipped."""
    found: Judgements = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        query, document, relevance = line.split("\t")[:3]
        if relevance.lstrip("-").isdigit():
            found.setdefault(query, {})[document] = int(relevance)
    return found


def ndcg(ranking: Sequence[str], relevance: Mapping[str, int], cut: int = CUT) -> float:
    """DCG / ideal DCG with gain rel / log2(rank + 1), as trec_eval's ndcg_cut (Järvelin and Kekäläinen,
    2002)."""
    gains = [max(0, relevance.get(document, 0)) for document in ranking[:cut]]
    ideal = sorted((max(0, value) for value in relevance.values()), reverse=True)[:cut]
    best = _dcg(ideal)
    return _dcg(gains) / best if best else 0.0


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))


def reciprocal_rank_fusion(rankings: Sequence[Sequence[str]], k: int = RRF_K) -> list[str]:
    """sum 1 / (k + rank) (Cormack et al., 2009)."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for place, document in enumerate(ranking, start=1):
            scores[document] = scores.get(document, 0.0) + 1 / (k + place)
    return sorted(scores, key=lambda document: -scores[document])


def build_index(corpus: Sequence[Mapping[str, str]], embedder: Embedder, store: IndexStore) -> float:
    """Index the corpus, a document a chunk. Returns texts embedded per second."""
    chunks = [
        IndexedChunk(row["_id"], "corpus", f"{row.get('title', '')}\n{row['text']}".strip()) for row in corpus
    ]
    store.insert(chunks, ())
    began = time.perf_counter()
    vectors = np.concatenate(
        [embedder.embed([c.content for c in chunks[at : at + 32]]) for at in range(0, len(chunks), 32)]
    )
    rate = len(chunks) / (time.perf_counter() - began)
    store.set_vectors([chunk.chunk_id for chunk in chunks], vectors)
    store.optimize()
    return rate


def rankings_of(query: str, store: IndexStore, embedder: Embedder) -> dict[str, Sequence[str]]:
    """The best documents for a query by each way of searching."""
    by_text = store.search_text(query, DEPTH).chunk_ids
    by_vector = store.search_vector(embedder.embed_query(query), DEPTH).chunk_ids
    return {
        "bm25": by_text,
        "dense": by_vector,
        "rrf": reciprocal_rank_fusion([by_text, by_vector]),
        "strata": rank(query, store, embedder).chunk_ids,
    }


def main(argv: Sequence[str]) -> dict[str, float]:
    """Run on one folder. Returns nDCG@10 by way, the ratio of Strata's to each, milliseconds a query."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--embedder", default=None)
    parser.add_argument("--limit", type=int, default=None, help="only the first N queries")
    options = parser.parse_args(argv)
    judgements = read_judgements(options.folder / "qrels.tsv")
    queries = [row for row in read_jsonl(options.folder / "queries.jsonl") if row["_id"] in judgements]
    embedder = Embedder(options.embedder)
    scores: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = IndexStore(Path(folder))
        rate = build_index(read_jsonl(options.folder / "corpus.jsonl"), embedder, store)
        began = time.perf_counter()
        for row in queries[: options.limit]:
            for way, ranking in rankings_of(row["text"], store, embedder).items():
                scores.setdefault(way, []).append(ndcg(ranking, judgements[row["_id"]]))
        taken_s = time.perf_counter() - began
    result = {way: sum(values) / len(values) for way, values in scores.items()}
    result |= {f"strata / {way}": result["strata"] / result[way] for way in ("bm25", "dense", "rrf")}
    return result | {"texts_per_s": rate, "ms_per_query_all_ways": 1000 * taken_s / len(queries)}


if __name__ == "__main__":
    for name, figure in main(sys.argv[1:]).items():
        print(f"{name:24} {figure:8.3f}")
