"""The five strips: what a hand does, what the engine gets, what undo brings back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QAbstractSpinBox, QPushButton, QSlider, QToolButton
from pytestqt.qtbot import QtBot

from app.context import AppContext
from app.levels import LevelsController
from app.views.levels.panel import LevelsPanel
from app.views.levels.strip import LevelStrip
from engine import protocol as p
from tests.app.scripted import ScriptedEngine, token


@pytest.fixture
def levels(context: AppContext) -> LevelsController:
    return LevelsController(context)


@pytest.fixture
def panel(qtbot: QtBot, context: AppContext, levels: LevelsController) -> LevelsPanel:
    panel = LevelsPanel(context, levels)
    qtbot.addWidget(panel)
    panel.resize(300, 520)
    with qtbot.waitExposed(panel):
        panel.show()
    return panel


@pytest.fixture
def domain(panel: LevelsPanel) -> LevelStrip:
    return panel.strips["domain"]


def gain(context: AppContext, level: str = "domain") -> float:
    return context.session.value.level(level).gain


def drag(qtbot: QtBot, strip: LevelStrip, *gains: float) -> None:
    """Press at the first gain, move over the others, release."""
    slider = strip.slider
    points = [QPoint(round(slider.x_of(100 * value)), slider.height() // 2) for value in gains]
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=points[0])
    for point in points[1:]:
        qtbot.mouseMove(slider, point)
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=points[-1])


def settle(qtbot: QtBot, context: AppContext) -> None:
    qtbot.wait(5)
    context.client.drain()


def test_one_drag_is_one_step_that_undo_takes_back(
    qtbot: QtBot, context: AppContext, domain: LevelStrip
) -> None:
    drag(qtbot, domain, 0.7, 0.5, 0.41)
    assert context.undo.count() == 1
    assert gain(context) == pytest.approx(0.41, abs=0.03)
    assert context.undo.undoText().startswith("domain gain 1.00 → 0.4")
    context.undo.undo()
    assert gain(context) == 1.0
    assert domain.slider.value() == 100


def test_two_drags_are_two_steps(qtbot: QtBot, context: AppContext, domain: LevelStrip) -> None:
    drag(qtbot, domain, 0.5)
    drag(qtbot, domain, -0.5)
    assert context.undo.count() == 2


def test_a_drag_that_ends_where_it_began_leaves_no_step(
    qtbot: QtBot, context: AppContext, domain: LevelStrip
) -> None:
    drag(qtbot, domain, 0.5, 1.0)
    assert not context.undo.canUndo()


@pytest.mark.parametrize("detent", [0.0, 1.0])
def test_the_detents_catch_the_handle(
    qtbot: QtBot, context: AppContext, domain: LevelStrip, detent: float
) -> None:
    drag(qtbot, domain, 0.5, detent + 0.06)
    assert gain(context) == detent


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (Qt.Key.Key_Right, 1.05),
        (Qt.Key.Key_Left, 0.95),
        (Qt.Key.Key_PageUp, 1.25),
        (Qt.Key.Key_PageDown, 0.75),
        (Qt.Key.Key_Home, -2.0),
        (Qt.Key.Key_End, 2.0),
    ],
)
def test_keys_move_the_gain(
    qtbot: QtBot, context: AppContext, domain: LevelStrip, key: Qt.Key, expected: float
) -> None:
    qtbot.keyClick(domain.slider, key)
    assert gain(context) == expected


def test_the_gain_stops_at_its_ends(context: AppContext, levels: LevelsController) -> None:
    levels.set_gain("domain", 9.0)
    assert gain(context) == p.GAIN_MAX


def test_double_click_resets_to_one(qtbot: QtBot, context: AppContext, domain: LevelStrip) -> None:
    drag(qtbot, domain, -1.0)
    qtbot.mouseDClick(domain.slider, Qt.MouseButton.LeftButton)
    assert gain(context) == 1.0


def test_typing_a_number_sets_the_gain(qtbot: QtBot, context: AppContext, domain: LevelStrip) -> None:
    domain.box.selectAll()
    qtbot.keyClicks(domain.box, "0.33")
    qtbot.keyClick(domain.box, Qt.Key.Key_Return)
    assert gain(context) == 0.33
    assert domain.slider.value() == 33


def test_many_edits_in_one_turn_are_sent_once_and_the_last_wins(
    qtbot: QtBot, context: AppContext, engine: ScriptedEngine, levels: LevelsController
) -> None:
    settle(qtbot, context)
    before = len(engine.sent(p.SetGains))
    for value in (0.1, 0.2, 0.3):
        levels.set_gain("swarm", value)
    settle(qtbot, context)
    assert [command.gains for command in engine.sent(p.SetGains)[before:]] == [(1.0, 1.0, 0.3, 1.0, 1.0)]


def test_mute_and_solo_by_key_reach_the_engine_as_gains(
    qtbot: QtBot, context: AppContext, engine: ScriptedEngine, panel: LevelsPanel
) -> None:
    panel.strips["agent"].slider.setFocus()
    qtbot.keyClick(panel.strips["agent"].slider, Qt.Key.Key_S)
    settle(qtbot, context)
    assert engine.sent(p.SetGains)[-1].gains == (0.0, 0.0, 0.0, 1.0, 0.0)
    qtbot.keyClick(panel.strips["agent"].slider, Qt.Key.Key_M)
    settle(qtbot, context)
    assert engine.sent(p.SetGains)[-1].gains == (0.0,) * 5
    assert context.undo.undoText() == "mute agent"


def test_activity_shows_the_mean_over_the_layers(
    context: AppContext, engine: ScriptedEngine, panel: LevelsPanel
) -> None:
    engine.emit(token(1, 0, "a", 0, (0.1, 0.2, 0.0, 0.0, 0.05)))
    context.client.drain()
    assert panel.strips["domain"].activity.activity == pytest.approx(0.2)
    assert "20.0%" in panel.strips["domain"].activity.accessibleDescription()


def test_an_adapter_goes_to_the_engine_and_undo_unloads_it(
    context: AppContext, engine: ScriptedEngine, levels: LevelsController
) -> None:
    levels.model_loaded()
    levels.load_adapter("domain", "/adapters/legal")
    context.client.drain()
    context.undo.undo()
    context.client.drain()
    assert [(c.level, c.path) for c in engine.sent(p.LoadLevel)] == [("domain", "/adapters/legal")]
    assert [c.level for c in engine.sent(p.UnloadLevel)] == ["domain"]


def refuse(command: p.LoadLevel) -> list[p.Event]:
    error = p.ErrorInfo(text=f"{command.path} does not fit.", detail="q_proj: 64 x 8, the model has 32")
    return [p.Failed(job=command.job, error=error)]


def test_a_refused_adapter_leaves_session_and_undo_as_they_were(
    context: AppContext, engine: ScriptedEngine, levels: LevelsController
) -> None:
    engine.answer(p.LoadLevel, refuse)
    levels.model_loaded()
    levels.load_adapter("domain", "/adapters/wrong")
    context.client.drain()
    assert context.session.value.level("domain").adapter_path == ""
    assert not context.undo.canUndo()
    assert not context.undo.canRedo()
    assert [item.text for item in context.notices.items] == ["/adapters/wrong does not fit."]
    assert "q_proj" in context.notices.items[0].detail


def test_while_a_level_is_busy_the_last_wish_waits_and_then_holds(
    context: AppContext, engine: ScriptedEngine, levels: LevelsController
) -> None:
    engine.hold(p.LoadLevel)
    levels.model_loaded()
    for name in ("one", "two", "three"):
        levels.load_adapter("domain", f"/adapters/{name}")
    assert [c.path for c in engine.sent(p.LoadLevel)] == ["/adapters/one"]
    engine.finish(engine.sent(p.LoadLevel)[0].job)
    context.client.drain()
    assert [c.path for c in engine.sent(p.LoadLevel)] == ["/adapters/one", "/adapters/three"]


def test_after_a_load_adapters_that_do_not_fit_are_told_of_together(
    context: AppContext, engine: ScriptedEngine, levels: LevelsController
) -> None:
    session = context.session.value
    for name in ("domain", "agent"):
        session = session.with_level(replace(session.level(name), adapter_path=f"/adapters/{name}-x"))
    context.session.set(session)
    engine.answer(p.LoadLevel, refuse)
    levels.model_loaded()
    context.client.drain()
    assert len(context.notices.items) == 1
    assert "domain-x (domain), agent-x (agent)" in context.notices.items[0].text


def test_without_a_model_an_adapter_waits(
    context: AppContext, engine: ScriptedEngine, levels: LevelsController
) -> None:
    levels.load_adapter("domain", "/adapters/legal")
    assert engine.sent(p.LoadLevel) == []
    levels.model_loaded()
    assert [c.path for c in engine.sent(p.LoadLevel)] == ["/adapters/legal"]


def test_a_long_adapter_name_is_shortened_and_whole_in_the_tooltip(
    qtbot: QtBot, levels: LevelsController, domain: LevelStrip
) -> None:
    name = "an-adapter-with-a-name-that-no-strip-can-hold-at-this-width"
    levels.load_adapter("domain", f"/adapters/{name}")
    assert "…" in domain.adapter.shown_text()
    assert name in domain.adapter.toolTip()


def test_every_control_has_a_name(panel: LevelsPanel) -> None:
    kinds = (QSlider, QAbstractSpinBox, QToolButton, QPushButton)
    controls = [widget for kind in kinds for widget in panel.findChildren(kind)]
    assert len(controls) >= 30
    for control in controls:
        interface = QAccessible.queryAccessibleInterface(control)
        assert interface.text(QAccessible.Text.Name), control
