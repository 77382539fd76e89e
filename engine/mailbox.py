"""Gain edits in flight: the latest wins, every sender gets an answer."""

from __future__ import annotations

import threading

from engine.protocol import SetGains


class GainMailbox:
    """One slot for the newest gains and the jobs that wait for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gains: tuple[float, ...] | None = None
        self._jobs: list[int] = []

    def put(self, command: SetGains) -> None:
        """Replace what waits; the older jobs are answered together with this one."""
        with self._lock:
            self._gains = command.gains
            self._jobs.append(command.job)

    @property
    def waiting(self) -> bool:
        """Whether there is mail (cheap; looked at between tokens)."""
        return bool(self._jobs)

    def take(self) -> tuple[tuple[float, ...] | None, list[int]]:
        """Empty the box: the newest gains (None: no mail) and the jobs to answer."""
        with self._lock:
            gains, jobs = self._gains, self._jobs
            self._gains, self._jobs = None, []
            return gains, jobs
