"""The whole window with a scripted engine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QAccessible, QDragEnterEvent, QDropEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app import application, first_start, settings
from app.application import Parts
from app.client import EngineClient
from app.theme import Theme
from engine import protocol as p
from tests.app.scripted import ScriptedEngine

Open = Callable[[], Parts]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def open_window(qtbot: QtBot, tmp_path: Path, theme: Theme, engine: ScriptedEngine) -> Iterator[Open]:
    """Opens the window on one workspace; again after it was closed."""
    opened: list[Parts] = []

    def open_it() -> Parts:
        kept, _ = settings.load(tmp_path)
        client = EngineClient(tmp_path, make_engine=engine.start)
        parts = application.build(client, theme, tmp_path, kept)
        opened.append(parts)
        qtbot.addWidget(parts.window)
        parts.window.show()
        qtbot.waitUntil(lambda: _active(parts.window))
        return parts

    yield open_it
    for parts in opened:
        parts.context.client.close()


@pytest.fixture
def parts(open_window: Open) -> Parts:
    return open_window()


def _active(window: QWidget) -> bool:
    window.activateWindow()
    return window.isActiveWindow()


def mime(path: Path) -> QMimeData:
    """Keep it while an event lives: events only point to it."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    return data


def enter(data: QMimeData) -> QDragEnterEvent:
    return QDragEnterEvent(
        QPoint(5, 5),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )


def drop(data: QMimeData, point: QPointF) -> QDropEvent:
    return QDropEvent(
        point, Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )


def test_every_control_of_the_window_has_a_name(parts: Parts) -> None:
    kinds = (
        QAbstractButton,
        QAbstractSlider,
        QAbstractSpinBox,
        QComboBox,
        QLineEdit,
        QPlainTextEdit,
        QAbstractItemView,
    )
    unnamed = []
    for widget in parts.window.findChildren(QWidget):
        inner = widget.objectName().startswith("qt_") or widget.focusPolicy() == Qt.FocusPolicy.NoFocus
        if isinstance(widget, kinds) and not inner:
            interface = QAccessible.queryAccessibleInterface(widget)
            if not interface.text(QAccessible.Text.Name) and not isinstance(
                widget.parentWidget(), QAbstractSpinBox | QComboBox
            ):
                unnamed.append(f"{type(widget).__name__} in {type(widget.parentWidget()).__name__}")
    assert unnamed == []


def test_every_action_is_in_a_menu_or_the_palette_and_no_shortcut_is_taken_twice(parts: Parts) -> None:
    shortcuts = [
        action.shortcut().toString() for action in parts.context.actions if not action.shortcut().isEmpty()
    ]
    assert len(shortcuts) == len(set(shortcuts))
    assert QKeySequence("Ctrl+Shift+P").toString() in shortcuts
    assert set(parts.context.actions) <= set(parts.window.actions())


