"""The right side of the window: memory, activity by token, activity by layer and level."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from app.context import AppContext
from app.telemetry import Answers, MemoryHistory
from app.views.plots.activity_plot import ActivityPlot
from app.views.plots.heat_map import HeatMap
from app.views.plots.memory_plot import MemoryPlot
from engine.protocol import FINAL, Event, LedgerSample, TokenStats

REFRESH_MS = 50  # 20 Hz at most, and only when something came


class PlotsPanel(QWidget):
    """Listens to the engine, keeps the histories, redraws what changed."""

    token_hovered = Signal(int)  # the token under the pointer in the plot; -1: none
    token_selected = Signal(int)  # the token clicked in the plot; -1: none

    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Plots")
        self._history, self._answers = MemoryHistory(), Answers()
        self.memory = MemoryPlot(context, self._history)
        self.tokens = ActivityPlot(context, self._answers)
        self.layers = HeatMap(context, self._answers)
        self._memory_changed = self._answer_changed = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self.redraw)
        self._lay_out()
        self.tokens.token_hovered.connect(self.token_hovered)
        self.tokens.token_selected.connect(self.layers.select)
        self.tokens.token_selected.connect(self.token_selected)
        context.client.subscribe(LedgerSample, self._on_ledger)
        context.client.subscribe(TokenStats, self._on_token)
        for kind in FINAL:
            context.client.subscribe(kind, self._on_final)
        self._register(context)

    def _lay_out(self) -> None:
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.setHandleWidth(10)
        for card, share in ((self.memory, 10), (self.tokens, 8), (self.layers, 8)):
            splitter.addWidget(card)
            splitter.setStretchFactor(splitter.count() - 1, share)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(splitter)

    def _register(self, context: AppContext) -> None:
        add = context.actions.add
        for id, text, card in (
            ("plots.export_memory", "Export the memory plot…", self.memory),
            ("plots.export_tokens", "Export activity by token…", self.tokens),
            ("plots.export_layers", "Export activity by layer…", self.layers),
        ):
            add(id, text, card.ask_and_export, menu="View", icon="export")

    def show_answer(self, tokens: Sequence[TokenStats]) -> None:
        """Show a finished answer, of any message; nothing selected."""
        self._answers.show(tuple(tokens))
        self._select(-1)

    def select_token(self, index: int) -> None:
        """Mark token ``index`` of the shown answer in both activity plots; -1 marks none."""
        self._select(index)

    def _select(self, index: int) -> None:
        self.tokens.select(index)
        self.layers.select(index)

    def _on_ledger(self, sample: LedgerSample) -> None:
        self._history.add(sample)
        self._memory_changed = True
        self._wake()

    def _on_token(self, token: TokenStats) -> None:
        current = self._answers.current
        if current is None or current.job != token.job:
            self._select(-1)
        self._answers.add(token)
        self._answer_changed = True
        self._wake()

    def _on_final(self, event: Event) -> None:
        if self._answers.finish(event.job):
            self._answer_changed = True
            self._wake()

    def _wake(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def redraw(self) -> None:
        """Redraw what changed, if anyone can see it."""
        if not self.isVisible():
            return
        if self._memory_changed:
            self.memory.refresh()
        if self._answer_changed:
            self.tokens.refresh()
            self.layers.refresh()
        self._memory_changed = self._answer_changed = False

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what came while the panel was hidden."""
        super().showEvent(event)
        self._wake()
