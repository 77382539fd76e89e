"""The action registry."""

from __future__ import annotations

import pytest

from app.actions import ActionRegistry
from app.theme import Theme


@pytest.fixture
def registry(theme: Theme) -> ActionRegistry:
    return ActionRegistry(theme)


def test_an_action_runs_its_callback_without_the_checked_flag(registry: ActionRegistry) -> None:
    calls: list[tuple[object, ...]] = []
    registry.add("a", "Do it", lambda *args: calls.append(args)).trigger()
    assert calls == [()]


def test_a_checkable_action_passes_its_state(registry: ActionRegistry) -> None:
    states: list[bool] = []
    registry.add("a", "Show it", states.append, checkable=True).trigger()
    assert states == [True]


def test_the_same_shortcut_twice_is_refused(registry: ActionRegistry) -> None:
    registry.add("a", "First", print, "Ctrl+K")
    with pytest.raises(ValueError, match="'b' and 'a' both want"):
        registry.add("b", "Second", print, "Ctrl+K")


def test_the_same_id_twice_is_refused(registry: ActionRegistry) -> None:
    registry.add("a", "First", print)
    with pytest.raises(ValueError, match="'a'"):
        registry.add("a", "Second", print)


def test_an_unknown_menu_is_refused(registry: ActionRegistry) -> None:
    with pytest.raises(ValueError, match="no menu 'Tools'"):
        registry.add("a", "First", print, menu="Tools")


def test_menus_keep_the_order_in_which_actions_came(registry: ActionRegistry) -> None:
    for id, menu in (("one", "File"), ("two", "Edit"), ("three", "File")):
        registry.add(id, id, print, menu=menu)
    assert [action.objectName() for action in registry.by_menu("File")] == ["one", "three"]


def test_those_who_listen_hear_of_an_action_that_comes_later(registry: ActionRegistry) -> None:
    heard: list[str] = []
    registry.added.connect(lambda action: heard.append(action.objectName()))
    registry.add("late", "Late", print)
    assert heard == ["late"]
