"""The right side of the window: memory, activity by token, activity by layer and level."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QPaintEvent, QShowEvent
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from app.context import AppContext
from app.views.plots import empty
from engine.protocol import FINAL, Event, LedgerSample, TokenStats

if TYPE_CHECKING:
    from app.views.plots.cards import Cards
    from app.views.plots.plot_card import PlotCard

REFRESH_MS = 50  # 20 Hz at most, and only when something came
IMPORT_POLL_MS = 30
_SHARES = (10, 8, 8)
_CARDS = "app.views.plots.cards"


class PlotsPanel(QWidget):
    """Listens to the engine, keeps the histories, redraws what changed.

    pyqtgraph and numpy cost half the time to the first paint, so they are imported on a thread of
    their own after that; until then the plots' titles and sentences stand in their places.
    """

    token_hovered = Signal(int)  # the token under the pointer in the plot; -1: none
    token_selected = Signal(int)  # the token clicked in the plot; -1: none

    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Plots")
        self._context = context
        self._cards: Cards | None = None
        self._making: Generator[PlotCard, None, Cards] | None = None
        self._n_made = 0
        self._early: list[Event] = []
        self._importing: threading.Thread | None = None
        self._polling = QTimer(self)
        self._polling.setInterval(IMPORT_POLL_MS)
        self._polling.timeout.connect(self._poll_import)
        self._memory_changed = self._answer_changed = True
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self.redraw)
        self._splitter = self._lay_out()
        kinds: tuple[type[Event], ...] = (LedgerSample, TokenStats, *FINAL)
        for kind in kinds:
            context.client.subscribe(kind, self._take)
        self._register()

    def _lay_out(self) -> QSplitter:
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.setHandleWidth(10)
        for title, text in (
            (empty.MEMORY, empty.NO_MEMORY),
            (empty.TOKENS, empty.NO_TOKENS),
            (empty.LAYERS, empty.NO_LAYERS),
        ):
            splitter.addWidget(empty.EmptyCard(title, text))
        for place, share in enumerate(_SHARES):
            splitter.setStretchFactor(place, share)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(splitter)
        return splitter

    def _register(self) -> None:
        add = self._context.actions.add
        for name, text in (
            ("memory", "Export the memory plot…"),
            ("tokens", "Export activity by token…"),
            ("layers", "Export activity by layer…"),
        ):
            add(f"plots.export_{name}", text, partial(self._export, name), menu="View", icon="export")

    def _export(self, name: str) -> None:
        card: PlotCard = getattr(self.cards, name)
        card.ask_and_export()

    @property
    def cards(self) -> Cards:
        """The plots; made now if they are not there yet."""
        while self._cards is None:
            self._fill_next()
        return self._cards

    def _fill_next(self) -> None:
        """Put the next plot in its place; after the last one, draw what has come meanwhile."""
        from app.views.plots.cards import make_cards  # brings pyqtgraph and numpy

        self._making = self._making or make_cards(self._context)
        try:
            card = next(self._making)
        except StopIteration as made:
            self._begin(made.value)
            return
        waiting = self._splitter.replaceWidget(self._n_made, card)
        if waiting is not None:
            waiting.deleteLater()
        self._splitter.setStretchFactor(self._n_made, _SHARES[self._n_made])
        self._n_made += 1

    def _begin(self, cards: Cards) -> None:
        self._polling.stop()
        self._cards = cards
        cards.tokens.token_hovered.connect(self.token_hovered)
        cards.tokens.token_selected.connect(cards.layers.select)
        cards.tokens.token_selected.connect(self.token_selected)
        early, self._early = self._early, []
        for event in early:
            self._take(event)
        self._wake()

    def show_answer(self, tokens: Sequence[TokenStats]) -> None:
        """Show a finished answer, of any message; nothing selected."""
        self.cards.answers.show(tuple(tokens))
        self.select_token(-1)

    def select_token(self, index: int) -> None:
        """Mark token ``index`` of the shown answer in both activity plots; -1 marks none."""
        self.cards.select(index)

    def _take(self, event: Event) -> None:
        """Keep what an event says; before there are plots, keep the event."""
        if self._cards is None:
            self._early.append(event)
        elif isinstance(event, LedgerSample):
            self._cards.history.add(event)
            self._memory_changed = True
            self._wake()
        elif isinstance(event, TokenStats):
            if self._cards.answers.add(event):
                self._cards.select(-1)
            self._answer_changed = True
            self._wake()
        elif self._cards.answers.finish(event.job):
            self._answer_changed = True
            self._wake()

    def _wake(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def redraw(self) -> None:
        """Redraw what changed, if anyone can see it."""
        if self._cards is None or not self.isVisible():
            return
        if self._memory_changed:
            self._cards.memory.refresh()
        if self._answer_changed:
            self._cards.tokens.refresh()
            self._cards.layers.refresh()
        self._memory_changed = self._answer_changed = False

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what came while the panel was hidden."""
        super().showEvent(event)
        self._wake()

    def paintEvent(self, event: QPaintEvent) -> None:
        """After the first paint the import begins."""
        super().paintEvent(event)
        if self._cards is None and not self._polling.isActive():
            self._polling.start()

    def _poll_import(self) -> None:
        """Start the import, later see whether it has ended: its thread must not touch Qt."""
        if self._importing is None:
            self._importing = threading.Thread(
                target=importlib.import_module, args=(_CARDS,), name="strata-plots", daemon=True
            )
            self._importing.start()
        elif not self._importing.is_alive():
            self._fill_next()
