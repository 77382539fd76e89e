"""The actions that belong to the window as a whole."""

from __future__ import annotations

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

from app.main_window import MainWindow
from app.views.about import show_about


def register(window: MainWindow) -> None:
    """Add them to the registry of the window's context."""
    context = window.context
    add, adopt = context.actions.add, context.actions.adopt
    folder = window.settings.folder
    add("help.palette", "Command palette…", window.palette_popup.open, "Ctrl+Shift+P", "Help", "command")
    add("help.about", "About Strata", lambda: show_about(window), "", "Help", "info")
    add("file.workspace", "Show the workspace folder", lambda: _open(str(folder)), "", "File", "folder")
    add("file.quit", "Quit", window.close, "Ctrl+Q", "File", "close")
    adopt("edit.undo", context.undo.createUndoAction(context.actions, "Undo"), "Ctrl+Z", "Edit", "undo")
    adopt("edit.redo", context.undo.createRedoAction(context.actions, "Redo"), "Ctrl+Shift+Z", "Edit", "redo")
    for dock, shortcut in zip(window.docks, ("F2", "F3", "F4"), strict=True):
        adopt(f"view.{dock.objectName()}", dock.toggleViewAction(), shortcut, "View")
    add("view.next_pane", "Next pane", window.focus_next_pane, "F6", "View", "chevron-right")
    add("view.reset_layout", "Reset the layout", window.reset_layout, "", "View", "reset")
    add(
        "view.system_theme",
        "Follow the desktop's theme",
        lambda: context.theme.set_mode("system"),
        "",
        "View",
        "settings",
    )
    add("view.full_screen", "Full screen", lambda: _toggle_full_screen(window), "F11", "View", "open")


def _open(path: str) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(path))


def _toggle_full_screen(window: MainWindow) -> None:
    if window.isFullScreen():
        window.showNormal()
    else:
        window.showFullScreen()
