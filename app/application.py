"""The composition root: what there is, in which order it starts and in which it ends."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QPoint, QTimer
from PySide6.QtGui import QIcon, QUndoStack
from PySide6.QtWidgets import QApplication

from app import first_start, settings, window_actions
from app.actions import ActionRegistry
from app.chat import ChatController
from app.client import EngineClient
from app.context import AppContext
from app.crash_report import CrashReport
from app.garbage import GarbageCollector
from app.levels import LevelsController
from app.library import LibraryController
from app.main_window import Controllers, MainWindow
from app.model_loader import ModelLoader
from app.notices import Notices
from app.resources import resource
from app.session import SessionStore
from app.settings import Settings, SettingsFile
from app.theme import Mode, Theme
from app.views.hint import Hint
from app.views.menus import Menus
from engine.errors import EngineError
from engine.protocol import Notice
from engine.workspace import Workspace

SWITCH_INTERVAL_S = 0.0005  # a busy engine thread must not hold the window's thread back
TRACE = "STRATA_TRACE_START"


@dataclass(frozen=True, slots=True)
class Parts:
    """A window with everything behind it."""

    context: AppContext
    controllers: Controllers
    settings: SettingsFile
    window: MainWindow


def run(folder: Path) -> int:
    """Open the window on the workspace ``folder``; returns when it is closed (the exit code)."""
    try:
        workspace = Workspace.open(folder)
    except EngineError as error:
        print(f"{error.text}\n{error.hint}", file=sys.stderr)
        return error.exit_code
    try:
        return _run(workspace)
    finally:
        workspace.close()


def _run(workspace: Workspace) -> int:
    app = _application()
    crash = CrashReport(workspace.path)
    parts = open_window(app, workspace.path)
    crash.start(parts.context.notices, workspace.ended_abruptly)
    collector = GarbageCollector(lambda: parts.context.client.busy)
    parts.window.show()
    code = _exec(app)
    collector.stop()
    close_window(parts)
    crash.stop()
    return code


def open_window(app: QApplication, folder: Path, theme_mode: Mode | None = None) -> Parts:
    """The window on a workspace, not shown yet: the engine starts after its first paint.
    ``theme_mode`` overrides the kept one (system, light or dark)."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    fresh = not (folder / settings.NAME).exists()
    kept, problems = settings.load(folder)
    theme = Theme(theme_mode or kept.theme)
    theme.apply(app)
    parts = build(EngineClient(folder, deferred=True), theme, folder, kept)
    _tell_problems(parts.context.notices, problems)
    parts.window.painted.connect(lambda: _begin(parts, fresh))
    return parts


def close_window(parts: Parts) -> None:
    """Stop the engine; what a person set is kept."""
    parts.context.client.close()
    parts.settings.save()


def _application() -> QApplication:
    app = QApplication(sys.argv[:1])
    app.setApplicationName("strata")
    app.setApplicationDisplayName("Strata")
    app.setDesktopFileName("strata")
    app.setWindowIcon(QIcon(str(resource("icons", "strata.svg"))))
    return app


def _exec(app: QApplication) -> int:
    """Run the event loop; Ctrl+C in the terminal closes the window in good order."""
    signal.signal(signal.SIGINT, lambda number, frame: app.closeAllWindows())
    signal.signal(signal.SIGTERM, lambda number, frame: app.closeAllWindows())
    # Python's signal handlers run only when Python does: let it, five times a second.
    beat = QTimer(interval=200)
    beat.timeout.connect(lambda: None)
    beat.start()
    return app.exec()


def build(client: EngineClient, theme: Theme, folder: Path, kept: Settings) -> Parts:
    """Make context, controllers and window."""
    context = AppContext(
        client=client,
        session=SessionStore(kept.session),
        undo=QUndoStack(),
        actions=ActionRegistry(theme),
        notices=Notices(),
        theme=theme,
    )

    def tell(event: Notice) -> None:
        context.notices.show_error(event.error, event.severity)

    client.subscribe(Notice, tell)
    file = SettingsFile(folder, kept, context.session, context.notices)
    theme.changed.connect(lambda: file.set_theme(theme.mode))
    levels = LevelsController(context)
    controllers = Controllers(
        levels=levels,
        models=ModelLoader(context, levels),
        chat=ChatController(context),
        library=LibraryController(context),
    )
    window = MainWindow(context, controllers, file)
    window_actions.register(window)
    window.set_header(Menus(context.actions, window))
    window.restore()
    return Parts(context, controllers, file, window)


def _begin(parts: Parts, fresh: bool) -> None:
    """After the first paint: start the engine, bring back what was there, or guide a new person."""
    if os.environ.get(TRACE):
        _trace_start()
    parts.context.client.start()
    parts.controllers.models.scan()
    if fresh:
        begin_first(parts)
    session = parts.context.session.value
    if session.model_path:
        parts.controllers.models.load(session.model_path)
    if first_start.HINT not in parts.settings.value.seen_hints:
        _show_hint(parts)


def begin_first(parts: Parts) -> None:
    """A fresh workspace: the starter on its way, the sample documents into the library."""
    store = parts.context.session
    store.set(first_start.first_session(store.value))
    samples = first_start.sample_documents()
    if samples:
        parts.controllers.library.add_paths(samples)


def _show_hint(parts: Parts) -> None:
    """Point at the slider that shows most."""
    name = first_start.hint_level(parts.context.session.value)
    if not name:
        return
    strip = parts.window.levels.strips[name]

    def beside() -> QPoint:
        return QPoint(strip.width(), strip.slider.geometry().center().y())

    hint = Hint("Slide me to 1, then ask again", strip, beside, parts.context.theme, parts.window)
    strip.slider.edited.connect(hint.dismiss)
    hint.dismissed.connect(lambda: parts.settings.set_seen(first_start.HINT))


def _tell_problems(notices: Notices, problems: tuple[str, ...]) -> None:
    if problems:
        notices.show(
            "warning",
            "Some settings could not be used and are at their defaults again.",
            f"The file as it was is kept as {settings.BACKUP_NAME} in the workspace folder.",
            "\n".join(problems),
        )


def _trace_start() -> None:
    """One line for ``strata bench``, which holds the clock: the window is painted."""
    print(json.dumps({"painted": True, "torch_imported": "torch" in sys.modules}), flush=True)
