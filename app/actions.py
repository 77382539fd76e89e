"""One registry for everything a person can do: menus, shortcuts and the command palette come from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QKeySequence

from app.icons import bind_icon
from app.theme import Theme

MENUS = ("File", "Edit", "View", "Model", "Levels", "Library", "Chat", "Help")


class ActionRegistry(QObject):
    """All actions by id, in the order in which they came."""

    added = Signal(object)  # QAction

    def __init__(self, theme: Theme | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._actions: dict[str, QAction] = {}

    def add(
        self,
        id: str,
        text: str,
        callback: Callable[..., object],
        shortcut: str = "",
        menu: str = "",
        icon: str = "",
        checkable: bool = False,
        tip: str = "",
    ) -> QAction:
        """Register an action. ``menu`` is one of ``MENUS``, or '' for the palette alone. A checkable
        action calls ``callback(checked)``, any other ``callback()``. ValueError for an id or a
        shortcut that is taken, or a menu that is not there."""
        self._check(id, shortcut, menu)
        action = QAction(text, self)
        action.setObjectName(id)
        action.setData(menu)
        action.setShortcut(QKeySequence(shortcut))
        action.setCheckable(checkable)
        action.setToolTip(_with_shortcut(tip or text.replace("&", ""), shortcut))
        if icon and self._theme is not None:
            bind_icon(action, icon, self._theme)
        if checkable:
            action.triggered.connect(lambda checked=False: callback(checked))
        else:
            action.triggered.connect(lambda _checked=False: callback())
        self._actions[id] = action
        self.added.emit(action)
        return action

    def _check(self, id: str, shortcut: str, menu: str) -> None:
        if id in self._actions:
            raise ValueError(f"two actions are called {id!r}")
        if menu and menu not in MENUS:
            raise ValueError(f"there is no menu {menu!r}")
        wanted = QKeySequence(shortcut)
        for other_id, other in self._actions.items():
            if shortcut and other.shortcut() == wanted:
                raise ValueError(f"{id!r} and {other_id!r} both want the shortcut {shortcut}")

    def adopt(self, id: str, action: QAction, shortcut: str = "", menu: str = "", icon: str = "") -> QAction:
        """Register an action that something else made (undo, redo, a dock's toggle)."""
        self._check(id, shortcut, menu)
        action.setObjectName(id)
        action.setData(menu)
        action.setShortcut(QKeySequence(shortcut))
        if icon and self._theme is not None:
            bind_icon(action, icon, self._theme)
        self._actions[id] = action
        self.added.emit(action)
        return action

    def get(self, id: str) -> QAction:
        """The action called ``id``; KeyError if there is none."""
        return self._actions[id]

    def __iter__(self) -> Iterator[QAction]:
        return iter(tuple(self._actions.values()))

    def by_menu(self, menu: str) -> tuple[QAction, ...]:
        """The actions of one menu, in the order in which they came."""
        return tuple(action for action in self if action.data() == menu)


def _with_shortcut(tip: str, shortcut: str) -> str:
    if not shortcut:
        return tip
    return f"{tip}  ({QKeySequence(shortcut).toString(QKeySequence.SequenceFormat.NativeText)})"
