"""The sampling pane and the theme."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication, QCheckBox, QDoubleSpinBox, QLineEdit, QSpinBox, QWidget
from pytestqt.qtbot import QtBot

from app.context import AppContext
from app.icons import icon
from app.theme import DARK, LIGHT, Theme
from app.views.sampling import SamplingPanel, format_stop, parse_stop
from engine.protocol import Sampling


@pytest.fixture
def panel(qtbot: QtBot, context: AppContext) -> SamplingPanel:
    panel = SamplingPanel(context)
    qtbot.addWidget(panel)
    panel.show()
    return panel


def named(panel: SamplingPanel, kind: type[QWidget], name: str) -> QWidget:
    return next(widget for widget in panel.findChildren(kind) if widget.accessibleName() == name)


def test_a_typed_number_is_one_step_that_undo_takes_back(
    qtbot: QtBot, context: AppContext, panel: SamplingPanel
) -> None:
    box = named(panel, QDoubleSpinBox, "Temperature")
    assert isinstance(box, QDoubleSpinBox)
    box.selectAll()
    qtbot.keyClicks(box, "0.25")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert context.session.value.sampling.temperature == 0.25
    assert context.undo.undoText() == "temperature 0.25"
    context.undo.undo()
    assert box.value() == Sampling().temperature


def test_clicks_on_the_same_number_are_one_step(context: AppContext, panel: SamplingPanel) -> None:
    box = named(panel, QSpinBox, "Top-k")
    assert isinstance(box, QSpinBox)
    for _ in range(5):
        box.stepUp()
    assert context.session.value.sampling.top_k == Sampling().top_k + 5
    assert context.undo.count() == 1


def test_the_lowest_seed_is_a_fresh_one_each_time(context: AppContext, panel: SamplingPanel) -> None:
    box = named(panel, QSpinBox, "Seed")
    assert isinstance(box, QSpinBox)
    assert box.text() == "random"
    box.setValue(7)
    assert context.session.value.sampling.seed == 7
    box.setValue(-1)
    assert context.session.value.sampling.seed is None


def test_documents_off_and_reset_to_defaults(qtbot: QtBot, context: AppContext, panel: SamplingPanel) -> None:
    check = panel.findChild(QCheckBox)
    assert isinstance(check, QCheckBox)
    check.click()
    assert context.session.value.use_documents is False
    context.actions.get("chat.reset_sampling").trigger()
    assert context.session.value.use_documents is True
    assert check.isChecked()


def test_stop_strings_are_typed_with_commas(qtbot: QtBot, context: AppContext, panel: SamplingPanel) -> None:
    edit = named(panel, QLineEdit, "Stop strings")
    qtbot.keyClicks(edit, "END, \\n\\n,")
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert context.session.value.sampling.stop == ("END", "\n\n")


@pytest.mark.parametrize("stop", [(), ("END",), ("a b", "\n\n", "\t")])
def test_stop_strings_read_as_they_are_written(stop: tuple[str, ...]) -> None:
    assert parse_stop(format_stop(stop)) == stop


def test_what_the_session_says_is_shown(context: AppContext, panel: SamplingPanel) -> None:
    session = context.session.value
    context.session.set(replace(session, sampling=replace(session.sampling, max_tokens=99), passages=5))
    values = {box.accessibleName(): box.value() for box in panel.findChildren(QSpinBox)}
    assert (values["Max tokens"], values["Passages"]) == (99, 5)
    assert not context.undo.canUndo()


def test_the_theme_sets_a_palette_and_tells(qtbot: QtBot, qapp: QApplication, theme: Theme) -> None:
    with qtbot.waitSignal(theme.changed):
        theme.set_mode("dark")
    assert qapp.palette().color(QPalette.ColorRole.Window).name().upper() == DARK.bg
    theme.set_mode("light")
    assert qapp.palette().color(QPalette.ColorRole.Window).name().upper() == LIGHT.bg


def test_icons_take_the_colour_of_the_theme(theme: Theme) -> None:
    pictures = [icon("stop", theme, colour).pixmap(16, 16).toImage() for colour in ("#ff0000", "#0000ff")]
    assert pictures[0] != pictures[1]


def test_an_icon_that_is_not_there_is_an_error(theme: Theme) -> None:
    with pytest.raises(FileNotFoundError):
        icon("no-such-icon", theme)
