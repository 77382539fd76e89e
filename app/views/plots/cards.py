"""The three plots together; importing this brings pyqtgraph and numpy."""

from __future__ import annotations

from app.context import AppContext
from app.telemetry import Answers, MemoryHistory
from app.views.plots.activity_plot import ActivityPlot
from app.views.plots.heat_map import HeatMap
from app.views.plots.memory_plot import MemoryPlot
from app.views.plots.plot_card import PlotCard


class Cards:
    """``memory``, ``tokens`` and ``layers``, top to bottom, and the histories that they draw."""

    def __init__(self, context: AppContext) -> None:
        self.history, self.answers = MemoryHistory(), Answers()
        self.memory = MemoryPlot(context, self.history)
        self.tokens = ActivityPlot(context, self.answers)
        self.layers = HeatMap(context, self.answers)

    @property
    def all(self) -> tuple[PlotCard, ...]:
        """Top to bottom."""
        return self.memory, self.tokens, self.layers

    def select(self, token: int) -> None:
        """Mark a token in both activity plots; -1 marks none."""
        self.tokens.select(token)
        self.layers.select(token)
