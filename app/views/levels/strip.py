"""One level: colour, name, adapter, mute, solo, menu; gain as slider and number; activity."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QMenu, QToolButton, QVBoxLayout, QWidget

from app.session import LevelState
from app.theme import LEVEL_COLOURS, Theme
from app.views.levels.activity_bar import ActivityBar
from app.views.levels.gain_slider import GainSlider
from app.views.parts import ElidedLabel, icon_button, label, mind_manners
from engine.protocol import GAIN_MAX, GAIN_MIN, LevelInfo

ABOUT: dict[str, str] = {
    "foundation": "The slowest level: what all your work shares, such as a house style.",
    "domain": "One field of knowledge: its terms and how its people write.",
    "swarm": "What a group of agents has learned together.",
    "agent": "One agent's own habits.",
    "context": "The fastest level: what the present conversation teaches.",
}
EMPTY = "drop an adapter"


class Swatch(QWidget):
    """The level's colour; hollow while the level is empty."""

    def __init__(self, colour: str) -> None:
        super().__init__()
        self._colour, self._filled = QColor(colour), False
        self.setFixedSize(12, 12)

    def set_filled(self, filled: bool) -> None:
        self._filled = filled
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self._colour)
        painter.setBrush(self._colour if self._filled else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(QRectF(0.5, 0.5, 11, 11), 3, 3)
        painter.end()


class GainBox(QDoubleSpinBox):
    """The gain as a number with two decimals."""

    edited = Signal(float)

    def __init__(self, level: str) -> None:
        super().__init__()
        self.setRange(GAIN_MIN, GAIN_MAX)
        self.setDecimals(2)
        self.setSingleStep(0.05)
        mind_manners(self)
        self.setFixedWidth(58)
        self.setAccessibleName(f"{level} gain, as a number")
        self.valueChanged.connect(self.edited)

    def show_gain(self, gain: float) -> None:
        """Show ``gain`` without saying that it was edited."""
        self.blockSignals(True)
        self.setValue(gain)
        self.blockSignals(False)


class LevelStrip(QWidget):
    """Shows a ``LevelState``; says what a person asks for and changes nothing itself."""

    gain_edited = Signal(float, int)  # gain, drag
    muted_edited = Signal(bool)
    solo_edited = Signal(bool)
    reset_asked = Signal()
    menu_wanted = Signal()

    def __init__(self, level: str, theme: Theme) -> None:
        super().__init__()
        self.level = level
        colour = LEVEL_COLOURS[level]
        self.setAccessibleName(f"{level} level")
        self.swatch = Swatch(colour)
        self.name = label(level, "title")
        self.name.setToolTip(ABOUT[level])
        self.adapter = ElidedLabel(EMPTY, "muted", Qt.TextElideMode.ElideMiddle)
        self.mute = icon_button("mute", f"Mute {level}  (M)", theme, checkable=True)
        self.solo = icon_button("solo", f"Solo {level}: only this level speaks  (S)", theme, checkable=True)
        self.more = icon_button("more", f"{level}: load, unload, reset", theme)
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self.more)
        self.more.setMenu(self.menu)
        self.slider = GainSlider(colour, theme)
        self.slider.setAccessibleName(f"{level} gain")
        self.box = GainBox(level)
        self.reset = icon_button("reset", f"Reset the gain of {level} to 1", theme)
        self.activity = ActivityBar(level, colour, theme)
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        top, middle, outer = QHBoxLayout(), QHBoxLayout(), QVBoxLayout(self)
        for layout in (top, middle):
            layout.setSpacing(2)
        top.addWidget(self.swatch)
        top.addSpacing(4)
        top.addWidget(self.name)
        top.addSpacing(4)
        top.addWidget(self.adapter, 1)
        for button in (self.mute, self.solo, self.more):
            button.setIconSize(QSize(15, 15))
            button.setFixedSize(22, 22)
            top.addWidget(button)
        middle.addWidget(self.slider, 1)
        middle.addWidget(self.box)
        self.reset.setFixedSize(24, 24)
        middle.addWidget(self.reset)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(3)
        outer.addLayout(top)
        outer.addLayout(middle)
        outer.addWidget(self.activity)

    def _connect(self) -> None:
        self.slider.edited.connect(self.gain_edited)
        self.box.edited.connect(lambda gain: self.gain_edited.emit(gain, 0))
        self.mute.clicked.connect(self.muted_edited)
        self.solo.clicked.connect(self.solo_edited)
        self.reset.clicked.connect(self.reset_asked)
        self.menu.aboutToShow.connect(self.menu_wanted)

    def show_state(self, state: LevelState, effective: float, info: LevelInfo | None, busy: bool) -> None:
        """``effective`` is the gain after mute and solo; ``info`` what the engine has."""
        self.slider.set_gain(state.gain)
        self.box.show_gain(state.gain)
        self.mute.setChecked(state.muted)
        self.solo.setChecked(state.solo)
        self.reset.setEnabled(state.gain != 1.0)
        silent = effective == 0.0 and state.gain != 0.0
        self.slider.set_dimmed(silent or not state.adapter_path, filled=bool(state.adapter_path))
        self.swatch.set_filled(bool(state.adapter_path) and not silent)
        self._show_adapter(state, info, busy)

    def _show_adapter(self, state: LevelState, info: LevelInfo | None, busy: bool) -> None:
        if not state.adapter_path:
            self.adapter.setText(EMPTY)
            self.adapter.setToolTip(f"No adapter on {self.level}: its slider has no effect yet.")
            return
        name = Path(state.adapter_path).name
        shown = name.removeprefix(f"{self.level}-")  # the strip says the level already
        self.adapter.setText(f"{shown} …" if busy else shown)
        lines = [name, state.adapter_path]
        if info is not None and info.adapter:
            lines.insert(1, f"rank {info.rank}, {info.n_modules} modules, {info.n_params:,} parameters")
        self.adapter.setToolTip("\n".join(lines))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_M:
            self.mute.click()
        elif event.key() == Qt.Key.Key_S:
            self.solo.click()
        else:
            super().keyPressEvent(event)
