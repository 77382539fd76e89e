"""A person's first session, from a fresh workspace to a restart, in both backends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QApplication,
    QComboBox,
    QLineEdit,
    QScrollBar,
)

from app.resources import resource
from tests.e2e.desk import Desk, live

PICTURES = Path(__file__).parents[1] / "screenshots"
QUESTION, ANSWER, SOURCE = "Who is the mayor of Belvaro?", "Tindra Okmel", "belvaro-town-guide.md"


@pytest.fixture
def desks(qapp: QApplication, tmp_path: Path) -> Iterator[list[Desk]]:
    """Open windows; whatever is still open at the end is closed."""
    opened: list[Desk] = []
    yield opened
    for desk in opened:
        desk.close()


def _open(desks: list[Desk], workspace: Path, theme: str = "light") -> Desk:
    desk = Desk(workspace, theme)
    desks.append(desk)
    return desk


def _gain(desk: Desk, level: str) -> float:
    return desk.parts.context.session.value.level(level).gain


@pytest.mark.parametrize("backend", ["hf", "gguf"])
def test_the_first_session_and_the_restart(backend: str, desks: list[Desk], tmp_path: Path) -> None:
    desk = _open(desks, tmp_path)
    desk.wait_for_model()
    if backend == "gguf":
        desk.drop(desk.window, [resource("starter", "gguf", "starter-f16.gguf")])
        desk.wait(lambda: _backend(desk) == "gguf", 60, "the GGUF model")
        desk.wait(lambda: not desk.parts.context.client.busy, 60, "quiet")
    desk.picture(PICTURES / f"{backend}-1-fresh.png")

    _drop_the_samples_again(desk)
    _ask_and_follow_the_citation(desk, backend)
    level = _slide_a_level(desk, backend)
    _stop_an_answer(desk)
    _undo(desk, level)
    shown = [(node.role, node.text) for node in desk.chat.path]
    desk.close()
    desks.clear()

    again = _open(desks, tmp_path, "dark")
    again.wait_for_model()
    again.wait(lambda: len(again.chat.path) == len(shown), 30, "the conversation")
    assert _backend(again) == backend
    assert [(node.role, node.text) for node in again.chat.path] == shown
    assert {row.state for row in again.rows()} == {"ready"} and len(again.rows()) >= 5
    assert _gain(again, level) == 0.0
    assert again.parts.context.session.value.level(level).adapter_path
    assert not [item for item in again.parts.context.notices.items if item.severity == "error"]
    again.picture(PICTURES / f"{backend}-5-restarted.png")


def _backend(desk: Desk) -> str:
    model = desk.parts.controllers.models.model
    return model.backend if model else ""


def _drop_the_samples_again(desk: Desk) -> None:
    """They came with the first start; the same files again are no second documents."""
    samples = [path for path in resource("samples").iterdir() if path.suffix in (".md", ".pdf", ".html")]
    desk.wait(lambda: desk.rows() and all(row.state == "ready" for row in desk.rows()), 60, "the samples")
    before = desk.rows()
    desk.drop(desk.named("Drop documents here"), samples)
    desk.wait(lambda: not desk.parts.context.client.busy, 60, "quiet")
    assert {row.document_id for row in desk.rows()} == {row.document_id for row in before}
    assert any(row.name == SOURCE and row.n_chunks > 3 for row in desk.rows())


def _ask_and_follow_the_citation(desk: Desk, backend: str) -> None:
    desk.ask(QUESTION)
    assert ANSWER in desk.wait_for_answer()
    desk.picture(PICTURES / f"{backend}-2-answered.png")
    citation = desk.chat.path[-1].record.citations[0]
    assert (citation.hit.document, ANSWER in citation.hit.text) == (SOURCE, True)
    desk.press(desk.starting_with("Citation ")[-1])
    viewer = desk.wait_for_passage()
    assert viewer.textCursor().selectedText() or citation.hit.text in viewer.toPlainText()
    desk.picture(PICTURES / f"{backend}-3-citation.png")
    desk.key(Qt.Key.Key_Escape)


def _slide_a_level(desk: Desk, backend: str) -> str:
    """A slider moved with the mouse changes the next answer, and its activity is seen."""
    first = desk.last_answer()
    level = next(s.name for s in desk.parts.context.session.value.levels if s.adapter_path)
    assert _gain(desk, level) == 0.0
    desk.drag_slider(level, 1.0)
    assert _gain(desk, level) == 1.0
    desk.ask(QUESTION)
    second = desk.wait_for_answer()
    assert second != first
    heard = [stats for stats in desk.chat.token_stats(desk.chat.path[-1].message_id) if stats.activity]
    assert heard and any(max(memoryview(stats.activity).cast("f")) > 0 for stats in heard)
    desk.picture(PICTURES / f"{backend}-4-level.png")
    return level


def _stop_an_answer(desk: Desk) -> None:
    desk.ask("Who is the captain of the Marivel?")
    desk.click("Stop the answer")
    desk.wait_for_answer()
    assert desk.chat.path[-1].state == "stopped"


def _undo(desk: Desk, level: str) -> None:
    """Ctrl+Z takes the whole drag back as one step."""
    desk.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert _gain(desk, level) == 0.0


def test_no_visible_control_is_without_a_name(desks: list[Desk], tmp_path: Path) -> None:
    desk = _open(desks, tmp_path)
    live(200)
    kinds = (QAbstractButton, QAbstractSlider, QComboBox, QLineEdit)
    unnamed = [
        f"{type(w).__name__} in {type(w.parent()).__name__}"
        for kind in kinds
        for w in desk.window.findChildren(kind)
        if w.isVisible() and not isinstance(w, QScrollBar)
        and not (w.accessibleName() or getattr(w, "text", str)() or w.objectName().startswith("qt_"))
    ]  # fmt: skip
    assert unnamed == []
