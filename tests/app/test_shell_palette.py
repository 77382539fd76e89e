"""The command palette finds actions by a few letters and needs no mouse."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from app.actions import ActionRegistry
from app.palette import CommandPalette, matches, score
from app.theme import Theme


@pytest.fixture
def done() -> list[str]:
    return []


@pytest.fixture
def registry(theme: Theme, done: list[str]) -> ActionRegistry:
    registry = ActionRegistry(theme)
    for id, text, menu in (
        ("levels.mute_all", "Mute all levels", "Levels"),
        ("model.choose", "Choose a model…", "Model"),
        ("library.add", "Add files…", "Library"),
        ("hidden", "Mutate nothing", ""),
    ):
        registry.add(id, text, lambda id=id: done.append(id), menu=menu)
    registry.get("hidden").setEnabled(False)
    return registry


@pytest.fixture
def palette(qtbot: QtBot, registry: ActionRegistry, theme: Theme) -> CommandPalette:
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(800, 600)
    window.show()
    palette = CommandPalette(registry, theme, window)
    palette.open()
    return palette


def query(palette: CommandPalette) -> QLineEdit:
    found = palette.findChild(QLineEdit)
    assert isinstance(found, QLineEdit)
    return found


def test_letters_must_come_in_their_order() -> None:
    assert score("mal", "Mute all levels") is not None
    assert score("lam", "Mute all") is None


def test_starts_of_words_count_more() -> None:
    assert (score("ml", "Mute levels") or 0) > (score("ml", "simple") or 0)


def test_an_empty_query_shows_all_that_can_be_done(registry: ActionRegistry) -> None:
    assert [a.objectName() for a in matches("", registry)] == [
        "levels.mute_all",
        "model.choose",
        "library.add",
    ]


def test_typing_and_enter_run_the_best_match(qtbot: QtBot, palette: CommandPalette, done: list[str]) -> None:
    qtbot.keyClicks(query(palette), "chmod")
    qtbot.keyClick(query(palette), Qt.Key.Key_Return)
    assert done == ["model.choose"]
    assert not palette.isVisible()


def test_the_arrows_choose(qtbot: QtBot, palette: CommandPalette, done: list[str]) -> None:
    qtbot.keyClick(query(palette), Qt.Key.Key_Down)
    qtbot.keyClick(query(palette), Qt.Key.Key_Down)
    qtbot.keyClick(query(palette), Qt.Key.Key_Up)
    qtbot.keyClick(query(palette), Qt.Key.Key_Return)
    assert done == ["model.choose"]


def test_enter_without_a_match_does_nothing(qtbot: QtBot, palette: CommandPalette, done: list[str]) -> None:
    qtbot.keyClicks(query(palette), "zzz")
    qtbot.keyClick(query(palette), Qt.Key.Key_Return)
    assert done == []
