"""Reading into a collection: what is there afterwards, whatever happened in between."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.cancel import CancelToken
from engine.errors import DamagedFile, EngineError, JobCancelled
from engine.library import library as library_module
from engine.library.collection import Collection
from engine.library.library import Library
from engine.protocol import DocumentRow
from tests.unit.library_support import InlineParser, ToyEmbedder, write_pdf

Make = Callable[..., Library]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Opens the library of this test's folder with the toy embedder, as often as asked."""
    monkeypatch.setattr(library_module, "Embedder", ToyEmbedder)
    opened: list[Library] = []

    def open_library(embedder_path: str | None = None) -> Library:
        opened.append(Library(tmp_path / "library", embedder_path, InlineParser()))
        return opened[-1]

    yield open_library
    for library in opened:
        library.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three small documents, one hidden file, one of no known kind."""
    folder = tmp_path / "documents"
    (folder / "inner").mkdir(parents=True)
    (folder / "boats.md").write_text("# Oars\n\nOars are made of ash.\n\n# Sails\n\nSails are made of flax.")
    (folder / "inner" / "mill.txt").write_text("The mill at Orban grinds rye.")
    write_pdf(folder / "weir.pdf", [["The weir was built in 1871."], ["The sluice is newer."]])
    (folder / ".hidden.txt").write_text("Nobody finds this.")
    (folder / "photo.xyz").write_text("Not a document.")
    return folder


def ingest(library: Library, *paths: Path) -> dict[str, DocumentRow]:
    """The last row of each document by name."""
    last = {row.document_id: row for row in library.ingest([str(p) for p in paths], "library", CancelToken())}
    return {row.name: row for row in last.values()}


def found(library: Library, query: str) -> list[str]:
    return [hit.text for hit in library.search(query, k=3)]


def chunk_rows(tmp_path: Path) -> set[str]:
    """Document ids in the search index itself."""
    return set(Collection(tmp_path / "library" / "library").store.document_ids())


def test_a_folder_is_read_with_pages_headings_and_exact_spans(make: Make, folder: Path) -> None:
    library = make()
    rows = ingest(library, folder)
    assert {name: (row.state, row.n_pages, row.n_chunks) for name, row in rows.items()} == {
        "boats.md": ("ready", 0, 2),
        "mill.txt": ("ready", 0, 1),
        "weir.pdf": ("ready", 2, 2),
    }
    assert library.list_documents() == tuple(rows.values())
    hit = library.search("when was the weir built?")[0]
    assert (hit.document, hit.page, hit.text) == ("weir.pdf", 1, "The weir was built in 1871.")
    passage = library.passage(hit.chunk_id)
    assert (passage.text[passage.start : passage.end], passage.n_pages, passage.stale) == (hit.text, 2, False)
    assert library.search("what are sails made of?")[0].heading == "Sails"


def test_rows_pass_through_the_states_and_text_is_found_before_vectors(make: Make, folder: Path) -> None:
    library, states, early = make(), [], []
    for row in library.ingest([str(folder / "boats.md")], "library", CancelToken()):
        states.append(row.state)
        if row.state == "embedding" and not early:
            early = found(library, "oars")
    assert list(dict.fromkeys(states)) == ["queued", "reading", "embedding", "ready"]
    hits = library.search("oars")
    assert early == [] or early[0] == hits[0].text
    assert hits[0].cosine is not None


def test_unchanged_files_cost_nothing(make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = make()
    first = ingest(library, folder)
    monkeypatch.setattr(InlineParser, "submit", lambda *_: pytest.fail("read again"))
    assert ingest(library, folder) == first


def test_one_failing_file_stops_nothing_and_can_be_mended(make: Make, folder: Path, tmp_path: Path) -> None:
    library = make()
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    rows = ingest(library, folder, tmp_path / "absent.txt", folder / "photo.xyz")
    assert rows["broken.pdf"].state == rows["absent.txt"].state == "failed"
    assert rows["broken.pdf"].error is not None
    assert rows["broken.pdf"].error.hint
    assert rows["photo.xyz"].state == rows["weir.pdf"].state == "ready"
    write_pdf(folder / "broken.pdf", [["Mended words."]])
    ingest(library, folder)
    assert [row.state for row in library.list_documents() if row.name == "broken.pdf"] == ["ready"]


def test_a_changed_file_replaces_its_chunks(make: Make, folder: Path, tmp_path: Path) -> None:
    library = make()
    ingest(library, folder)
    old = next(row for row in library.list_documents() if row.name == "mill.txt")
    stale = library.search("mill rye")[0]
    (folder / "inner" / "mill.txt").write_text("The mill at Orban stands still.")
    assert library.passage(stale.chunk_id).stale
    new = ingest(library, folder)["mill.txt"]
    assert new.document_id != old.document_id
    assert [row.name for row in library.list_documents()].count("mill.txt") == 1
    assert found(library, "mill Orban")[0] == "The mill at Orban stands still."
    assert old.document_id not in chunk_rows(tmp_path)


def test_removal_leaves_nothing_behind_and_the_file_can_come_back(
    make: Make, folder: Path, tmp_path: Path
) -> None:
    library = make()
    key = ingest(library, folder)["weir.pdf"].document_id
    chunk = library.search("weir 1871")[0].chunk_id
    assert library.remove([key, key, "unknown"]) == (key,)
    assert all("weir" not in text for text in found(library, "weir 1871"))
    assert key not in chunk_rows(tmp_path)
    with sqlite3.connect(tmp_path / "library" / "library" / "documents.sqlite") as database:
        for table in ("documents", "sources", "pages", "chunks", "terms"):
            sql = f"SELECT COUNT(*) FROM {table} WHERE document_id = ?"
            assert database.execute(sql, (key,)).fetchone() == (0,)
    database.close()
    with pytest.raises(EngineError, match="not in the library"):
        library.passage(chunk)
    assert ingest(library, folder)["weir.pdf"].state == "ready"
    assert found(library, "weir 1871")[0] == "The weir was built in 1871."


def test_a_copy_is_no_second_document_and_survives_its_original(make: Make, folder: Path) -> None:
    library = make()
    ingest(library, folder)
    copy = folder / "copy of mill.txt"
    copy.write_text((folder / "inner" / "mill.txt").read_text())
    ingest(library, folder)
    assert len(library.list_documents()) == 3
    (folder / "inner" / "mill.txt").write_text("Another text about a lock.")
    ingest(library, folder)
    assert {row.name for row in library.list_documents()} == {
        "boats.md",
        "mill.txt",
        "weir.pdf",
        "copy of mill.txt",
    }
    assert found(library, "mill rye")[0] == "The mill at Orban grinds rye."


def test_a_moved_file_keeps_its_document(make: Make, folder: Path) -> None:
    library = make()
    before = ingest(library, folder)["mill.txt"]
    (folder / "inner" / "mill.txt").rename(folder / "water mill.txt")
    after = ingest(library, folder)["water mill.txt"]
    assert (after.document_id, after.path) == (before.document_id, str(folder / "water mill.txt"))
    assert len(library.list_documents()) == 3


def test_a_run_called_off_keeps_what_it_read_and_forgets_the_rest(make: Make, folder: Path) -> None:
    library, cancel = make(), CancelToken()
    rows = library.ingest([str(folder)], "library", cancel)
    next(row for row in rows if row.name == "weir.pdf" and row.state == "reading")
    cancel.set()
    with pytest.raises(JobCancelled):
        list(rows)
    assert [row.name for row in library.list_documents()] == ["boats.md", "weir.pdf"]
    assert found(library, "weir 1871")[0] == "The weir was built in 1871."
    for _ in library.resume("library", CancelToken()):
        pass
    assert [row.state for row in library.list_documents()] == ["ready", "ready"]


def test_a_run_that_the_end_of_the_program_stops_goes_on_at_the_next_start(make: Make, folder: Path) -> None:
    library, cancel = make(), CancelToken()
    rows = library.ingest([str(folder)], "library", cancel)
    next(row for row in rows if row.state == "reading")
    library.keep_queue()
    cancel.set()
    rows.close()
    library.close()
    again = make()
    for _ in again.resume("library", CancelToken()):
        pass
    assert [row.state for row in again.list_documents()] == ["ready"] * 3


def test_another_embedder_makes_its_own_vectors_from_the_stored_text(make: Make, folder: Path) -> None:
    first = make()
    ingest(first, folder)
    first.close()
    (folder / "weir.pdf").unlink()
    second = make("another")
    assert second.search("weir built")[0].cosine is None
    rows = list(second.resume("library", CancelToken()))
    assert {row.state for row in rows} >= {"embedding", "ready"}
    hit = second.search("weir built")[0]
    assert hit.text == "The weir was built in 1871."
    assert hit.cosine is not None
    assert [row.state for row in second.list_documents()] == ["ready"] * 3


def test_collections_are_apart_whatever_their_names(make: Make, folder: Path) -> None:
    library = make()
    for name in ("Meine Bücher", "../../outside", "library"):
        list(library.ingest([str(folder / "boats.md")], name, CancelToken()))
    library.remove([row.document_id for row in library.list_documents("library")], "library")
    assert len(library.list_documents("Meine Bücher")) == len(library.list_documents("../../outside")) == 1
    assert library.search("oars", "library") == ()


def test_a_lost_search_index_is_rebuilt_from_the_stored_texts(
    make: Make, folder: Path, tmp_path: Path
) -> None:
    first = make()
    ingest(first, folder)
    first.close()
    shutil.rmtree(tmp_path / "library" / "library" / "index")
    again = make()
    list(again.resume("library", CancelToken()))
    assert found(again, "weir 1871")[0] == "The weir was built in 1871."
    assert [row.state for row in again.list_documents()] == ["ready"] * 3


def test_damaged_library_files_are_named_with_a_way_out(make: Make, tmp_path: Path) -> None:
    (tmp_path / "library" / "library").mkdir(parents=True)
    (tmp_path / "library" / "library" / "documents.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(DamagedFile, match=r"documents\.sqlite") as caught:
        make().list_documents()
    assert "Move it" in caught.value.hint


def test_odd_names_and_things_that_are_no_files_are_refused(make: Make, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    odd = inner / os.fsdecode(b"caf\xe9.txt")
    odd.write_text("Words.")
    os.mkfifo(inner / "pipe.txt")
    rows = ingest(make(), odd, inner / "pipe.txt", inner)
    assert {row.state for row in rows.values()} == {"failed"}
    assert {row.error.text for row in rows.values() if row.error} == {
        "The name of “caf\ufffd.txt” is not valid text (UTF-8).",
        "“pipe.txt” is neither a file nor a folder.",
    }


def test_a_document_removed_while_it_is_read_stays_removed(make: Make, folder: Path) -> None:
    library = make()
    for row in library.ingest([str(folder)], "library", CancelToken()):
        if row.name == "weir.pdf" and row.state in ("reading", "embedding"):
            library.remove([row.document_id])
    assert {row.name for row in library.list_documents()} == {"boats.md", "mill.txt"}
    assert all("weir" not in text for text in found(library, "weir 1871"))


def test_another_thread_searches_while_documents_come_and_go(make: Make, folder: Path) -> None:
    library = make()
    ingest(library, folder / "boats.md")
    answers: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.append(found(library, "oars of ash")[0])

    asking = threading.Thread(target=ask)
    asking.start()
    for i in range(3):
        (folder / "inner" / "mill.txt").write_text(f"The mill number {i} grinds rye.")
        rows = ingest(library, folder)
        library.remove([rows["weir.pdf"].document_id])
    done.set()
    asking.join()
    assert set(answers) == {"Oars are made of ash."}


def test_a_full_disk_is_said_and_what_is_there_stays(
    make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = make()
    ingest(library, folder / "boats.md")

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("engine.library.texts.TextTable.put", full)
    with pytest.raises(EngineError, match="disk is full"):
        ingest(library, folder)
    assert found(library, "oars")[0] == "Oars are made of ash."


def test_after_kill_9_everything_is_found_and_the_next_run_finishes(make: Make, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for i in range(12):
        (texts / f"{i}.txt").write_text(f"Keeper{i} watches lighthouse number {i}. " * 40)
    script = (
        "import sys, time; from pathlib import Path\n"
        "from engine.cancel import CancelToken; from engine.library import library, vectors\n"
        "from tests.unit.library_support import ToyEmbedder\n"
        "library.Embedder = ToyEmbedder; vectors.SAVE_PERIOD_S = 0.0\n"
        "opened = library.Library(Path(sys.argv[1]))\n"
        "for row in opened.ingest([sys.argv[2]], 'library', CancelToken()):\n"
        "    print(row.state, row.progress, flush=True)\n"
        "    if row.state == 'embedding' and row.progress: time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "library"), str(texts)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "."}
    )
    assert process.stdout is not None
    assert any(
        line.startswith("embedding 0.") and not line.startswith("embedding 0.0\n") for line in process.stdout
    )
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    library = make()
    assert "Keeper7" in found(library, "Keeper7")[0]
    n_before = sum(row.state == "ready" for row in library.list_documents())
    for _ in library.resume("library", CancelToken()):
        pass
    rows = library.list_documents()
    assert n_before < len(rows) == 12
    assert {row.state for row in rows} == {"ready"}
    embedder = library.embedder
    assert isinstance(embedder, ToyEmbedder)
    assert embedder.n_embedded < sum(row.n_chunks for row in rows)
