"""Stacked areas as one graphics object: ten times faster than fills between curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QGraphicsObject, QStyleOptionGraphicsItem, QWidget

from app.telemetry import Floats


class StackedArea(QGraphicsObject):
    """Bands between the running sums of ``rows``; a 1 px seam keeps like colours apart (and is left
    out beside a hue, which may be no thicker than the seam)."""

    def __init__(self) -> None:
        super().__init__()
        self._bands: list[QPolygonF] = []
        self._edges: list[QPolygonF] = []
        self._brushes: list[QBrush] = []
        self._seam = QPen(Qt.PenStyle.NoPen)
        self._bounds = QRectF()

    def set_seam(self, colour: QColor) -> None:
        """The colour of the line between two bands."""
        self._seam = QPen(colour)
        self._seam.setCosmetic(True)
        self.update()

    def set_data(self, x: Floats, rows: Floats, brushes: Sequence[QBrush], seams: Sequence[bool]) -> None:
        """``x`` [T] ascending, ``rows`` [O, T] the thickness of each band, the lowest first; ``seams``
        says which bands get a line on top."""
        self.prepareGeometryChange()
        edges = np.vstack([np.zeros(x.size), np.cumsum(rows, axis=0)])
        both_ways = np.concatenate([x, x[::-1]])
        self._bands, self._edges, self._brushes = [], [], []
        for low, high, brush, seam in zip(edges, edges[1:], brushes, seams, strict=False):
            if np.array_equal(low, high):
                continue
            outline = np.concatenate([high, low[::-1]])
            self._bands.append(pg.functions.arrayToQPolygonF(both_ways, outline))
            self._brushes.append(brush)
            if seam:
                self._edges.append(pg.functions.arrayToQPolygonF(x, high))
        top = float(edges[-1].max(initial=0.0))
        self._bounds = QRectF(x[0], 0.0, x[-1] - x[0], top) if x.size else QRectF()
        self.update()

    def boundingRect(self) -> QRectF:
        """The stack in the plot's coordinates."""
        return self._bounds

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Bands first, seams over them."""
        painter.setPen(Qt.PenStyle.NoPen)
        for band, brush in zip(self._bands, self._brushes, strict=True):
            painter.setBrush(brush)
            painter.drawPolygon(band)
        painter.setPen(self._seam)
        for edge in self._edges:
            painter.drawPolyline(edge)
