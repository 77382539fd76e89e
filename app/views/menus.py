"""The menu bar, built from the action registry and kept up to date with it."""

from __future__ import annotations

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from app.actions import MENUS, ActionRegistry


class Menus(QMenuBar):
    """One menu for each of ``MENUS`` that has actions."""

    def __init__(self, actions: ActionRegistry, window: QWidget) -> None:
        super().__init__()
        self._window = window
        self._menus: dict[str, QMenu] = {}
        for name in MENUS:
            menu = self.addMenu(f"&{name}")
            menu.setToolTipsVisible(True)
            menu.menuAction().setVisible(False)
            self._menus[name] = menu
        for action in actions:
            self._add(action)
        actions.added.connect(self._add)

    def _add(self, action: QAction) -> None:
        """The window knows every action, so that shortcuts work; menus show those that name one."""
        self._window.addAction(action)
        menu = self._menus.get(action.data())
        if menu is not None:
            menu.addAction(action)
            menu.menuAction().setVisible(True)
