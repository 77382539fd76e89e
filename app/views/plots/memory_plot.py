"""Memory by owner over time: what every part costs, measured."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QBrush, QColor, QFont, QPen
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QToolButton

from app.context import AppContext
from app.telemetry import OWNERS, MemoryHistory, MemoryWindow, decimate
from app.units import byte_unit, format_bytes, three_figures
from app.views.parts import label
from app.views.plots import empty
from app.views.plots.chart import Chart
from app.views.plots.colours import owner_colour
from app.views.plots.edge_labels import EdgeLabel, EdgeLabels
from app.views.plots.export import Table
from app.views.plots.plot_card import PlotCard
from app.views.plots.scale import nice_top, ticks, time_span, time_ticks
from app.views.plots.stacked_area import StackedArea
from engine.protocol import LEVELS

SPAN_S = 300.0
OTHER, REST = "other processes", "other of Strata"
SCOPES: Final = {
    "Model": (OTHER, REST),
    "Strata": (OTHER,),
    "All": (),
}
SCOPE_TIPS: Final = {
    "Model": "Weights, levels, KV cache, activations and embedder, as large as they fit",
    "Strata": "The model's parts and the rest of this program",
    "All": "Other programs too, against all the memory there is",
}


class MemoryPlot(PlotCard):
    """Stacked owners of the last five minutes, as far back as there is something to show."""

    def __init__(self, context: AppContext, history: MemoryHistory) -> None:
        chart = Chart(context.theme, "Memory by owner over time")
        labels = EdgeLabels(context.theme)
        super().__init__(context, empty.MEMORY, chart, labels, empty.NO_MEMORY)
        self._history = history
        self._scope = "Model"
        self._hidden = SCOPES[self._scope]
        self._scope_buttons: dict[str, QToolButton] = {}
        self._tops: dict[str, float] = {}
        self._at: int | None = None
        self._shown = history.window(SPAN_S)
        self._area = StackedArea()
        self._capacity = pg.InfiniteLine(angle=0, movable=False)
        self._capacity.setZValue(10)
        self._beyond = label("", "warn")
        self._beyond.setParent(chart)
        self._beyond.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        labels.set_caption("now")
        chart.add(self._area)
        chart.add(self._capacity)
        self._hidden_text = label("", "muted")
        self.content.insertLayout(0, self._make_scopes())
        chart.hovered.connect(self._hover)
        chart.stepped.connect(self._step)
        chart.left.connect(self._unhover)
        self.refresh()

    def _make_scopes(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(2)
        group = QButtonGroup(self)
        for name in SCOPES:
            button = QToolButton()
            button.setText(name)
            button.setFont(small_font(button.font()))
            button.setCheckable(True)
            button.setChecked(name == self._scope)
            button.setToolTip(SCOPE_TIPS[name])
            button.setAccessibleName(f"Show memory of: {name}")
            button.clicked.connect(lambda _checked=False, scope=name: self.set_scope(scope))
            group.addButton(button)
            self._scope_buttons[name] = button
            row.addWidget(button)
        row.addStretch(1)
        row.addWidget(self._hidden_text)
        return row

    def set_scope(self, scope: str) -> None:
        """Which owners to stack: a key of ``SCOPES``."""
        self._scope = scope
        self._scope_buttons[scope].setChecked(True)
        self.refresh()

    def refresh(self) -> None:
        """Draw the newest five minutes."""
        self.set_empty(len(self._history) == 0)
        if self.is_empty:
            return
        window = self._history.window(SPAN_S)
        self._hidden = SCOPES[self._scope]
        self._shown = self._select(window)
        if not self._shown.owners:  # no model yet: the program itself is what there is
            self._hidden = SCOPES["Strata"]
            self._shown = self._select(window)
        on_cpu = not self._history.device.lower().startswith(("cuda", "gpu", "nvidia"))
        self.set_title("Memory by owner (RAM)" if on_cpu else "GPU memory by owner")
        self._draw()
        self._label()

    def _select(self, window: MemoryWindow) -> MemoryWindow:
        """The owners of the scope that ever held anything."""
        keep = [
            i
            for i, owner in enumerate(window.owners)
            if owner not in self._hidden and window.bytes[i].any()
        ]
        keep.sort(key=lambda i: _stack_place(window.owners[i]))
        owners = tuple(window.owners[i] for i in keep)
        return MemoryWindow(window.times_s, owners, window.bytes[keep])

    def _draw(self) -> None:
        shown, theme = self._shown, self.context.theme
        peak = float(shown.bytes.sum(axis=0).max(initial=0.0))
        top, with_capacity = self._top(peak)
        span = time_span(-float(shown.times_s[0]))
        unit, size = byte_unit(top)
        self.chart.set_range(-span, 0.0, top)
        self.chart.set_ticks(time_ticks(span), [(at * size, text) for at, text in ticks(top / size, unit)])
        x, rows = decimate(shown.times_s, shown.bytes, int(self.chart.plot_rect.width()))
        colours = [owner_colour(owner, theme) for owner in shown.owners]
        grey = [owner not in LEVELS for owner in shown.owners]
        seams = [here and above for here, above in pairwise([*grey, False])]
        self._area.set_seam(QColor(theme.colors.card))
        self._area.set_data(x, rows, [QBrush(colour) for colour in colours], seams)
        self._draw_capacity(with_capacity)

    def _top(self, peak: float) -> tuple[float, bool]:
        """The upper end of the range, and whether the capacity lies inside."""
        capacity = float(self._history.capacity_bytes)
        if capacity and (self._scope == "All" or peak > 0.7 * capacity):
            return max(capacity, peak) * 1.06, True
        top = nice_top(peak, self._tops.get(self._scope, 0.0))
        self._tops[self._scope] = top
        return top, False

    def _draw_capacity(self, inside: bool) -> None:
        pen = QPen(QColor(self.context.theme.colors.warn), 1, Qt.PenStyle.DashLine)
        pen.setCosmetic(True)
        self._capacity.setPen(pen)
        self._capacity.setVisible(inside)
        self._capacity.setPos(self._history.capacity_bytes)
        self._beyond.setVisible(not inside and self._history.capacity_bytes > 0)
        self._beyond.setText(f"↑ {format_bytes(self._history.capacity_bytes)} in all")
        self._beyond.adjustSize()
        area = self.chart.plot_rect
        self._beyond.move(int(area.left()) + 6, int(area.top()) + 2)

    def _label(self) -> None:
        """Name, value and place of every owner, at the pointer's time or now."""
        shown = self._shown
        at = shown.times_s.size - 1 if self._at is None else min(self._at, shown.times_s.size - 1)
        values, edges = shown.bytes[:, at], np.cumsum(shown.bytes[:, -1])
        total = float(values.sum())
        size = byte_unit(max(total, 1.0))[1]
        labels = [
            EdgeLabel(
                owner,
                three_figures(float(value) / size),
                owner_colour(owner, self.context.theme),
                self.chart.pixel_y(float(edge - now / 2)),
                float(value),
            )
            for owner, value, edge, now in zip(shown.owners, values, edges, shown.bytes[:, -1], strict=True)
            if value or now
        ]
        area = self.chart.plot_rect
        self.labels.set_labels(labels, area.top(), area.bottom())
        self.chart.show_hover_line(None if self._at is None else float(shown.times_s[at]))
        self._say(float(shown.times_s[at]), total, labels)

    def _say(self, time_s: float, total: float, labels: list[EdgeLabel]) -> None:
        capacity = format_bytes(self._history.capacity_bytes)
        now = f"{format_bytes(total)} of {capacity}" if self._history.capacity_bytes else format_bytes(total)
        self.set_subtitle(now if self._at is None else f"{format_bytes(total)} {-time_s:.0f} s ago")
        newest = self._history.window(0.0)
        hidden = [
            f"{owner} {format_bytes(float(row[-1]))}"
            for owner, row in zip(newest.owners, newest.bytes, strict=True)
            if owner in self._hidden and row[-1]
        ]
        self._hidden_text.setText(f"+ {format_bytes(self._hidden_bytes(newest))} other" if hidden else "")
        self._hidden_text.setToolTip("Not in this view: " + ", ".join(hidden) if hidden else "")
        size = byte_unit(max(total, 1.0))[0]
        self.describe(f"{now}. " + ", ".join(f"{label.name} {label.value} {size}" for label in labels))

    def _hidden_bytes(self, newest: MemoryWindow) -> float:
        hidden = [i for i, owner in enumerate(newest.owners) if owner in self._hidden]
        return float(newest.bytes[hidden, -1].sum())

    def _hover(self, x: float, _y: float) -> None:
        if self._shown.times_s.size:
            self._at = int(np.abs(self._shown.times_s - x).argmin())
            self._label()

    def _step(self, columns: int, _rows: int) -> None:
        last = self._shown.times_s.size - 1
        if last >= 0:
            self._at = min(max((last if self._at is None else self._at) + columns, 0), last)
            self._label()

    def _unhover(self) -> None:
        if self._at is not None:
            self._at = None
            self._label()

    def table(self) -> Table:
        """One row per sample: seconds before now, then bytes by owner."""
        shown = self._shown
        rows = [
            [f"{time:.1f}", *(int(n) for n in column)]
            for time, column in zip(shown.times_s, shown.bytes.T, strict=True)
        ]
        return ["seconds", *(f"{owner} (bytes)" for owner in shown.owners)], rows


def small_font(font: QFont) -> QFont:
    """``font`` in the size of a plot's secondary words."""
    font.setPointSizeF(9.0)
    return font


def _stack_place(owner: str) -> int:
    return OWNERS.index(owner) if owner in OWNERS else OWNERS.index(REST)
