"""One thread, one queue: every command that goes in comes out as exactly one final event."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator
from typing import Protocol

from engine.cancel import CancelToken
from engine.errors import JobCancelled
from engine.jobs.failure import error_info
from engine.protocol import Cancelled, Command, ErrorInfo, Event, Failed, Finished, Lane, Notice, Started

Job = tuple[Command, CancelToken]
Steps = Generator[None, None, object]


class Handlers(Protocol):
    """What the commands do (``engine.jobs.handlers``)."""

    def start_lane(self, lane: Lane) -> Steps | None:
        """Called once on the lane's thread, before its first command; steps to go on with, if any."""

    def about_to_close(self) -> None:
        """Called before the running jobs are cancelled (any thread)."""

    def close_lane(self, lane: Lane) -> None:
        """Called once on the lane's thread, after its last command."""

    def handle(self, command: Command, token: CancelToken) -> object:
        """Run a command: its result, or a generator of steps that returns it. A command that was
        cancelled while it waited comes here too: what must be kept of it is kept."""

    def apply_mail(self) -> None:
        """Apply waiting gain edits and end their jobs (engine lane only)."""

    def ledger_sample(self) -> Event:
        """Measured memory by owner (any thread)."""


class LaneThread(threading.Thread):
    """Runs commands in order; generators are stepped whenever no other command waits."""

    def __init__(
        self,
        lane: Lane,
        get_handlers: Callable[[], Handlers],
        emit: Callable[[Event], None],
        finish: Callable[[Event], None],
        closing: threading.Event,
    ) -> None:
        super().__init__(name=f"strata-{lane}", daemon=True)
        self._lane = lane
        self._get_handlers = get_handlers
        self._emit, self._finish = emit, finish
        self._closing = closing
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._stepped: deque[tuple[Job, Steps]] = deque()

    def put(self, item: Job | None) -> None:
        """Queue a command; None only wakes the thread."""
        self._queue.put(item)

    def run(self) -> None:
        """Serve until the engine closes; what waits then ends in ``Cancelled``."""
        try:
            handlers = self._get_handlers()
            steps = handlers.start_lane(self._lane)
        except Exception as error:  # the lane cannot work: every command is told why
            self._refuse_all(error_info(error))
            return
        if steps is not None:
            self._stepped.append(((Command(), CancelToken()), steps))
        while not self._closing.is_set():
            self._serve(handlers)
        self._end_waiting(handlers)
        handlers.close_lane(self._lane)

    def _serve(self, handlers: Handlers) -> None:
        try:
            item = self._queue.get(block=not self._stepped)
        except queue.Empty:
            self._step()
            return
        if self._lane == "engine":
            handlers.apply_mail()
        if item is not None:
            self._run_job(handlers, item)

    def _run_job(self, handlers: Handlers, item: Job) -> None:
        command, token = item
        try:
            self._emit(Started(job=command.job))
            result = handlers.handle(command, token)
            if isinstance(result, Generator):
                self._stepped.append((item, result))
            else:
                self._finish(Finished(job=command.job, result=result))
        except Exception as error:
            self._finish(_final_of(command.job, error))

    def _step(self) -> None:
        """One step of the oldest generator."""
        (command, token), steps = self._stepped[0]
        try:
            token.check()
            next(steps)
            return
        except StopIteration as stop:
            event: Event = Finished(job=command.job, result=stop.value)
        except Exception as error:
            event = _final_of(command.job, error)
        self._stepped.popleft()
        steps.close()
        self._finish(event)

    def _end_waiting(self, handlers: Handlers) -> None:
        """Closing: every token is set, so whatever waits ends in ``Cancelled``."""
        for (command, _), steps in self._stepped:
            steps.close()
            self._finish(Cancelled(job=command.job))
        self._stepped.clear()
        while not self._queue.empty():
            item = self._queue.get()
            if item is not None:
                self._run_job(handlers, item)

    def _refuse_all(self, error: ErrorInfo) -> None:
        self._emit(Notice(severity="error", error=error))
        while not self._closing.is_set():
            item = self._queue.get()
            if item is not None:
                self._finish(Failed(job=item[0].job, error=error))


def _final_of(job: int, error: Exception) -> Event:
    """The final event of a job that raised: the one boundary where errors become words."""
    if isinstance(error, JobCancelled):
        return Cancelled(job=job, result=error.result)
    return Failed(job=job, error=error_info(error))
