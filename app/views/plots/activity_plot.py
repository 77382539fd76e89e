"""Activity by token: how much each level adds, word by word."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtGui import QBrush, QColor

from app.colors import LEVEL_COLOURS
from app.context import AppContext
from app.telemetry import AnswerHistory, Answers, Floats32, decimate
from app.views.plots import empty
from app.views.plots.chart import Chart
from app.views.plots.edge_labels import EdgeLabel, EdgeLabels
from app.views.plots.export import Table
from app.views.plots.plot_card import PlotCard
from app.views.plots.scale import count_ticks, nice_top, ticks
from app.views.plots.stacked_bars import StackedBars
from engine.protocol import LEVELS

STREAMED_TOKENS = 200
FEWEST_TOKENS = 24


class ActivityPlot(PlotCard):
    """Stacked bars, one per token: the newest 200 while the answer is written, all of it after."""

    token_hovered = Signal(int)  # -1: none
    token_selected = Signal(int)

    def __init__(self, context: AppContext, answers: Answers) -> None:
        chart = Chart(context.theme, "Activity by token", caption="token")
        labels = EdgeLabels(context.theme)
        super().__init__(context, empty.TOKENS, chart, labels, empty.NO_TOKENS)
        self._answers = answers
        self._top = 0.0
        self._hovered = self._selected = -1
        self._bars = StackedBars([QBrush(QColor(LEVEL_COLOURS[level])) for level in LEVELS])
        chart.add(self._bars)
        chart.hovered.connect(lambda x, _y: self._hover(math.floor(x)))
        chart.clicked.connect(lambda x, _y: self._select_by_hand(math.floor(x)))
        chart.stepped.connect(lambda columns, _rows: self._step(columns))
        chart.left.connect(lambda: self._hover(-1))
        self.refresh()

    def select(self, index: int) -> None:
        """Mark token ``index``; -1 marks none."""
        self._selected = index
        self.refresh()

    def refresh(self) -> None:
        """Draw the answer as far as it is written."""
        answer = self._answers.current
        self.set_empty(answer is None or not answer.n_layers)
        if answer is None or not answer.n_layers:
            return
        first = max(0, len(answer) - STREAMED_TOKENS) if answer.running else 0
        shown = np.nan_to_num(answer.by_token())
        self._draw(shown, first)
        self._label(answer, shown[first:])

    def _draw(self, shown: Floats32, first: int) -> None:
        last = max(len(shown), first + FEWEST_TOKENS)
        top = float(shown[first:].sum(axis=1).max(initial=0.0))
        self._top = nice_top(top, self._top)
        self.chart.set_range(first, last, self._top)
        self.chart.set_ticks(count_ticks(first + 1, last - 1), ticks(self._top))
        width = max(1, int(self.chart.plot_rect.width()))
        x, rows = decimate(np.arange(first, len(shown), dtype=float), shown[first:].T.astype(float), width)
        gap = 0.08 if width / (last - first) >= 4 else 0.0
        self._bars.set_data(x, rows, len(shown), gap)

    def _label(self, answer: AnswerHistory, shown: Floats32) -> None:
        """Each level's mean, or its value at the token under the pointer or selected."""
        token = self._hovered if self._hovered >= 0 else self._selected
        token = token if token < len(answer) else -1
        values = shown.mean(axis=0) if token < 0 else np.nan_to_num(answer.reading(token).activity)
        edges = np.cumsum(shown[-1])
        labels = [
            EdgeLabel(
                level,
                f"{value:.3f}",
                QColor(LEVEL_COLOURS[level]),
                self.chart.pixel_y(float(edge - part / 2)),
                float(value),
            )
            for level, value, edge, part in zip(LEVELS, values, edges, shown[-1], strict=True)
            if shown[:, LEVELS.index(level)].any()
        ]
        area = self.chart.plot_rect
        self.labels.set_labels(labels, area.top(), area.bottom())
        self.chart.show_hover_line(self._hovered + 0.5 if self._hovered >= 0 else None)
        self.chart.show_mark(self._selected + 0.5 if 0 <= self._selected < len(answer) else None)
        subtitle = _summary(answer) if token < 0 else token_words(answer, token)
        self.set_subtitle(subtitle)
        self.describe(f"{subtitle}. " + ", ".join(f"{label.name} {label.value}" for label in labels))

    def _hover(self, index: int) -> None:
        answer = self._answers.current
        index = index if answer is not None and 0 <= index < len(answer) else -1
        if index == self._hovered:
            return
        self._hovered = index
        self.refresh()
        self.token_hovered.emit(index)

    def _select_by_hand(self, index: int) -> None:
        answer = self._answers.current
        if answer is not None and 0 <= index < len(answer):
            index = -1 if index == self._selected else index
            self.select(index)
            self.token_selected.emit(index)

    def _step(self, columns: int) -> None:
        answer = self._answers.current
        if answer is None or not len(answer):
            return
        start = self._hovered if self._hovered >= 0 else self._selected
        start = start if start >= 0 else len(answer)  # from nowhere, every way leads into the answer
        self._hover(min(max(start + columns, 0), len(answer) - 1))

    def table(self) -> Table:
        """One row per token: index, text, log-probability, activity of each level."""
        answer = self._answers.current
        header = ["token", "text", "logprob", *(f"activity of {level}" for level in LEVELS)]
        if answer is None:
            return header, []
        activity = answer.by_token()
        return header, [
            [i, text, f"{logprob:.6f}", *(f"{value:.6f}" for value in row)]
            for i, (text, logprob, row) in enumerate(
                zip(answer.texts, answer.logprobs, activity, strict=True)
            )
        ]


def _summary(answer: AnswerHistory) -> str:
    count = f"{len(answer):,} token" + ("" if len(answer) == 1 else "s")
    return f"{count} · {answer.tokens_per_second:.1f}/s" if answer.tokens_per_second else count


def token_words(answer: AnswerHistory, index: int) -> str:
    """A token in a few words: its place, its text (shortened, line ends shown), its probability."""
    reading = answer.reading(index)
    text = reading.text.replace("\n", "↵").replace("\t", "⇥")
    text = text if len(text) <= 12 else f"{text[:11]}…"
    return f"{index}  “{text}”  p {math.exp(min(0.0, reading.logprob)):.2f}"
