"""The menu bar, built from the action registry and kept up to date with it."""

from __future__ import annotations

from functools import partial

from PySide6.QtGui import QAction, QKeySequence, QShortcut
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from app.actions import MENUS, ActionRegistry

KEYS = {
    "File": "F",
    "Edit": "E",
    "View": "V",
    "Model": "M",
    "Levels": "L",
    "Library": "I",
    "Chat": "C",
    "Help": "H",
}


class Menus(QMenuBar):
    """One menu for each of ``MENUS`` that has actions."""

    def __init__(self, actions: ActionRegistry, window: QWidget) -> None:
        super().__init__()
        self._window = window
        self._menus: dict[str, QMenu] = {}
        for name in MENUS:
            menu = self.addMenu(name)
            menu.setToolTipsVisible(True)
            menu.menuAction().setVisible(False)
            self._menus[name] = menu
            # An ampersand would underline the letter all the time.
            QShortcut(QKeySequence(f"Alt+{KEYS[name]}"), window, partial(self._open, menu))
        for action in sorted(actions, key=_is_guest):
            self._add(action)
        actions.added.connect(self._add)

    def _open(self, menu: QMenu) -> None:
        self.setActiveAction(menu.menuAction())

    def _add(self, action: QAction) -> None:
        """The window knows every action, so that shortcuts work; menus show those that name one."""
        self._window.addAction(action)
        menu = self._menus.get(action.data())
        if menu is not None:
            last = menu.actions()[-1:]
            if last and _is_guest(action) and not _is_guest(last[0]):
                menu.addSeparator()
            menu.addAction(action)
            menu.menuAction().setVisible(True)


def _is_guest(action: QAction) -> bool:
    """Whether the action comes from elsewhere than its menu's own part of the program (its id begins
    with another word): guests stand below a line."""
    return not action.objectName().startswith(f"{action.data()}.".lower())
