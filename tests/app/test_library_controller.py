"""The window's side of the library, without widgets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.context import AppContext
from app.library import LibraryController
from engine import protocol as p
from tests.app.scripted import ScriptedEngine
from tests.app.test_documents_model import LOCKED, row


def listing(*rows: p.DocumentRow):  # type: ignore[no-untyped-def]
    def reply(command: p.ListDocuments) -> Iterable[p.Event]:
        yield p.Finished(job=command.job, result=rows)

    return reply


@pytest.fixture
def library(context: AppContext, engine: ScriptedEngine) -> LibraryController:
    engine.answer(p.ListDocuments, listing(row(1), row(2)))
    engine.hold(p.Ingest)
    library = LibraryController(context)
    context.client.drain()
    return library


def names(library: LibraryController) -> list[str]:
    return [document.name for document in library.rows]


def changed(job: int, document: p.DocumentRow) -> p.DocumentChanged:
    return p.DocumentChanged(job=job, collection="library", row=document)


def test_what_the_library_holds_is_there_at_the_start(library: LibraryController) -> None:
    assert names(library) == ["doc-001.pdf", "doc-002.pdf"]
    assert not library.busy


def test_a_thousand_changes_are_told_at_once(
    qtbot: QtBot, context: AppContext, engine: ScriptedEngine, library: LibraryController
) -> None:
    told: list[tuple[p.DocumentRow, ...]] = []
    library.rows_changed.connect(told.append)
    library.add_paths(["/docs"])
    job = engine.sent(p.Ingest)[0].job
    for i in range(1000):
        engine.emit(changed(job, row(i, state="queued")))
    context.client.drain()
    qtbot.waitUntil(lambda: bool(told))
    assert len(told[0]) == 1000
    assert len(told) == 1


def test_progress_counts_all_documents_at_hand(
    context: AppContext, engine: ScriptedEngine, library: LibraryController
) -> None:
    library.add_paths(["/docs"])
    assert library.busy
    assert library.fraction is None
    job = engine.sent(p.Ingest)[0].job
    states = {"ready": 1.0, "failed": 0.0, "queued": 0.0, "embedding": 0.5}
    for number, (state, progress) in enumerate(states.items()):
        engine.emit(changed(job, row(10 + number, state=state, progress=progress)))
    context.client.drain()
    assert library.fraction == pytest.approx((1 + 1 + 0 + 0.65) / 4)
    assert library.summary.startswith("2 of 4 documents")


def test_several_ingests_wait_for_one_another_and_stop_together(
    context: AppContext, engine: ScriptedEngine, library: LibraryController
) -> None:
    library.add_paths(["/a", "/b", "/a"])
    library.add_paths(["/c"])
    first, second = engine.sent(p.Ingest)
    assert (first.paths, second.paths) == (("/a", "/b"), ("/c",))
    engine.finish(first.job, ())
    context.client.drain()
    assert library.busy
    library.cancel()
    assert engine.cancelled == [second.job]
    context.client.drain()
    assert not library.busy
    assert len(engine.sent(p.ListDocuments)) == 2  # what was never read has left the list


def test_removal_is_undone_by_reading_the_file_again(
    context: AppContext, engine: ScriptedEngine, library: LibraryController, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.pdf"
    kept.write_text("x")
    engine.emit(changed(0, row(7, path=str(kept), name="kept.pdf")))
    context.client.drain()
    library.remove(["7"])
    context.client.drain()
    assert engine.sent(p.RemoveDocuments)[-1].document_ids == ("7",)
    assert "kept.pdf" not in names(library)
    assert context.undo.undoText() == "remove kept.pdf"
    context.undo.undo()
    assert engine.sent(p.Ingest)[-1].paths == (str(kept),)
    engine.emit(changed(0, row(8, path=str(kept), name="kept.pdf")))
    context.client.drain()
    context.undo.redo()
    assert engine.sent(p.RemoveDocuments)[-1].document_ids == ("8",)


def test_undoing_says_which_files_are_gone(
    context: AppContext, engine: ScriptedEngine, library: LibraryController
) -> None:
    library.remove(["1"])
    context.client.drain()
    context.undo.undo()
    assert engine.sent(p.Ingest) == []
    (notice,) = context.notices.items
    assert "doc-001.pdf cannot come back" in notice.text


def test_failed_documents_are_read_again(
    context: AppContext, engine: ScriptedEngine, library: LibraryController
) -> None:
    engine.emit(changed(0, row(5, state="failed", error=LOCKED)))
    context.client.drain()
    library.retry(["5"])
    assert engine.sent(p.Ingest)[-1].paths == ("/docs/doc-005.pdf",)


def test_only_the_newest_search_is_told(
    context: AppContext, engine: ScriptedEngine, library: LibraryController
) -> None:
    engine.hold(p.Search)
    heard: list[str] = []
    library.hits_found.connect(lambda query, hits: heard.append(query))
    library.search("first")
    library.search("second")
    for search in engine.sent(p.Search):
        engine.finish(search.job, ())
    context.client.drain()
    assert heard == ["second"]
    assert engine.cancelled == [engine.sent(p.Search)[0].job]


@pytest.mark.parametrize("kind", [p.Ingest, p.RemoveDocuments, p.Search])
def test_what_the_engine_refuses_becomes_a_notice(
    context: AppContext, engine: ScriptedEngine, library: LibraryController, kind: type[p.Command]
) -> None:
    engine.hold(p.RemoveDocuments, p.Search)
    library.add_paths(["/a"])
    library.remove(["1"])
    library.search("x")
    engine.fail(engine.sent(kind)[0].job, LOCKED)
    context.client.drain()
    assert [notice.text for notice in context.notices.items] == [LOCKED.text]
