"""The window: header above, levels at the left, conversation, plots at the right, library below."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QByteArray, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QApplication, QFrame, QMainWindow, QScrollArea, QVBoxLayout, QWidget

from app.chat import ChatController
from app.context import AppContext
from app.drops import Dropped
from app.levels import LevelsController
from app.library import LibraryController
from app.model_loader import ModelLoader
from app.palette import CommandPalette
from app.pane_links import PaneLinks
from app.settings import SettingsFile
from app.views.conversation.view import ConversationView
from app.views.dock import GRIP_PX, Dock
from app.views.drop_overlay import DropOverlay
from app.views.levels.panel import LevelsPanel
from app.views.library.panel import LibraryPanel
from app.views.menus import Menus
from app.views.model_bar import ModelBar
from app.views.notices import NoticeStack
from app.views.plots.panel import PlotsPanel
from app.views.sampling import SamplingPanel

MARGIN_PX = 12
FIRST_SIZE = (1440, 900)
# Fixed, so that what a pane shows later never widens the whole window: together they fit into 1,100.
LEVELS_MIN_PX, PLOTS_MIN_PX, LIBRARY_MIN_PX = 272, 226, 560
LEFT_PX, RIGHT_PX, BOTTOM_PX = 300, 372, 190


@dataclass(frozen=True, slots=True)
class Controllers:
    """What acts on the session and the engine."""

    levels: LevelsController
    models: ModelLoader
    chat: ChatController
    library: LibraryController


class MainWindow(QMainWindow):
    """Lays the panes out, takes drops, remembers its place. ``painted`` fires once, after the first
    paint."""

    painted = Signal()

    def __init__(self, context: AppContext, controllers: Controllers, settings: SettingsFile) -> None:
        super().__init__()
        self._context, self._controllers, self._settings = context, controllers, settings
        self._was_painted = False
        self.setWindowTitle("Strata")
        self.setAcceptDrops(True)
        self.setDockNestingEnabled(True)
        self.setContentsMargins(MARGIN_PX, 0, MARGIN_PX, MARGIN_PX)
        self.bar = ModelBar(context, controllers.models)
        self.levels = LevelsPanel(context, controllers.levels)
        self.sampling = SamplingPanel(context)
        self.conversation = ConversationView(context, controllers.chat)
        self.plots = PlotsPanel(context)
        self.library = LibraryPanel(context, controllers.library)
        self.plots.setMinimumWidth(PLOTS_MIN_PX)
        self.library.setMinimumWidth(LIBRARY_MIN_PX)
        self._lay_out()
        self.palette_popup = CommandPalette(context.actions, context.theme, self)
        self.notices = NoticeStack(context.notices, context.theme, self)
        self.overlay = DropOverlay(context.theme, self)
        self.overlay.chosen.connect(self.take_drop)
        controllers.models.changed.connect(self._show_title)
        PaneLinks(controllers.chat, self.conversation, self.plots, self.library)

    @property
    def context(self) -> AppContext:
        """What the window was given."""
        return self._context

    @property
    def settings(self) -> SettingsFile:
        """Where the window's place is kept."""
        return self._settings

    @property
    def docks(self) -> tuple[Dock, ...]:
        """Levels, plots, library."""
        return self._docks

    def _lay_out(self) -> None:
        self.setCentralWidget(_below_grip(self.conversation))
        theme = self._context.theme
        self._docks = (
            Dock("levels", "Levels and sampling", _scrolling(self.levels, self.sampling), theme, self),
            Dock("plots", "Plots", self.plots, theme, self),
            Dock("library", "Library", self.library, theme, self),
        )
        for corner, area in (
            (Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea),
            (Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea),
        ):
            self.setCorner(corner, area)
        self.reset_layout()

    def reset_layout(self) -> None:
        """Every pane back to where it was at the first start."""
        areas = (
            Qt.DockWidgetArea.LeftDockWidgetArea,
            Qt.DockWidgetArea.RightDockWidgetArea,
            Qt.DockWidgetArea.BottomDockWidgetArea,
        )
        for dock, area in zip(self._docks, areas, strict=True):
            dock.setFloating(False)
            self.addDockWidget(area, dock)
            dock.show()
        levels, plots, library = self._docks
        self.resizeDocks([levels, plots], [LEFT_PX, RIGHT_PX], Qt.Orientation.Horizontal)
        self.resizeDocks([library], [BOTTOM_PX], Qt.Orientation.Vertical)

    def set_header(self, menus: Menus) -> None:
        """Put the menus above the header bar."""
        header = QWidget()
        column = QVBoxLayout(header)
        column.setContentsMargins(0, 2, 0, 0)
        column.setSpacing(0)
        column.addWidget(menus)
        column.addWidget(self.bar)
        self.setMenuWidget(header)

    def restore(self) -> None:
        """Put the window and its docks where they were."""
        saved = self._settings.value
        room = self.screen().availableGeometry()
        self.resize(min(FIRST_SIZE[0], room.width()), min(FIRST_SIZE[1], room.height()))
        self.restoreGeometry(QByteArray.fromBase64(saved.geometry.encode()))
        self.restoreState(QByteArray.fromBase64(saved.docks.encode()))

    def focus_next_pane(self) -> None:
        """Move the focus to the next pane that is seen."""
        panes: list[QWidget] = [self.conversation, self.library, self.levels, self.plots, self.bar]
        panes = [pane for pane in panes if pane.isVisible()]
        focus = QApplication.focusWidget()
        here = next((i for i, pane in enumerate(panes) if focus and pane.isAncestorOf(focus)), -1)
        for pane in panes[here + 1 :] + panes[: here + 1]:
            target = _first_focus(pane)
            if target is not None:
                target.setFocus(Qt.FocusReason.ShortcutFocusReason)
                return

    def take_drop(self, what: Dropped, level: str) -> None:
        """Do what the overlay promised."""
        if what.kind == "model":
            self._controllers.models.load(what.paths[0])
        elif what.kind == "adapter":
            self._controllers.levels.load_adapter(level, what.paths[0])
        else:
            self._controllers.library.add_paths(list(what.paths))

    def _show_title(self) -> None:
        models = self._controllers.models
        self.setWindowTitle(f"{models.shown_name} — Strata" if models.model else "Strata")

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls():
            self.overlay.begin(event)
        else:
            event.ignore()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.overlay.setGeometry(self.rect())

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._was_painted:
            self._was_painted = True
            QTimer.singleShot(0, self.painted.emit)

    def closeEvent(self, event: QCloseEvent) -> None:
        self._settings.set_window(_base64(self.saveGeometry()), _base64(self.saveState()))
        self._settings.save()
        super().closeEvent(event)


def _base64(data: QByteArray) -> str:
    return bytes(data.toBase64().data()).decode("ascii")


def _below_grip(card: QWidget) -> QWidget:
    """The card in the middle, level with those in the docks."""
    outer = QWidget()
    column = QVBoxLayout(outer)
    column.setContentsMargins(0, GRIP_PX, 0, 0)
    column.addWidget(card)
    return outer


def _scrolling(*cards: QWidget) -> QScrollArea:
    """The cards one above the other, scrolled when the window is low."""
    inside = QWidget()
    inside.setObjectName("plain")
    column = QVBoxLayout(inside)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(10)
    for card in cards:
        column.addWidget(card)
    column.addStretch(1)
    area = QScrollArea()
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(inside)
    area.setMinimumWidth(LEVELS_MIN_PX)
    return area


def _first_focus(pane: QWidget) -> QWidget | None:
    proxy = pane.focusProxy()
    if proxy is not None:
        return proxy
    for widget in pane.findChildren(QWidget):
        if widget.isVisible() and widget.isEnabled() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            return widget
    return None
