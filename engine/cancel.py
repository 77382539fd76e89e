"""A cancel token: set from any thread, looked at between small steps of work."""

from __future__ import annotations

import threading

from engine.errors import JobCancelled


class CancelToken:
    """Thread-safe flag of one job. Setting it twice is the same as once."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask the job to end at its next look."""
        self._event.set()

    @property
    def is_set(self) -> bool:
        """Whether the job was asked to end."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise :class:`JobCancelled` if the job was asked to end."""
        if self._event.is_set():
            raise JobCancelled