def test_ctrl_z_undoes_a_gain_even_from_its_number(qtbot: QtBot, parts: Parts) -> None:
    parts.controllers.levels.set_gain("domain", 0.4)
    box = parts.window.levels.strips["domain"].box
    box.setFocus()
    qtbot.waitUntil(lambda: QApplication.focusWidget() is box)
    qtbot.keyClick(box.lineEdit(), Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert parts.context.session.value.level("domain").gain == 1.0
    assert box.value() == 1.0


def test_f6_visits_every_pane(qtbot: QtBot, parts: Parts) -> None:
    window, seen = parts.window, set()
    panes = {window.conversation, window.library, window.levels, window.plots}
    assert window.plots.cards  # made now, else after the first paint
    window.activateWindow()
    for _ in range(6):
        window.focus_next_pane()
        focus = QApplication.focusWidget()
        seen |= {pane for pane in panes if focus is not None and pane.isAncestorOf(focus)}
    assert seen == panes


def test_a_dropped_adapter_goes_to_the_level_under_the_pointer(
    parts: Parts, engine: ScriptedEngine, tmp_path: Path
) -> None:
    folder = tmp_path / "house-style"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    window, data = parts.window, mime(folder)
    window.dragEnterEvent(enter(data))
    assert window.overlay.isVisible()
    window.overlay.dropEvent(drop(data, window.overlay.target("swarm").center()))
    assert not window.overlay.isVisible()
    assert parts.context.session.value.level("swarm").adapter_path == str(folder)


def test_an_adapter_dropped_beside_the_levels_does_nothing(parts: Parts, tmp_path: Path) -> None:
    folder = tmp_path / "house-style"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    data = mime(folder)
    parts.window.dragEnterEvent(enter(data))
    parts.window.overlay.dropEvent(drop(data, QPointF(20, 20)))
    assert not any(level.adapter_path for level in parts.context.session.value.levels)


def test_a_dropped_model_is_loaded_and_a_document_read(
    parts: Parts, engine: ScriptedEngine, tmp_path: Path
) -> None:
    model, letter = tmp_path / "model.gguf", tmp_path / "letter.txt"
    model.write_bytes(b"GGUF")
    letter.write_text("Dear all")
    for path in (model, letter):
        data = mime(path)
        parts.window.dragEnterEvent(enter(data))
        parts.window.overlay.dropEvent(drop(data, QPointF(300, 300)))
    assert [command.path for command in engine.sent(p.PlanModel)] == [str(model)]
    assert [command.paths for command in engine.sent(p.Ingest)] == [(str(letter),)]


def test_what_cannot_be_dropped_is_refused_and_the_overlay_leaves(parts: Parts) -> None:
    data = QMimeData()
    data.setUrls([QUrl("https://example.org/a.pdf")])
    event = enter(data)
    parts.window.dragEnterEvent(event)
    assert parts.window.overlay.isVisible()
    assert event.dropAction() == Qt.DropAction.IgnoreAction
    parts.window.overlay.dropEvent(drop(data, QPointF(300, 300)))
    assert not parts.window.overlay.isVisible()


def test_a_fresh_workspace_loads_the_starter_and_reads_the_samples(
    parts: Parts, engine: ScriptedEngine
) -> None:
    application.begin_first(parts)
    session = parts.context.session.value
    assert session.model_path == str(first_start.starter_path() or "")
    assert [list(command.paths) for command in engine.sent(p.Ingest)] == [first_start.sample_documents()]
    assert {level.gain for level in session.levels if level.adapter_path} <= {0.0}


def test_the_next_start_finds_levels_theme_and_docks_again(open_window: Open, theme: Theme) -> None:
    first = open_window()
    first.controllers.levels.set_gain("agent", -0.5)
    first.context.actions.get("view.plots").trigger()
    first.context.actions.get("view.theme").trigger()
    first.window.close()
    second = open_window()
    assert second.context.session.value.level("agent").gain == -0.5
    assert not second.window.plots.isVisible()
    assert second.settings.value.theme == "dark"
    second.context.actions.get("view.reset_layout").trigger()
    assert second.window.plots.isVisible()


def test_the_header_tells_speed_while_an_answer_comes(parts: Parts, engine: ScriptedEngine) -> None:
    engine.emit(p.PromptReady(job=77, prompt_tokens=3, reused_tokens=0, n_ctx=64, prefill_ms=1.0))
    parts.context.client.drain()
    assert "generating" in parts.window.bar.status_text()
    engine.emit(p.Finished(job=77))
    parts.context.client.drain()
    assert "generating" not in parts.window.bar.status_text()


def test_a_hit_of_the_library_opens_as_a_passage(parts: Parts, engine: ScriptedEngine) -> None:
    hit = p.Hit(
        chunk_id="c7", document_id="d", document="a.md", path="/a.md", page=2, heading="", start=0, end=4,
        text="text", score=1.0,
    )  # fmt: skip
    parts.window.library.open_hit.emit(hit)
    assert [command.chunk_id for command in engine.sent(p.OpenPassage)] == ["c7"]
    assert parts.window.conversation.passages.isVisible()


def test_a_token_looked_at_in_the_text_is_marked_in_the_plots_and_back(
    qtbot: QtBot, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.controllers.models.load("/models/tiny")
    for _ in range(4):
        parts.context.client.drain()
    window, chat = parts.window, parts.controllers.chat
    marked: list[int] = []
    monkeypatch.setattr(window.plots, "select_token", marked.append)
    chat.send("Hello?")
    for _ in range(4):
        parts.context.client.drain()
    message_id = chat.path[-1].message_id
    window.conversation.inspection.select(message_id, 2)
    assert marked[-1] == 2
    with qtbot.waitSignal(window.conversation.token_selected) as looked_at:
        window.plots.token_selected.emit(1)
    assert looked_at.args == [message_id, 1]
    assert marked[-1] == 1


def test_no_heavy_library_is_imported_before_the_first_paint(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, app.application as a\n"
        "heavy = ('torch', 'transformers', 'llama_cpp', 'lancedb', 'pyqtgraph')\n"
        "a._begin = lambda parts, fresh: print('painted', [n for n in heavy if n in sys.modules])\n"
        "a._exec = lambda app: [app.processEvents() for _ in range(30)] and 0\n"
        "sys.exit(a.run(pathlib.Path(sys.argv[1])))\n"
    )
    environment = {"QT_QPA_PLATFORM": "offscreen", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "ws")],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "painted []", done.stderr
    assert done.returncode == 0
