"""The gain slider: -2 to 2, filled from zero in the level's colour, detents at 0 and 1."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QSlider, QStyle, QStyleOptionSlider

from app.theme import Theme
from app.undo import new_drag
from engine.protocol import GAIN_MAX, GAIN_MIN

STEPS_PER_UNIT = 100
STEP, PAGE_STEP = 5, 25  # .05 and .25
DETENTS = (0, STEPS_PER_UNIT)
PULL_PX = 5.0  # within this distance a detent catches the handle; with Shift it does not
_HANDLE_PX = 14.0
_MARGIN_PX = 9.0


class GainSlider(QSlider):
    """Emits ``edited(gain, drag)`` for what a person does, never for ``set_gain``."""

    edited = Signal(float, int)

    def __init__(self, colour: str, theme: Theme) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._colour, self._theme = QColor(colour), theme
        self._drag = 0
        self._dimmed, self._filled = False, True
        self.setRange(round(GAIN_MIN * STEPS_PER_UNIT), round(GAIN_MAX * STEPS_PER_UNIT))
        self.setSingleStep(STEP)
        self.setPageStep(PAGE_STEP)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumHeight(24)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(120, 24)

    def set_gain(self, gain: float) -> None:
        """Show ``gain``."""
        value = round(gain * STEPS_PER_UNIT)
        if value != self.value():
            self.setValue(value)

    def set_dimmed(self, dimmed: bool, filled: bool = True) -> None:
        """Grey: the level is silent at the moment. Not ``filled``: nothing lies on it."""
        if (dimmed, filled) != (self._dimmed, self._filled):
            self._dimmed, self._filled = dimmed, filled
            self.update()

    def _edit(self, value: int) -> None:
        value = min(self.maximum(), max(self.minimum(), value))
        if value != self.value():
            self.setValue(value)
            self.edited.emit(value / STEPS_PER_UNIT, self._drag)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        self._drag = new_drag()
        self.setSliderDown(True)
        self._edit(self._value_at(event))
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drag:
            self._edit(self._value_at(event))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._drag = 0
        self.setSliderDown(False)
        self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Back to 1, as trained."""
        self._drag = 0
        self._edit(STEPS_PER_UNIT)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {
            Qt.Key.Key_Right: STEP,
            Qt.Key.Key_Up: STEP,
            Qt.Key.Key_Left: -STEP,
            Qt.Key.Key_Down: -STEP,
            Qt.Key.Key_PageUp: PAGE_STEP,
            Qt.Key.Key_PageDown: -PAGE_STEP,
        }
        key = Qt.Key(event.key())
        if key in steps:
            self._edit(self.value() + steps[key])
        elif key == Qt.Key.Key_Home:
            self._edit(self.minimum())
        elif key == Qt.Key.Key_End:
            self._edit(self.maximum())
        else:
            event.ignore()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Only a slider in focus follows the wheel, so that scrolling the pane changes nothing."""
        if self.hasFocus() and event.angleDelta().y():
            self._edit(self.value() + (STEP if event.angleDelta().y() > 0 else -STEP))
            event.accept()
        else:
            event.ignore()

    def x_of(self, value: float) -> float:
        """Where on the widget a value (in steps) lies."""
        span = self.maximum() - self.minimum()
        return _MARGIN_PX + (value - self.minimum()) / span * (self.width() - 2 * _MARGIN_PX)

    def _value_at(self, event: QMouseEvent) -> int:
        x = event.position().x()
        if not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            for detent in DETENTS:
                if abs(x - self.x_of(detent)) <= PULL_PX:
                    return detent
        span = self.maximum() - self.minimum()
        share = (x - _MARGIN_PX) / max(1.0, self.width() - 2 * _MARGIN_PX)
        return round(self.minimum() + share * span)

    def paintEvent(self, event: QPaintEvent) -> None:
        colors = self._theme.colors
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver) or self.isSliderDown()
        tone = QColor(colors.dash) if self._dimmed else self._colour
        y = self.height() / 2
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colors.line))
        painter.drawRoundedRect(QRectF(_MARGIN_PX, y - 2, self.width() - 2 * _MARGIN_PX, 4), 2, 2)
        for detent in DETENTS:
            painter.setBrush(QColor(colors.dash))
            painter.drawRect(QRectF(self.x_of(detent) - 0.5, y - 7, 1, 14))
        zero, here = self.x_of(0), self.x_of(self.value())
        painter.setBrush(tone if self._filled else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(QRectF(min(zero, here), y - 2, abs(here - zero), 4), 2, 2)
        size = _HANDLE_PX + (2 if hovered else 0)
        if self.hasFocus():
            halo = QColor(tone)
            halo.setAlphaF(0.25)
            painter.setBrush(halo)
            painter.drawEllipse(QPointF(here, y), size / 2 + 3, size / 2 + 3)
        painter.setPen(QPen(tone, 2.5))
        painter.setBrush(QColor(colors.card))
        painter.drawEllipse(QPointF(here, y), size / 2 - 1.25, size / 2 - 1.25)
        painter.end()
