"""Activity by layer and level: where in the model each level works."""

from __future__ import annotations

import math

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPen
from PySide6.QtWidgets import QGraphicsRectItem

from app.colors import LEVEL_COLOURS
from app.context import AppContext
from app.telemetry import AnswerHistory, Answers, Floats32
from app.views.plots import empty
from app.views.plots.chart import Chart
from app.views.plots.colours import heat_colours
from app.views.plots.edge_labels import ColourBar, EdgeLabel, EdgeLabels
from app.views.plots.export import Table
from app.views.plots.plot_card import PlotCard
from app.views.plots.scale import count_ticks, nice_top
from engine.protocol import LEVELS


class HeatMap(PlotCard):
    """Rows are levels, columns layers (counted from 1); the mean of the answer, or one token."""

    def __init__(self, context: AppContext, answers: Answers) -> None:
        chart = Chart(context.theme, "Activity by layer and level", caption="layer")
        labels = EdgeLabels(context.theme, leaders=False)
        super().__init__(context, empty.LAYERS, chart, labels, empty.NO_LAYERS)
        self._answers = answers
        self._token = -1
        self._top = 0.0
        self._values: Floats32 = np.zeros((len(LEVELS), 0), dtype=np.float32)
        self._cell: tuple[int, int] | None = None
        self._image = pg.ImageItem(axisOrder="row-major")
        self._outline = QGraphicsRectItem()
        self._outline.setZValue(15)
        self._seams = [pg.InfiniteLine(pos=row, angle=0, movable=False) for row in range(1, len(LEVELS))]
        chart.flip_vertical()
        for item in (self._image, *self._seams, self._outline):
            chart.add(item)
        chart.hovered.connect(lambda x, y: self._point_at(math.floor(y), math.floor(x)))
        chart.stepped.connect(self._step)
        chart.left.connect(self._unhover)
        context.theme.changed.connect(self._restyle)
        self._restyle()
        self.refresh()

    def _restyle(self) -> None:
        self._image.setLookupTable(heat_colours(self.context.theme.dark))
        pen = QPen(QColor(self.context.theme.colors.card), 2)
        pen.setCosmetic(True)
        for seam in self._seams:
            seam.setPen(pen)
        self._show_range()

    def _show_range(self) -> None:
        """What the colours mean."""
        table = heat_colours(self.context.theme.dark)
        stops = tuple(QColor(*(int(part) for part in table[i])) for i in range(0, 256, 15))
        self.labels.set_colour_bar(ColourBar(stops, "0", f"{self._top:g}"))

    def select(self, token: int) -> None:
        """Show one token's activity; -1 shows the mean of the answer."""
        self._token = token
        self.refresh()

    def refresh(self) -> None:
        """Draw the selected token, or the mean of what is written."""
        answer = self._answers.current
        self.set_empty(answer is None or not answer.n_layers)
        if answer is None or not answer.n_layers:
            return
        token = self._token if 0 <= self._token < len(answer) else None
        self._values = np.nan_to_num(answer.by_layer(token))
        self._draw()
        self._label(self._what(answer, token))

    def _what(self, answer: AnswerHistory, token: int | None) -> str:
        if token is None:
            return "mean so far" if answer.running else "mean of the answer"
        return f"token {token}"

    def _draw(self) -> None:
        n_layers = self._values.shape[1]
        top = nice_top(float(self._values.max(initial=0.0)), self._top)
        if top != self._top:
            self._top = top
            self._show_range()
        self._image.setImage(self._values, levels=(0.0, self._top), autoLevels=False)
        self.chart.set_range(0, n_layers, len(LEVELS))
        self.chart.set_ticks([(at + 0.5, text) for at, text in _layer_ticks(n_layers)])

    def _label(self, what: str) -> None:
        """Each level's mean over the layers, or its value at the layer under the pointer."""
        layer = None if self._cell is None else min(self._cell[1], self._values.shape[1] - 1)
        column = self._values.mean(axis=1) if layer is None else self._values[:, layer]
        labels = [
            EdgeLabel(
                level,
                f"{column[row]:.3f}",
                QColor(LEVEL_COLOURS[level]),
                self.chart.pixel_y(row + 0.5),
                float(column[row]),
            )
            for row, level in enumerate(LEVELS)
        ]
        area = self.chart.plot_rect
        self.labels.set_labels(labels, area.top(), area.bottom())
        self._frame_cell()
        self.set_subtitle(what if self._cell is None else self._cell_words())
        said = ", ".join(f"{label.name} {label.value}" for label in labels)
        self.describe(f"{what if layer is None else self._cell_words()}. {said}")

    def _cell_words(self) -> str:
        row, layer = self._cell or (0, 0)
        layer = min(layer, self._values.shape[1] - 1)
        return f"{LEVELS[row]} · layer {layer + 1} · {self._values[row, layer]:.3f}"

    def _frame_cell(self) -> None:
        self._outline.setVisible(self._cell is not None)
        if self._cell is not None:
            pen = QPen(QColor(self.context.theme.colors.text), 1)
            pen.setCosmetic(True)
            self._outline.setPen(pen)
            self._outline.setRect(QRectF(self._cell[1], self._cell[0], 1, 1))

    def _point_at(self, row: int, layer: int) -> None:
        cell = (min(max(row, 0), len(LEVELS) - 1), min(max(layer, 0), self._values.shape[1] - 1))
        if cell != self._cell:
            self._cell = cell
            self.refresh()

    def _step(self, columns: int, rows: int) -> None:
        row, layer = self._cell or (0, 0)
        self._point_at(row + rows, layer + columns)

    def _unhover(self) -> None:
        if self._cell is not None:
            self._cell = None
            self.refresh()

    def table(self) -> Table:
        """One row per level: activity by layer."""
        header = ["level", *(f"layer {i + 1}" for i in range(self._values.shape[1]))]
        rows = [
            [level, *(f"{value:.6f}" for value in values)]
            for level, values in zip(LEVELS, self._values, strict=True)
        ]
        return header, rows


def _layer_ticks(n_layers: int) -> list[tuple[float, str]]:
    """The first layer and round numbers after it, at the columns' places from 0."""
    round_ones = [(at - 1, text) for at, text in count_ticks(1, n_layers) if at > 1]
    near = round_ones and round_ones[0][0] < max(1, n_layers // 16)
    return round_ones if near else [(0.0, "1"), *round_ones]
