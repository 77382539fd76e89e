"""The library's work at hand: how far, how fast, and a way to stop it; what failed when it is over."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QWidget

from app.context import AppContext
from app.library import LibraryController
from app.views.parts import ElidedLabel, action_button, button

_STEPS = 1000


class LibraryProgress(QWidget):
    """Shows itself only when there is something to say."""

    def __init__(self, context: AppContext, library: LibraryController) -> None:
        super().__init__()
        self._library = library
        self.words = ElidedLabel("", "muted")
        self.words.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.bar = QProgressBar()
        self.bar.setMinimumWidth(40)
        self.bar.setMaximumWidth(120)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Documents read")
        self.stop = action_button(context.actions.get("library.cancel"))
        self.retry = button("", "Read the documents that failed again", flat=True)
        self.retry.clicked.connect(context.actions.get("library.retry_failed").trigger)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.words, 1)
        for widget in (self.bar, self.stop, self.retry):
            layout.addWidget(widget)
        for signal in (library.activity_changed, library.rows_changed, library.rows_removed, library.reset):
            signal.connect(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        busy = self._library.busy
        for widget in (self.words, self.bar, self.stop):
            widget.setVisible(busy)
        n_failed = sum(row.state == "failed" for row in self._library.rows)
        self.retry.setVisible(not busy and n_failed > 0)
        self.setVisible(busy or n_failed > 0)  # else the search field has the room
        self.retry.setText(f"{n_failed:,} failed · try again")
        if busy:
            self._show(self._library.fraction, self._library.summary)

    def _show(self, fraction: float | None, summary: str) -> None:
        self.words.setText(summary)
        self.bar.setRange(0, 0 if fraction is None else _STEPS)
        self.bar.setValue(0 if fraction is None else round(fraction * _STEPS))
        self.bar.setAccessibleDescription(summary)
