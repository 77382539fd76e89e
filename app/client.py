"""The window's only door to the engine.

Commands go out at once; events come back through a deque that a timer drains on the window's
thread: every 33 ms while jobs run, five times a second otherwise. Adjacent text deltas of one job
are joined. A signal per token would cost six times more.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from PySide6.QtCore import QObject, QTimer, Signal

from engine.protocol import FINAL, Cancelled, Command, Event, TextDelta
from engine.worker import Engine

BUSY_INTERVAL_MS, IDLE_INTERVAL_MS = 33, 200

E = TypeVar("E", bound=Event)
EventSink = Callable[[Event], None]


class EngineLike(Protocol):
    """What the client needs of an engine (tests hand in a scripted one)."""

    def submit(self, command: Command) -> None: ...
    def cancel(self, job: int) -> None: ...
    def close(self) -> None: ...


class EngineClient(QObject):
    """Sends commands, delivers events on the window's thread."""

    busy_changed = Signal(bool)

    def __init__(
        self,
        workspace: Path,
        parent: QObject | None = None,
        make_engine: Callable[[Path, EventSink], EngineLike] = Engine,
        deferred: bool = False,
    ) -> None:
        """With ``deferred`` commands wait until ``start`` is called (after the first paint: the
        engine's first command imports torch)."""
        super().__init__(parent)
        self._events: deque[Event] = deque()
        self._subscribers: dict[type[Event], list[EventSink]] = defaultdict(list)
        self._jobs: dict[int, tuple[EventSink | None, EventSink | None]] = {}
        self._next_job = 1
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.drain)
        self._make_engine = partial(make_engine, workspace, self._events.append)
        self._engine: EngineLike | None = None
        self._waiting: dict[int, Command] = {}
        if not deferred:
            self.start()
        self._timer.start(IDLE_INTERVAL_MS)

    def start(self) -> None:
        """Make the engine and send what has been waiting; again does nothing."""
        if self._engine is None:
            self._engine = self._make_engine()
            for command in self._waiting.values():
                self._engine.submit(command)
            self._waiting.clear()

    def send(self, command: Command, done: EventSink | None = None, on_event: EventSink | None = None) -> int:
        """Submit ``command`` under a fresh job number, which is returned. ``on_event`` gets each of
        the job's events, ``done`` its one final event."""
        job = self._next_job
        self._next_job += 1
        was_busy = self.busy
        self._jobs[job] = (done, on_event)
        self._timer.setInterval(BUSY_INTERVAL_MS)
        if not was_busy:
            self.busy_changed.emit(True)
        command = replace(command, job=job)
        if self._engine is None:
            self._waiting[job] = command
        else:
            self._engine.submit(command)
        return job

    def cancel(self, job: int) -> None:
        """Ask a job to stop; it still ends in its one final event. Unknown jobs are ignored."""
        if self._waiting.pop(job, None) is not None:
            self._events.append(Cancelled(job=job))
        if self._engine is not None:
            self._engine.cancel(job)

    def subscribe(self, kind: type[E], callback: Callable[[E], None]) -> None:
        """Call ``callback`` on the window's thread for every event of exactly this class."""
        self._subscribers[kind].append(callback)  # type: ignore[arg-type]

    @property
    def busy(self) -> bool:
        """Whether any job runs or waits."""
        return bool(self._jobs)

    def drain(self) -> None:
        """Deliver what has come (called by the timer; tests may call it)."""
        for event in _joined(self._events):
            self._deliver(event)
        if not self._jobs and self._timer.interval() != IDLE_INTERVAL_MS:
            self._timer.setInterval(IDLE_INTERVAL_MS)
            self.busy_changed.emit(False)

    def _deliver(self, event: Event) -> None:
        done, on_event = self._jobs.get(event.job, (None, None))
        final = isinstance(event, FINAL)
        if final:
            self._jobs.pop(event.job, None)
        if on_event is not None:
            on_event(event)
        for callback in self._subscribers[type(event)]:
            callback(event)
        if final and done is not None:
            done(event)

    def close(self) -> None:
        """Stop the engine's threads; the last events are delivered."""
        self._timer.stop()
        for job in tuple(self._waiting):
            self.cancel(job)
        if self._engine is not None:
            self._engine.close()
        self.drain()


def _joined(events: deque[Event]) -> list[Event]:
    """Empty the deque, adjacent text deltas of the same job made one."""
    out: list[Event] = []
    while events:
        event = events.popleft()
        last = out[-1] if out else None
        if isinstance(event, TextDelta) and isinstance(last, TextDelta) and last.job == event.job:
            out[-1] = replace(last, text=last.text + event.text)
        else:
            out.append(event)
    return out
