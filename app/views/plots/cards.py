"""The three plots together; importing this brings pyqtgraph and numpy."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from app.context import AppContext
from app.telemetry import Answers, MemoryHistory
from app.views.plots.activity_plot import ActivityPlot
from app.views.plots.heat_map import HeatMap
from app.views.plots.memory_plot import MemoryPlot
from app.views.plots.plot_card import PlotCard


@dataclass(frozen=True, slots=True)
class Cards:
    """The plots, top to bottom, and the histories that they draw."""

    memory: MemoryPlot
    tokens: ActivityPlot
    layers: HeatMap
    history: MemoryHistory
    answers: Answers

    def select(self, token: int) -> None:
        """Mark a token in both activity plots; -1 marks none."""
        self.tokens.select(token)
        self.layers.select(token)


def make_cards(context: AppContext) -> Generator[PlotCard, None, Cards]:
    """Gives each card as it is made (about 20 ms), then returns all: nobody waits for three at once."""
    history, answers = MemoryHistory(), Answers()
    memory = MemoryPlot(context, history)
    yield memory
    tokens = ActivityPlot(context, answers)
    yield tokens
    layers = HeatMap(context, answers)
    yield layers
    return Cards(memory, tokens, layers, history, answers)
