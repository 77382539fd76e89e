"""Garbage is collected on the window's thread only: a collection elsewhere would destroy Qt objects on
the wrong thread. The engine freezes what its imports leave behind, so a collection stays short."""

from __future__ import annotations

import gc
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

INTERVAL_MS = 1000


class GarbageCollector(QObject):
    """Switches Python's own collections off; young objects every second, the older ones when idle."""

    def __init__(self, busy: Callable[[], bool], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._busy = busy
        self._thresholds = gc.get_threshold()
        gc.disable()
        self._timer = QTimer(self, interval=INTERVAL_MS)
        self._timer.timeout.connect(self.collect)
        self._timer.start()

    def collect(self) -> None:
        """Collect the generations that are due."""
        counts = gc.get_count()
        if counts[0] > self._thresholds[0]:
            gc.collect(0)
        if self._busy():  # the older generations can cost a quarter of a second
            return
        if counts[1] > self._thresholds[1]:
            gc.collect(1)
        if counts[2] > self._thresholds[2]:
            gc.collect(2)

    def stop(self) -> None:
        """Give collecting back to Python."""
        self._timer.stop()
        gc.enable()
