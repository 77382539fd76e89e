"""The engine: one thread owns model and stack, one owns ingestion, one reads memory at 2 Hz.

Commands are queued by lane and each ends in exactly one final event. Cancelling bypasses the
queue, and gains travel by a latest-wins mailbox that a running answer reads between tokens.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path

from engine.cancel import CancelToken
from engine.lane import Handlers, LaneThread
from engine.mailbox import GainMailbox
from engine.preload import open_torch_libraries
from engine.protocol import Cancelled, Command, Event, SetGains
from engine.workspace import Workspace

EventSink = Callable[[Event], None]
LEDGER_PERIOD_S = 0.5
_JOIN_S = 10.0


class Engine:
    """Runs commands. ``emit`` is called from the engine's threads and must not block."""

    def __init__(self, workspace: Path | None, emit: EventSink, *, write: bool = True) -> None:
        """Raises Busy when another process writes to the workspace (unless ``write`` is False: then
        documents can be searched, and nothing is stored)."""
        self._workspace = None if workspace is None else Workspace.open(workspace, write=write)
        self._emit = emit
        self._tokens: dict[int, CancelToken] = {}
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._handlers: Handlers | None = None
        self._closing = threading.Event()
        self._mailbox = GainMailbox()
        self._engine_lane = LaneThread("engine", self._make_handlers, emit, self._finish, self._closing)
        self._library_lane = LaneThread("library", self._make_handlers, emit, self._finish, self._closing)
        self._sampler = threading.Thread(target=self._sample, name="strata-ledger", daemon=True)
        for thread in (self._engine_lane, self._library_lane, self._sampler):
            thread.start()

    def submit(self, command: Command) -> None:
        """Queue a command; returns at once. Job numbers must not be used twice at a time."""
        token = CancelToken()
        with self._lock:
            self._tokens[command.job] = token
        if self._closing.is_set():
            self._finish(Cancelled(job=command.job))
        elif isinstance(command, SetGains):
            self._mailbox.put(command)
            self._engine_lane.put(None)
        else:
            lane = self._engine_lane if command.lane == "engine" else self._library_lane
            lane.put((command, token))

    def cancel(self, job: int) -> None:
        """Ask a job to stop; unknown and finished jobs are ignored."""
        with self._lock:
            token = self._tokens.get(job)
        if token is not None:
            token.set()

    def close(self) -> None:
        """Stop everything: running jobs are cancelled, waiting ones end in ``Cancelled``."""
        if self._handlers is not None:
            self._handlers.about_to_close()
        self._closing.set()
        with self._lock:
            for token in self._tokens.values():
                token.set()
        for lane in (self._engine_lane, self._library_lane):
            lane.put(None)
            lane.join(_JOIN_S)
        self._sampler.join(_JOIN_S)
        for job in list(self._tokens):
            self._finish(Cancelled(job=job))
        if self._workspace is not None:
            self._workspace.close()

    def _make_handlers(self) -> Handlers:
        """The handlers, imported by the first lane that asks: they bring torch, and the window is to
        be painted before that."""
        with self._making:
            if self._handlers is None:
                open_torch_libraries()
                from engine.jobs.handlers import EngineHandlers

                self._handlers = EngineHandlers(self._workspace, self._emit, self._finish, self._mailbox)
                gc.freeze()
            return self._handlers

    def _sample(self) -> None:
        while not self._closing.wait(LEDGER_PERIOD_S):
            if self._handlers is not None:
                self._emit(self._handlers.ledger_sample())

    def _finish(self, event: Event) -> None:
        """Emit a job's final event, once."""
        with self._lock:
            known = self._tokens.pop(event.job, None)
        if known is not None:
            self._emit(event)
