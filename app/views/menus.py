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
        for action in actions:
            self._add(action)
        actions.added.connect(self._add)

    def _open(self, menu: QMenu) -> None:
        self.setActiveAction(menu.menuAction())

    def _add(self, action: QAction) -> None:
        """The window knows every action, so that shortcuts work; menus show those that name one."""
        self._window.addAction(action)
        menu = self._menus.get(action.data())
        if menu is not None:
            menu.addAction(action)
            menu.menuAction().setVisible(True)
