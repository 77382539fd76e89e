"""Runs commands on an engine and waits for them, for the command line."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from engine.errors import EngineError
from engine.protocol import FINAL, Cancelled, Command, ErrorInfo, Event, Failed, Finished
from engine.worker import Engine

EventSink = Callable[[Event], None]


class CommandFailed(EngineError):
    """A command ended in Failed or Cancelled; carries its words."""

    def __init__(self, error: ErrorInfo) -> None:
        super().__init__(error.text, error.hint, error.detail)
        self.exit_code = 2 if error.bad_input else 1


class Runner:
    """An engine whose events are read on the caller's thread."""

    def __init__(self, workspace: Path | None, *, write: bool = True) -> None:
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._engine = Engine(workspace, self._events.put, write=write)
        self._next_job = 1

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.close()

    def run(self, command: Command, on_event: EventSink | None = None) -> object:
        """The command's result. Raises CommandFailed; Ctrl+C cancels the command first."""
        job, self._next_job = self._next_job, self._next_job + 1
        self._engine.submit(replace(command, job=job))
        while True:
            try:
                event = self._events.get()
            except KeyboardInterrupt:
                self._engine.cancel(job)
                continue
            if event.job == job and isinstance(event, FINAL):
                return _result(event)
            if event.job == job and on_event is not None:
                on_event(event)


def _result(event: Event) -> object:
    if isinstance(event, Finished):
        return event.result
    if isinstance(event, Failed):
        raise CommandFailed(event.error)
    assert isinstance(event, Cancelled)
    if event.result is not None:
        return event.result
    raise CommandFailed(ErrorInfo(text="Stopped.", hint="Run the command again to start over."))
