"""Stacked bars as one graphics object: rectangles go to the painter as they are, five calls in all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QBrush, QPainter
from PySide6.QtWidgets import QGraphicsObject, QStyleOptionGraphicsItem, QWidget

from app.telemetry import Floats


class StackedBars(QGraphicsObject):
    """Bars on bars, one brush a row. (An outline with as many corners takes the painter 90 ms where
    its rectangles take 1.)"""

    def __init__(self, brushes: Sequence[QBrush]) -> None:
        super().__init__()
        self._brushes = tuple(brushes)
        # One block of memory a row: a list of rectangles would be a thousand objects a frame.
        self._bars = [pg.Qt.internals.PrimitiveArray(QRectF, 4) for _ in brushes]
        self._bounds = QRectF()

    def set_data(self, x: Floats, rows: Floats, end: float, gap: float) -> None:
        """``rows`` [V, T] are the heights, the lowest first. Bars stand at ``x`` [T] and reach to the
        next (the last to ``end``), less ``gap`` at each side."""
        self.prepareGeometryChange()
        lefts, rights = x + gap, np.append(x[1:], end) - gap
        tops = np.cumsum(rows, axis=0)
        for bars, low, row in zip(self._bars, tops - rows, rows, strict=True):
            bars.resize(x.size)
            bars.ndarray()[:] = np.stack([lefts, low, rights - lefts, row], axis=1)
        top = float(tops.max(initial=0.0))
        self._bounds = QRectF(x[0], 0.0, end - x[0], top) if x.size else QRectF()
        self.update()

    def boundingRect(self) -> QRectF:
        """The stack in the plot's coordinates."""
        return self._bounds

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """All bars of a row with one call."""
        painter.setPen(Qt.PenStyle.NoPen)
        for brush, bars in zip(self._brushes, self._bars, strict=True):
            painter.setBrush(brush)
            painter.drawRects(*bars.drawargs())
