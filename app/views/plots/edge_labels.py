"""Direct labels at a plot's right edge: a legend that needs no looking up and never overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QLinearGradient, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.theme import Theme
from app.views.plots.scale import spread

LABEL_POINTS = 8.5
_SWATCH_X, _SWATCH, _NAME_X, _GAP_PX = 11, 8, 23, 10
_WIDEST_VALUE = "00.00"
_LINE_PX = 16.0


@dataclass(frozen=True, slots=True)
class EdgeLabel:
    """A name and its value; ``y_px`` is where its band or row is, ``weight`` who stays when there is
    no room for all."""

    name: str
    value: str
    colour: QColor
    y_px: float
    weight: float = 0.0


@dataclass(frozen=True, slots=True)
class ColourBar:
    """The colours of a heat map from ``low`` to ``high``."""

    stops: tuple[QColor, ...]
    low: str
    high: str


class EdgeLabels(QWidget):
    """Labels beside the drawing area ``top``..``bottom``, a colour bar under them where there is one."""

    def __init__(self, theme: Theme, leaders: bool = True) -> None:
        super().__init__()
        self._theme = theme
        self._leaders = leaders
        self._labels: tuple[EdgeLabel, ...] = ()
        self._area = (0.0, 0.0)
        self._bar: ColourBar | None = None
        self._caption = ""
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """Wide enough for the longest name; values are given equal room, so that the plot does not
        change its width with every sample."""
        names = QFontMetricsF(self._font(False))
        name_px = max((names.horizontalAdvance(label.name) for label in self._labels), default=60.0)
        value_px = QFontMetricsF(self._font(True)).horizontalAdvance(_WIDEST_VALUE)
        return QSize(int(_NAME_X + name_px + _GAP_PX + value_px) + 1, 80)

    def set_labels(self, labels: Sequence[EdgeLabel], top: float, bottom: float) -> None:
        """Show ``labels`` beside the area from ``top`` to ``bottom`` (pixels)."""
        before = {label.name for label in self._labels}
        self._labels, self._area = tuple(labels), (top, bottom)
        if before != {label.name for label in labels}:
            self.updateGeometry()
        said = ", ".join(f"{label.name} {label.value}" for label in labels)
        self.setToolTip("\n".join(f"{label.name}  {label.value}" for label in reversed(self._labels)))
        self.setAccessibleDescription(said)
        self.update()

    def set_colour_bar(self, bar: ColourBar) -> None:
        """Say what a heat map's colours mean."""
        self._bar = bar
        self.update()

    def set_caption(self, caption: str) -> None:
        """What the right end of the bottom axis is."""
        self._caption = caption
        self.update()

    @property
    def labels(self) -> tuple[EdgeLabel, ...]:
        """What is shown when there is room."""
        return self._labels

    def placed(self) -> list[tuple[EdgeLabel, float]]:
        """The labels that fit and the height of each, no two closer than a line."""
        top, bottom = self._area
        room = max(1, int((bottom - top) // _LINE_PX) + 1)
        chosen = list(self._labels)
        if len(chosen) > room:
            chosen = sorted(chosen, key=lambda label: -label.weight)[:room]
        chosen.sort(key=lambda label: label.y_px)
        half = _LINE_PX / 2
        places = spread([label.y_px for label in chosen], _LINE_PX, top + half - 4, bottom - half + 4)
        return list(zip(chosen, places, strict=True))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Leaders, swatches, names, values; then the colour bar."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for label, y in self.placed():
            self._paint_label(painter, label, y)
        painter.setFont(self._font(False))
        painter.setPen(QColor(self._theme.colors.muted))
        row = QRectF(0, self._area[1] + 2, self.width(), _LINE_PX)
        painter.drawText(row, Qt.AlignmentFlag.AlignVCenter, self._caption)
        if self._bar is not None:
            self._paint_bar(painter, self._bar, row.adjusted(_SWATCH_X, 0, 0, 0))
        painter.end()

    def _paint_label(self, painter: QPainter, label: EdgeLabel, y: float) -> None:
        colors = self._theme.colors
        if self._leaders:
            painter.setPen(QPen(QColor(colors.dash), 1))
            painter.drawLine(QPointF(1, label.y_px), QPointF(_SWATCH_X - 3, y))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(label.colour)
        painter.drawRoundedRect(QRectF(_SWATCH_X, y - _SWATCH / 2, _SWATCH, _SWATCH), 2, 2)
        row = QRectF(_NAME_X, y - _LINE_PX / 2, self.width() - _NAME_X, _LINE_PX)
        painter.setFont(self._font(False))
        painter.setPen(QColor(colors.muted))
        painter.drawText(row, Qt.AlignmentFlag.AlignVCenter, label.name)
        painter.setFont(self._font(True))
        painter.setPen(QColor(colors.text))
        painter.drawText(row, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, label.value)

    def _paint_bar(self, painter: QPainter, shown: ColourBar, row: QRectF) -> None:
        metrics = QFontMetricsF(self._font(False))
        high_width = metrics.horizontalAdvance(shown.high)
        low_width = metrics.horizontalAdvance(shown.low)
        painter.drawText(row, Qt.AlignmentFlag.AlignVCenter, shown.low)
        painter.drawText(row, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, shown.high)
        bar = row.adjusted(low_width + 5, 5, -high_width - 5, -5)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for i, colour in enumerate(shown.stops):
            gradient.setColorAt(i / (len(shown.stops) - 1), colour)
        painter.setPen(QPen(QColor(self._theme.colors.line), 1))
        painter.setBrush(gradient)
        painter.drawRoundedRect(bar, 2, 2)

    def _font(self, strong: bool) -> QFont:
        font = QFont(self.font())
        font.setPointSizeF(LABEL_POINTS)
        font.setWeight(QFont.Weight.DemiBold if strong else QFont.Weight.Normal)
        return font
