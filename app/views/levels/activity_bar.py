"""How much a level speaks right now: a thin bar that follows the tokens and holds their peak."""

from __future__ import annotations

import math

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.theme import Theme

# Activity is |B z| / |y|: a level as strong as its module is rare, so the bar is full at one half,
# and its square root is drawn so that small shares are seen.
FULL_AT = 0.5


class ActivityBar(QWidget):
    """Three pixels high; the value stays readable in the tooltip and to a screen reader."""

    def __init__(self, level: str, colour: str, theme: Theme) -> None:
        super().__init__()
        self._level, self._colour, self._theme = level, QColor(colour), theme
        self._value, self._peak = 0.0, 0.0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(f"{level} activity")
        self.set_activity(0.0)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(100, 3)

    @property
    def activity(self) -> float:
        """What is shown."""
        return self._value

    def set_activity(self, value: float) -> None:
        """Show the mean over the layers of one token's (or one answer's) activity."""
        self._value = value
        self._peak = max(value, self._peak * 0.9) if value else 0.0
        text = f"Activity {value:.1%} of the modules' output" if value else "No activity yet"
        self.setToolTip(text)
        self.setAccessibleDescription(text)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.colors.line))
        bar = QRectF(self.rect())
        painter.drawRoundedRect(bar, 1.5, 1.5)
        width = bar.width() * _share(self._value)
        painter.setBrush(self._colour)
        if width >= 1:
            painter.drawRoundedRect(QRectF(bar.x(), bar.y(), width, bar.height()), 1.5, 1.5)
        peak = bar.width() * _share(self._peak)
        if peak >= 3:
            painter.drawRect(QRectF(peak - 2, bar.y(), 2, bar.height()))
        painter.end()


def _share(value: float) -> float:
    return min(1.0, math.sqrt(max(0.0, value) / FULL_AT))
