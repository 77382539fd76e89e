"""The plots follow the engine, tell their numbers, and can be read with mouse and keys."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from app.colors import LEVEL_COLOURS
from app.context import AppContext
from app.views.plots import empty
from app.views.plots.chart import Chart
from app.views.plots.empty import EmptyCard
from app.views.plots.panel import PlotsPanel
from engine.protocol import LEVELS, Finished, LedgerSample
from tests.app.scripted import ScriptedEngine, token

GB = 1_000_000_000
ACTIVITY = (0.10, 0.20, 0.0, 0.0, 0.05)


@pytest.fixture
def panel(qtbot: QtBot, context: AppContext) -> Iterator[PlotsPanel]:
    panel = PlotsPanel(context)
    assert panel.cards  # made at once: no test but one wants to wait
    panel.resize(420, 760)
    panel.show()
    qtbot.waitExposed(panel)
    yield panel
    delete(panel)


def delete(widget: QWidget) -> None:
    """Close and delete now: outside a running event loop deleteLater waits, and every widget that is
    still there makes the next change of theme slower."""
    widget.close()
    widget.deleteLater()
    QApplication.sendPostedEvents(widget, QEvent.Type.DeferredDelete)


def ledger(time_s: float, device: str = "cuda:0", **owners: float) -> LedgerSample:
    named = tuple((name.replace("_", " "), int(gb * GB)) for name, gb in owners.items())
    return LedgerSample(time_s=time_s, owners=named, capacity_bytes=24 * GB, device=device)


def feed_memory(
    panel: PlotsPanel, context: AppContext, engine: ScriptedEngine, device: str = "cuda:0"
) -> None:
    for i in range(20):
        engine.emit(ledger(i / 2, device, base_weights=5, domain=1, other_of_Strata=2, other_processes=4))
    context.client.drain()
    panel.redraw()


def feed_answer(panel: PlotsPanel, context: AppContext, engine: ScriptedEngine, n_tokens: int = 12) -> None:
    for i in range(n_tokens):
        engine.emit(token(1, i, f" word{i}", 0, (*ACTIVITY[:4], ACTIVITY[4] * (i + 1))))
    context.client.drain()
    panel.redraw()


def pointer(chart: Chart, share_x: float, share_y: float = 0.5, press: bool = False) -> None:
    """A real mouse event at a share of the drawing area."""
    area = chart.plot_rect
    at = QPointF(area.left() + share_x * area.width(), area.top() + share_y * area.height()).toPoint()
    target = chart.childAt(at)
    local = target.mapFrom(chart, at)
    if press:
        QTest.mouseClick(target, Qt.MouseButton.LeftButton, pos=local)
        return
    no_button, no_key = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    everywhere = QPointF(target.mapToGlobal(local))
    event = QMouseEvent(QMouseEvent.Type.MouseMove, QPointF(local), everywhere, no_button, no_button, no_key)
    QApplication.sendEvent(target, event)


def colour_at(widget: QWidget, at: QPoint) -> str:
    return widget.grab().toImage().pixelColor(at).name().upper()


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def subtitle(card: QWidget) -> str:
    return str(card._subtitle.text())  # type: ignore[attr-defined]


def test_every_plot_says_how_to_fill_it_until_it_is_filled(
    panel: PlotsPanel, context: AppContext, engine: ScriptedEngine
) -> None:
    assert all(card.is_empty for card in (panel.cards.memory, panel.cards.tokens, panel.cards.layers))
    feed_memory(panel, context, engine)
    feed_answer(panel, context, engine)
    assert not any(card.is_empty for card in (panel.cards.memory, panel.cards.tokens, panel.cards.layers))


def test_the_plots_come_by_themselves_after_the_first_paint(
    qtbot: QtBot, context: AppContext, engine: ScriptedEngine
) -> None:
    panel = PlotsPanel(context)
    waiting = {card.accessibleName() for card in panel.findChildren(EmptyCard)}
    assert waiting == {empty.MEMORY, empty.TOKENS, empty.LAYERS}
    engine.emit(ledger(0.0, base_weights=5))  # what comes meanwhile is not lost
    context.client.drain()
    panel.show()
    qtbot.waitUntil(lambda: bool(panel.findChildren(Chart)))
    qtbot.waitUntil(lambda: not panel.cards.memory.is_empty)
    delete(panel)


def test_an_answer_without_adapters_leaves_the_activity_plots_empty(
    panel: PlotsPanel, context: AppContext, engine: ScriptedEngine
) -> None:
    engine.emit(token(1, 0, "bare", 0))
    context.client.drain()
    panel.redraw()
    assert panel.cards.tokens.is_empty


def test_memory_fills_the_plot_and_names_every_owner(
    panel: PlotsPanel, context: AppContext, engine: ScriptedEngine
) -> None:
    feed_memory(panel, context, engine)
    assert subtitle(panel.cards.memory) == "6.00 GB of 24.0 GB"
    assert {(label.name, label.value) for label in panel.cards.memory.labels.labels} == {
        ("base weights", "5.00"),
        ("domain", "1.00"),
    }
    area = panel.cards.memory.chart.plot_rect.toRect()
    top_of_domain = panel.cards.memory.chart.pixel_y(6 * GB)
    assert top_of_domain - area.top() < 0.25 * area.height()
    middle = QPoint(area.right() - 20, int(panel.cards.memory.chart.pixel_y(5.5 * GB)))
    assert colour_at(panel.cards.memory.chart, middle) == LEVEL_COLOURS["domain"]


def test_scopes_bring_in_the_rest_and_the_capacity(
    panel: PlotsPanel, context: AppContext, engine: ScriptedEngine
) -> None:
    feed_memory(panel, context, engine)
    buttons = {
        button.text(): button for button in panel.cards.memory.findChildren(QToolButton) if button.text()
    }
    QTest.mouseClick(buttons["Strata"], Qt.MouseButton.LeftButton)
    assert subtitle(panel.cards.memory) == "8.00 GB of 24.0 GB"
    QTest.mouseClick(buttons["All"], Qt.MouseButton.LeftButton)
    assert subtitle(panel.cards.memory) == "12.0 GB of 24.0 GB"
    assert panel.cards.memory.chart.pixel_y(24 * GB) > panel.cards.memory.chart.plot_rect.top()


def test_before_there_is_a_model_the_program_itself_is_shown(
    panel: PlotsPanel, context: AppContext, engine: ScriptedEngine
) -> None:
    engine.emit(ledger(0.0, base_weights=0, other_of_Strata=2, other_processes=4))
    context.client.drain()
    panel.redraw()
    assert subtitle(panel.cards.memory) == "2.00 GB of 24.0 GB"


def test_without_a_gpu_the_plot_says_it_shows_ram(
    panel: PlotsPanel, context: AppContext, engine: ScriptedEngine
) -> None:
    feed_memory(panel, context, engine, device="cpu")
    assert panel.cards.memory.accessibleName() == "Memory by owner (RAM)"


def test_the_pointer_reads_memory_back_in_time(
    panel: PlotsPanel, context: AppContext, engine: ScriptedEngine
) -> None:
    engine.emit(ledger(0.0, base_weights=1))
    engine.emit(ledger(30.0, base_weights=5))
    context.client.drain()
    panel.redraw()
    pointer(panel.cards.memory.chart, 0.02)
    assert subtitle(panel.cards.memory) == "1.00 GB 30 s ago"
    pointer(panel.cards.memory.chart, -0.05)
    assert subtitle(panel.cards.memory) == "5.00 GB of 24.0 GB"


def test_activity_is_read_token_by_token_with_the_mouse(
    qtbot: QtBot, panel: PlotsPanel, context: AppContext, engine: ScriptedEngine
) -> None:
    feed_answer(panel, context, engine, n_tokens=48)
    with qtbot.waitSignal(panel.token_hovered) as heard:
        pointer(panel.cards.tokens.chart, 10.5 / 48)
    assert heard.args == [10]
    assert "word10" in subtitle(panel.cards.tokens)
    values = {label.name: label.value for label in panel.cards.tokens.labels.labels}
    assert values == {"foundation": "0.100", "domain": "0.200", "context": "0.550"}
    pointer(panel.cards.tokens.chart, 3.5 / 48, press=True)
    assert subtitle(panel.cards.layers) == "token 3"
    assert {label.name: label.value for label in panel.cards.layers.labels.labels}["context"] == "0.200"


def test_activity_is_walked_with_the_keys_and_let_go_with_escape(
    qtbot: QtBot, panel: PlotsPanel, context: AppContext, engine: ScriptedEngine
) -> None:
    feed_answer(panel, context, engine)
    chart = panel.cards.tokens.chart
    chart.setFocus()
    QTest.keyClick(chart, Qt.Key.Key_Home)
    QTest.keyClick(chart, Qt.Key.Key_Right)
    assert "word1”" in subtitle(panel.cards.tokens)
    assert "word1”" in chart.accessibleDescription()
    QTest.keyClick(chart, Qt.Key.Key_Escape)
    assert subtitle(panel.cards.tokens) == "12 tokens · 20.0/s"


def test_the_newest_tokens_show_while_writing_and_the_whole_answer_after(
    panel: PlotsPanel, context: AppContext, engine: ScriptedEngine
) -> None:
    heard: list[int] = []
    panel.token_hovered.connect(heard.append)
    feed_answer(panel, context, engine, n_tokens=500)
    pointer(panel.cards.tokens.chart, 0.004)
    engine.emit(Finished(job=1))
    context.client.drain()
    panel.redraw()
    pointer(panel.cards.tokens.chart, 0.004)
    assert heard[0] == 300
    assert heard[1] < 5


def test_the_heat_map_reads_layer_and_level(
    panel: PlotsPanel, context: AppContext, engine: ScriptedEngine
) -> None:
    feed_answer(panel, context, engine)
    pointer(panel.cards.layers.chart, 0.6, 1.5 / len(LEVELS))
    assert subtitle(panel.cards.layers) == "domain · layer 3 · 0.200"
    panel.cards.layers.chart.setFocus()
    QTest.keyClick(panel.cards.layers.chart, Qt.Key.Key_Up)
    QTest.keyClick(panel.cards.layers.chart, Qt.Key.Key_Left)
    assert subtitle(panel.cards.layers) == "foundation · layer 2 · 0.100"


def test_an_older_answer_and_one_of_its_tokens_can_be_shown(
    panel: PlotsPanel, context: AppContext, engine: ScriptedEngine
) -> None:
    feed_answer(panel, context, engine)
    panel.show_answer([token(9, i, f"old{i}", 0, (0.5, 0, 0, 0, i / 10)) for i in range(4)])
    panel.select_token(2)
    assert "old2" in subtitle(panel.cards.tokens)
    assert subtitle(panel.cards.layers) == "token 2"
    panel.select_token(-1)
    assert subtitle(panel.cards.layers) == "mean of the answer"


def test_nothing_is_drawn_while_nobody_looks(
    panel: PlotsPanel, context: AppContext, engine: ScriptedEngine
) -> None:
    panel.hide()
    feed_memory(panel, context, engine)
    assert panel.cards.memory.is_empty
    panel.show()
    panel.redraw()
    assert not panel.cards.memory.is_empty


def test_another_theme_recolours_what_is_shown(
    panel: PlotsPanel, context: AppContext, engine: ScriptedEngine
) -> None:
    feed_memory(panel, context, engine)
    middle = QPoint(
        panel.cards.memory.chart.plot_rect.toRect().right() - 20,
        int(panel.cards.memory.chart.pixel_y(2.5 * GB)),
    )
    light = colour_at(panel.cards.memory.chart, middle)
    context.theme.set_mode("dark")
    assert light != colour_at(panel.cards.memory.chart, middle) == context.theme.colors.owner_greys[0].upper()


def test_plots_are_saved_as_picture_drawing_and_numbers(
    panel: PlotsPanel, context: AppContext, engine: ScriptedEngine, tmp_path: Path
) -> None:
    feed_memory(panel, context, engine)
    feed_answer(panel, context, engine)
    panel.cards.layers.export_to(tmp_path / "layers.png")
    assert QImage(str(tmp_path / "layers.png")).width() == 2 * panel.cards.layers.width()
    panel.cards.tokens.export_to(tmp_path / "tokens.svg")
    assert ElementTree.parse(tmp_path / "tokens.svg").getroot().tag.endswith("svg")
    panel.cards.tokens.export_to(tmp_path / "tokens.csv")
    rows = read_csv(tmp_path / "tokens.csv")
    assert rows[5]["text"] == " word5"
    assert float(rows[5]["activity of domain"]) == pytest.approx(0.2)
    panel.cards.memory.export_to(tmp_path / "memory.csv")
    newest = read_csv(tmp_path / "memory.csv")[-1]
    assert newest == {"seconds": "0.0", "base weights (bytes)": str(5 * GB), "domain (bytes)": str(GB)}


def test_the_actions_ask_where_to_save(
    panel: PlotsPanel,
    context: AppContext,
    engine: ScriptedEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed_answer(panel, context, engine)
    for name in ("tokens", "layers"):
        target = str(tmp_path / f"{name}.csv")
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args, target=target: (target, ""))
        context.actions.get(f"plots.export_{name}").trigger()
        assert len(read_csv(Path(target))) == {"tokens": 12, "layers": len(LEVELS)}[name]


def test_a_plot_that_cannot_be_saved_says_so(
    panel: PlotsPanel, context: AppContext, engine: ScriptedEngine, tmp_path: Path
) -> None:
    feed_memory(panel, context, engine)
    panel.cards.memory.export_to(tmp_path / "missing" / "memory.png")
    panel.cards.memory.export_to(tmp_path / "memory.xyz")
    first, second = context.notices.items
    assert "could not be written" in first.text
    assert ".xyz" in second.text
    assert ".csv" in second.hint


def test_numbers_go_to_the_clipboard(panel: PlotsPanel, context: AppContext, engine: ScriptedEngine) -> None:
    feed_answer(panel, context, engine)
    panel.cards.layers.copy_numbers()
    lines = QApplication.clipboard().text().splitlines()
    assert lines[0].split("\t") == ["level", "layer 1", "layer 2", "layer 3", "layer 4"]
    assert lines[2].split("\t") == ["domain", *["0.200000"] * 4]


def test_no_control_is_without_a_name(panel: PlotsPanel) -> None:
    focusable = [w for w in panel.findChildren(QWidget) if w.focusPolicy() & Qt.FocusPolicy.TabFocus]
    assert len(focusable) >= 7  # of the three scopes only the chosen one
    assert [w for w in focusable if not w.accessibleName()] == []
