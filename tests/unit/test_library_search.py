"""Hybrid search: the fusion formula, odd queries, repeats, and how far a hit holds what is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.cancel import CancelToken
from engine.library import library as library_module
from engine.library.library import Library
from engine.library.search import fuse
from engine.library.words import coverage, inverse_frequencies, numbers, stems
from tests.unit.library_support import InlineParser, ToyEmbedder

TEXTS = {
    "harbour.md": "# Harbour\n\nThe harbour at Sel was dredged in 1904.\n\n# Lights\n\nThe light is green.",
    "mill.md": "The mill grinds rye on Mondays and wheat on Fridays.",
    "copy.md": "The mill grinds rye on Mondays, and wheat on Fridays!",
    "other year.md": "# Harbour\n\nThe harbour at Sel was dredged in 1905.",
    "crowd.md": "\n\n".join(f"# Part {i}\n\nThe lock keeper {i} opens gate number {i}." for i in range(6)),
    "japanese.md": "このボートは灰の木で作られています。",
    "quotes.md": 'She said "never AND always" (twice) to the ferryman.',
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A library of the texts above, read once."""
    folder = tmp_path_factory.mktemp("texts")
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library_module, "Embedder", ToyEmbedder)
        opened = Library(tmp_path_factory.mktemp("workspace"), parser=InlineParser())
    list(opened.ingest([str(folder)], "library", CancelToken()))
    yield opened
    opened.close()


def test_the_fusion_is_the_published_formula() -> None:
    cosines, bm25 = np.array([0.6, 0.2, -0.1]), np.array([0.0, 8.0, 4.0])
    expected = [0.8 * 1.6 / 1.6, 0.8 * 1.2 / 1.6 + 0.2, 0.8 * 0.9 / 1.6 + 0.2 * 0.5]
    assert fuse(cosines, bm25) == pytest.approx(expected)


def test_the_fusion_does_without_vectors_without_words_and_without_anything() -> None:
    missing = np.array([np.nan, np.nan])
    assert fuse(missing, np.array([2.0, 4.0])) == pytest.approx([0.5, 1.0])
    assert fuse(np.array([0.5, 0.25]), np.zeros(2)) == pytest.approx([0.8, 0.8 * 1.25 / 1.5])
    assert fuse(np.array([0.5, np.nan]), np.array([0.0, 4.0])) == pytest.approx([0.8, 1.0])
    assert fuse(np.empty(0), np.empty(0)).shape == (0,)


def test_a_word_and_its_other_forms_find_the_chunk(library: Library) -> None:
    hit = library.search("dredging harbours 1904")[0]
    assert hit.text == "The harbour at Sel was dredged in 1904."
    assert (hit.document, hit.heading, hit.page) == ("harbour.md", "Harbour", None)
    assert hit.bm25 is not None
    assert hit.cosine is not None
    assert hit.score == max(h.score for h in library.search("dredging harbours 1904"))


@pytest.mark.parametrize(
    "query",
    [
        *('"never AND', "NOT OR AND", "(ferryman", "never* +always -x ~2 ^3 field:value", "ferryman\0"),
        *("'; DROP TABLE chunks; --", "\\", "😀", "mill " * 5000, "日本語", "%_%", "*"),
    ],
)
def test_odd_queries_are_plain_words(library: Library, query: str) -> None:
    hits = library.search(query)
    assert all(hit.score <= 1.0 + 1e-6 for hit in hits)
    if "ferryman" in query or "never" in query:
        assert hits[0].document == "quotes.md"


def test_words_of_a_script_without_spaces_are_found(library: Library) -> None:
    hit = library.search("ボートの木")[0]
    assert (hit.document, hit.bm25 is not None) == ("japanese.md", True)
    assert coverage(stems("ボートの木"), stems(hit.text), {}) == 1.0


@pytest.mark.parametrize("query", ["", "   ", "\n\t"])
def test_an_empty_query_finds_nothing(library: Library, query: str) -> None:
    assert library.search(query) == ()


def test_k_is_kept(library: Library) -> None:
    assert len(library.search("the", k=4)) == 4
    assert library.search("harbour", k=0) == ()


def test_near_duplicates_are_dropped_unless_a_number_differs(library: Library) -> None:
    assert [hit.document in ("mill.md", "copy.md") for hit in library.search("mill rye wheat")].count(
        True
    ) == 1
    years = {hit.document for hit in library.search("harbour at Sel dredged", k=2)}
    assert years == {"harbour.md", "other year.md"}


def test_a_prompt_takes_at_most_three_chunks_of_a_document(library: Library) -> None:
    everything = [hit.document for hit in library.search("lock keeper opens gate", k=9)]
    prompt = [hit.document for hit in library.search("lock keeper opens gate", k=9, for_prompt=True)]
    assert everything.count("crowd.md") == 6
    assert prompt.count("crowd.md") == 3


def test_answerability_tells_a_held_answer_from_an_absent_one(library: Library) -> None:
    held, absent = "When was the harbour at Sel dredged?", "Who painted the ceiling of the opera?"
    assert library.answerability(held, library.search(held)) > 0.3
    assert library.answerability(absent, library.search(absent)) < 0.15
    assert library.answerability(held, ()) == 0.0
    assert library.answerability("How are you?", library.search("How are you?")) == 0.0


def test_words_numbers_and_coverage() -> None:
    assert stems("The Bridges of a bridge") == {"bridge"}
    assert numbers("in 1,904 and 3.5 on 2024-01-02, 7.") == {"1904", "3.5", "2024-01-02", "7"}
    weights = inverse_frequencies({"common": 9}, ["common", "rare"], 10)
    assert weights["rare"] > weights["common"] > 0
    assert coverage(frozenset({"common", "rare"}), frozenset({"rare"}), weights) > 0.5
    assert coverage(frozenset(), frozenset(), {}) == 1.0


def test_the_packaged_embedder_gives_unit_vectors_that_tell_meaning(tmp_path: Path) -> None:
    from engine.library.embedder import Embedder

    embedder = Embedder()
    assert embedder.memory_bytes() == 0
    vectors = embedder.embed(["A cat sleeps on the sofa.", "The stock market fell."])
    query = embedder.embed_query("Where is the kitten resting?")
    assert vectors.dtype == np.float32
    assert vectors.shape == (2, embedder.dimension) == (2, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert vectors[0] @ query > vectors[1] @ query + 0.2
    assert embedder.memory_bytes() > 80_000_000


def test_a_folder_that_is_no_embedder_is_refused_in_words(tmp_path: Path) -> None:
    from engine.errors import BadInput
    from engine.library.embedder import Embedder

    with pytest.raises(BadInput, match="no sentence-transformers model"):
        Embedder(tmp_path)
