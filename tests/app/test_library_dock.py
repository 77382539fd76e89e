"""The library dock with real mouse, key and drop events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from app.context import AppContext
from app.library import LibraryController
from app.models.documents import ROW_ROLE, Column
from app.views.library.panel import LibraryPanel
from app.views.library.snippet import make_snippet
from engine import protocol as p
from tests.app.scripted import ScriptedEngine
from tests.app.test_documents_model import LOCKED, row
from tests.app.test_plots_panel import delete

LEFT, NO_KEY = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
ROWS = (
    row(1, "lease.pdf"),
    row(2, "bank.pdf", state="failed", error=LOCKED),
    row(3, "notes.md", kind="Markdown"),
)
HITS = tuple(
    p.Hit(
        chunk_id=f"c{i}", document_id="1", document="lease.pdf", path="/docs/lease.pdf", page=i + 6,
        heading="Alterations", start=0, end=40, text="The tenant shall not alter anything.",
        score=0.9 - i / 10,
    )
    for i in range(2)
)  # fmt: skip


@pytest.fixture
def panel(qtbot: QtBot, context: AppContext, engine: ScriptedEngine) -> Iterator[LibraryPanel]:
    def listing(command: p.ListDocuments) -> Iterable[p.Event]:
        yield p.Finished(job=command.job, result=ROWS)

    def found(command: p.Search) -> Iterable[p.Event]:
        yield p.Finished(job=command.job, result=HITS if "tenant" in command.query else ())

    engine.answer(p.ListDocuments, listing)
    engine.answer(p.Search, found)
    engine.hold(p.Ingest)
    panel = LibraryPanel(context, LibraryController(context))
    panel.resize(1100, 180)
    panel.show()
    qtbot.waitExposed(panel)
    context.client.drain()
    yield panel
    delete(panel)


def files(*paths: Path | str) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl(p) if isinstance(p, str) else QUrl.fromLocalFile(str(p)) for p in paths])
    return mime


def drag(panel: LibraryPanel, mime: QMimeData) -> bool:
    """Drag ``mime`` over the panel; whether it is welcome."""
    event = QDragEnterEvent(QPoint(40, 40), Qt.DropAction.CopyAction, mime, LEFT, NO_KEY)
    QApplication.sendEvent(panel, event)
    return event.isAccepted()


def drop(panel: LibraryPanel, mime: QMimeData) -> None:
    event = QDropEvent(QPointF(40, 40), Qt.DropAction.CopyAction, mime, LEFT, NO_KEY)
    QApplication.sendEvent(panel, event)


def click_row(panel: LibraryPanel, name: str) -> None:
    model = panel.table.model()
    index = next(model.index(i, 0) for i in range(model.rowCount()) if model.index(i, 0).data() == name)
    QTest.mouseClick(
        panel.table.viewport(), LEFT, pos=panel.table.visualRect(index).center()
    )


def test_files_and_folders_are_welcomed_lit_up_and_added(
    panel: LibraryPanel, engine: ScriptedEngine, tmp_path: Path
) -> None:
    (tmp_path / "a.pdf").touch()
    (tmp_path / "b.md").touch()
    (tmp_path / "letters").mkdir()
    mime = files(tmp_path / "a.pdf", tmp_path / "b.md", tmp_path / "letters")
    assert drag(panel, mime)
    assert panel.zone.title == "Drop to add 2 files and 1 folder"
    assert panel.zone.property("state") == "accept"
    drop(panel, mime)
    assert panel.zone.property("state") == ""
    expected = tuple(str(tmp_path / name) for name in ("a.pdf", "b.md", "letters"))
    assert engine.sent(p.Ingest)[0].paths == expected


def test_a_drag_that_leaves_is_forgotten(panel: LibraryPanel, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").touch()
    drag(panel, files(tmp_path / "a.pdf"))
    QApplication.sendEvent(panel, QDragLeaveEvent())
    assert panel.zone.title == "Drop documents here"


def test_what_is_no_file_is_refused_in_words(panel: LibraryPanel, engine: ScriptedEngine) -> None:
    words = QMimeData()
    words.setText("just some words")
    for mime, said in (
        (files("https://example.org/page.html"), "That is a web address. Save the page, then drop the file."),
        (words, "Only files and folders can be added."),
        (files(Path("/nowhere/gone.pdf")), "There is no such file any more."),
    ):
        assert not drag(panel, mime)
        assert panel.zone.title == said
        assert panel.zone.property("state") == "refuse"
    assert engine.sent(p.Ingest) == []


def test_a_model_is_left_to_the_window(panel: LibraryPanel, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    assert not drag(panel, files(tmp_path / "model.gguf"))
    assert panel.zone.title == "Drop documents here"


def test_paths_are_pasted_into_the_table(
    panel: LibraryPanel, engine: ScriptedEngine, tmp_path: Path
) -> None:
    (tmp_path / "a b.pdf").touch()
    QApplication.clipboard().setText(f"'{tmp_path / 'a b.pdf'}'\n")
    QTest.keyClick(panel.table, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert engine.sent(p.Ingest)[0].paths == (str(tmp_path / "a b.pdf"),)


def test_files_and_folders_are_chosen_through_the_actions(
    panel: LibraryPanel, context: AppContext, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *args: (["/x/a.pdf"], ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: "/x/folder")
    context.actions.get("library.add_files").trigger()
    context.actions.get("library.add_folder").trigger()
    assert [command.paths for command in engine.sent(p.Ingest)] == [("/x/a.pdf",), ("/x/folder",)]


def test_the_delete_key_removes_the_selected_document(
    panel: LibraryPanel, context: AppContext, engine: ScriptedEngine
) -> None:
    assert not context.actions.get("library.remove").isEnabled()
    click_row(panel, "notes.md")
    assert context.actions.get("library.remove").isEnabled()
    QTest.keyClick(panel.table, Qt.Key.Key_Delete)
    context.client.drain()
    assert engine.sent(p.RemoveDocuments)[0].document_ids == ("3",)
    assert panel.table.model().rowCount() == 2


def test_a_failure_can_be_shown_copied_and_tried_again(
    panel: LibraryPanel, context: AppContext, engine: ScriptedEngine
) -> None:
    click_row(panel, "bank.pdf")
    menu = panel.table.make_menu()
    assert menu is not None
    actions = {action.text(): action for action in menu.actions()}
    actions["Show error"].trigger()
    assert context.notices.items[0].hint == LOCKED.hint
    actions["Copy error"].trigger()
    assert LOCKED.detail in QApplication.clipboard().text()
    actions["Try again"].trigger()
    assert engine.sent(p.Ingest)[0].paths == ("/docs/bank.pdf",)


def test_all_failures_are_tried_again_with_one_button(panel: LibraryPanel, engine: ScriptedEngine) -> None:
    assert panel.progress.retry.text() == "1 failed · try again"
    QTest.mouseClick(panel.progress.retry, LEFT)
    assert engine.sent(p.Ingest)[0].paths == ("/docs/bank.pdf",)


def test_progress_shows_while_reading_and_can_be_stopped(
    panel: LibraryPanel, context: AppContext, engine: ScriptedEngine
) -> None:
    assert not panel.progress.bar.isVisible()
    context.actions.get("library.retry_failed").trigger()
    job = engine.sent(p.Ingest)[0].job
    engine.emit(p.DocumentChanged(job=job, collection="library", row=row(2, state="embedding", progress=0.5)))
    context.client.drain()
    panel._library.flush()
    assert panel.progress.bar.isVisible()
    assert panel.progress.bar.value() == 650
    QTest.mouseClick(panel.progress.stop, LEFT)
    context.client.drain()
    assert engine.cancelled == [job]
    assert not panel.progress.bar.isVisible()


def test_typing_searches_and_return_opens_the_passage(
    qtbot: QtBot, panel: LibraryPanel, context: AppContext
) -> None:
    context.actions.get("library.search").trigger()
    assert isinstance(QApplication.focusWidget(), QLineEdit)
    QTest.keyClicks(panel.search, "tenant")
    QTest.keyClick(panel.search, Qt.Key.Key_Return)
    context.client.drain()
    assert panel.hits.isVisible()
    assert panel.tabs.tabText(1) == "Passages  2"
    QTest.keyClick(panel.search, Qt.Key.Key_Down)
    QTest.keyClick(panel.hits, Qt.Key.Key_Down)
    with qtbot.waitSignal(panel.open_hit) as opened:
        QTest.keyClick(panel.hits, Qt.Key.Key_Return)
    assert opened.args == [HITS[1]]
    QTest.keyClick(panel.search, Qt.Key.Key_Escape)
    assert panel.table.isVisible()
    assert panel.search.text() == ""


def test_a_search_without_hits_says_so(panel: LibraryPanel, context: AppContext) -> None:
    QTest.keyClicks(panel.search, "zebra")
    QTest.keyClick(panel.search, Qt.Key.Key_Return)
    context.client.drain()
    assert panel._message.isVisible()
    assert panel.tabs.tabText(1) == "Passages  0"


def test_typing_filters_the_documents_by_name_too(panel: LibraryPanel) -> None:
    QTest.keyClicks(panel.search, "lease")
    assert panel.table.model().rowCount() == 1


def test_a_click_on_a_header_sorts(panel: LibraryPanel) -> None:
    header = panel.table.horizontalHeader()
    at = QPoint(header.sectionViewportPosition(Column.NAME) + 20, header.height() // 2)
    QTest.mouseClick(header.viewport(), LEFT, pos=at)
    model = panel.table.model()
    assert [model.index(i, 0).data(ROW_ROLE).name for i in range(3)] == ["bank.pdf", "lease.pdf", "notes.md"]


def test_the_words_sought_are_found_in_a_snippet() -> None:
    passage = "A long beginning that says nothing of note, on and on.\nThe Tenant shall\nnot alter walls."
    snippet = make_snippet(passage, "tenant alter")
    assert snippet.text.startswith("… ")
    assert [snippet.text[start : start + length] for start, length in snippet.bold] == ["Tenant", "alter"]
    assert make_snippet("plain (text)", "(").bold == ()


def test_no_control_is_without_a_name(panel: LibraryPanel) -> None:
    focusable = [w for w in panel.findChildren(QWidget) if w.focusPolicy() & Qt.FocusPolicy.TabFocus]
    assert len(focusable) >= 6
    unnamed = [w for w in focusable if not w.accessibleName() and not getattr(w, "text", str)()]
    assert unnamed == []
