"""The look: Fusion, one palette and one style sheet per theme, bundled fonts."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from string import Template
from typing import Literal

from PySide6.QtCore import QObject, Qt, QTemporaryDir, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication

from app.colors import DARK, LEVEL_COLOURS, LIGHT, OWNER_GREYS, Colors
from app.resources import resource

__all__ = ["DARK", "LEVEL_COLOURS", "LIGHT", "OWNER_GREYS", "Colors", "Mode", "Theme", "mono_font"]

Mode = Literal["system", "light", "dark"]
TEXT_POINTS = 10.0
_STYLE = Path(__file__).with_name("strata.qss")
_ROLES = {
    "Window": "bg",
    "Base": "card",
    "AlternateBase": "card2",
    "Button": "card",
    "Text": "text",
    "WindowText": "text",
    "ButtonText": "text",
    "BrightText": "text",
    "ToolTipBase": "card2",
    "ToolTipText": "text",
    "Highlight": "accent",
    "HighlightedText": "accent_text",
    "Accent": "accent",
    "Link": "accent",
    "PlaceholderText": "muted",
    "Mid": "line",
    "Midlight": "line",
    "Dark": "line",
    "Light": "card",
}


class Theme(QObject):
    """The colours in force; ``changed`` fires after the application has been restyled."""

    changed = Signal()

    def __init__(self, mode: Mode = "system", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._mode: Mode = mode
        self._app: QApplication | None = None
        self._images = QTemporaryDir()
        self._dark = self._is_dark()

    @property
    def mode(self) -> Mode:
        """What the person chose."""
        return self._mode

    @property
    def dark(self) -> bool:
        """Whether the dark palette is in force."""
        return self._dark

    def _is_dark(self) -> bool:
        if self._mode != "system":
            return self._mode == "dark"
        app = QApplication.instance()
        return isinstance(app, QApplication) and app.styleHints().colorScheme() == Qt.ColorScheme.Dark

    @property
    def colors(self) -> Colors:
        """The palette in force."""
        return DARK if self._dark else LIGHT

    def set_mode(self, mode: Mode) -> None:
        """Choose light, dark, or what the desktop says."""
        if mode == self._mode:
            return
        self._mode = mode
        self._restyle()

    def apply(self, app: QApplication) -> None:
        """Style ``app`` and follow the desktop's scheme from now on."""
        self._app = app
        app.setStyle("Fusion")
        load_fonts()
        app.setFont(text_font())
        app.styleHints().colorSchemeChanged.connect(self._scheme_changed)
        self._restyle()

    def _scheme_changed(self) -> None:
        if self._mode == "system":
            self._restyle()

    def _restyle(self) -> None:
        self._dark = self._is_dark()
        if self._app is not None:
            # setColorScheme is ignored offscreen and on bare X11, so the palette is always set.
            self._app.setPalette(_palette(self.colors))
            self._app.setStyleSheet(self._style_sheet())
        self.changed.emit()

    def _style_sheet(self) -> str:
        values: dict[str, str] = {
            name: text for name, text in dataclasses.asdict(self.colors).items() if isinstance(text, str)
        }
        values["chevron"] = self._image("chevron-down", self.colors.muted)
        values["check"] = self._image("check", self.colors.accent_text)
        return Template(_STYLE.read_text(encoding="utf-8")).substitute(values)

    def _image(self, name: str, colour: str) -> str:
        """A style sheet takes pictures from files only: write the icon in this colour."""
        source = resource("icons", f"{name}.svg").read_text(encoding="utf-8")
        target = Path(self._images.path()) / f"{name}-{colour[1:]}.svg"
        target.write_text(source.replace("currentColor", colour), encoding="utf-8")
        return target.as_posix()


def load_fonts() -> None:
    """Register the bundled fonts (a machine without fonts shows boxes)."""
    if "Inter" in QFontDatabase.families():
        return
    for path in sorted(resource("fonts").glob("*.?tf")):
        QFontDatabase.addApplicationFont(str(path))


def text_font(points: float = TEXT_POINTS) -> QFont:
    """Inter with tabular figures, so that numbers do not dance."""
    font = QFont("Inter")
    font.setPointSizeF(points)
    font.setFeature(QFont.Tag("tnum"), 1)
    return font


def mono_font(points: float = 9.5) -> QFont:
    """JetBrains Mono, for code."""
    font = QFont("JetBrains Mono")
    font.setStyleHint(QFont.StyleHint.Monospace)
    font.setPointSizeF(points)
    return font


def _palette(colors: Colors) -> QPalette:
    palette = QPalette()
    for role, name in _ROLES.items():
        palette.setColor(QPalette.ColorRole[role], QColor(getattr(colors, name)))
    for role in ("Text", "WindowText", "ButtonText"):
        palette.setColor(QPalette.ColorGroup.Disabled, QPalette.ColorRole[role], QColor(colors.dash))
    return palette
