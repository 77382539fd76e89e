"""Every command ends in exactly one final event, whatever happens around it."""

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine.worker as worker
from engine.cancel import CancelToken
from engine.errors import BadInput, JobCancelled
from engine.mailbox import GainMailbox
from engine.protocol import (
    FINAL,
    Cancelled,
    Command,
    Event,
    Failed,
    Finished,
    GainsApplied,
    Lane,
    LedgerSample,
    SetGains,
    Started,
    value,
)


@value
class Work(Command):
    """A scripted job: 'return', 'fail', 'bad', 'wait' (for its cancel token) or 'steps'."""

    do: str


@value
class LibraryWork(Work):
    """The same on the library lane."""

    lane: ClassVar[Lane] = "library"


class ScriptedHandlers:
    """Stands in for the rooms."""

    def __init__(self, finish: Callable[[Event], None], mailbox: GainMailbox) -> None:
        self._finish, self._mailbox = finish, mailbox
        self.applied: list[tuple[float, ...]] = []
        self.log: list[str] = []

    def start_lane(self, lane: Lane) -> None:
        self.log.append(f"start {lane}")

    def about_to_close(self) -> None:
        self.log.append("closing")

    def close_lane(self, lane: Lane) -> None:
        self.log.append(f"close {lane}")

    def ledger_sample(self) -> Event:
        return LedgerSample(time_s=0.0, owners=(), capacity_bytes=1, device="cpu")

    def apply_mail(self) -> None:
        gains, jobs = self._mailbox.take()
        if gains is not None:
            self.applied.append(gains)
        for job in jobs:
            self._finish(Finished(job=job, result=GainsApplied(revision=1, gains=gains or ())))

    def handle(self, command: Command, token: CancelToken) -> object:
        assert isinstance(command, Work)
        token.check()
        if command.do == "fail":
            raise RuntimeError("broken")
        if command.do == "bad":
            raise BadInput("No.", "Do.")
        if command.do == "wait":
            while not token.is_set:
                time.sleep(0.001)
            raise JobCancelled("what there was")
        return self._steps(token) if command.do == "steps" else command.do

    def _steps(self, token: CancelToken) -> Iterator[None]:
        for _ in range(3):
            yield
        return "stepped"


class Rig:
    """An engine over scripted handlers and the events it emitted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        rig = self

        def make(engine: worker.Engine) -> ScriptedHandlers:
            with engine._making:
                if engine._handlers is None:
                    engine._handlers = ScriptedHandlers(engine._finish, engine._mailbox)
                return engine._handlers

        monkeypatch.setattr(worker.Engine, "_make_handlers", make)
        self.engine = worker.Engine(None, rig.events.put)

    @property
    def handlers(self) -> ScriptedHandlers:
        made = self.engine._make_handlers()
        assert isinstance(made, ScriptedHandlers)
        return made

    def finals(self, n: int) -> list[Event]:
        """The next ``n`` final events."""
        found: list[Event] = []
        while len(found) < n:
            event = self.events.get(timeout=5)
            if isinstance(event, FINAL):
                found.append(event)
        return found


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    made = Rig(monkeypatch)
    yield made
    made.engine.close()


def test_results_errors_and_steps_become_final_events(rig: Rig) -> None:
    for job, do in enumerate(("return", "fail", "bad"), start=1):
        rig.engine.submit(Work(job=job, do=do))
    rig.engine.submit(LibraryWork(job=4, do="steps"))
    by_job = {event.job: event for event in rig.finals(4)}
    assert by_job[1] == Finished(job=1, result="return")
    failed, bad = by_job[2], by_job[3]
    assert isinstance(failed, Failed) and "broken" in failed.error.text and "Traceback" in failed.error.detail
    assert isinstance(bad, Failed) and bad.error.bad_input and bad.error.hint == "Do."
    assert by_job[4] == Finished(job=4, result="stepped")


def test_cancel_reaches_the_running_job_past_the_queue(rig: Rig) -> None:
    rig.engine.submit(Work(job=1, do="wait"))
    rig.engine.submit(Work(job=2, do="return"))
    assert rig.events.get(timeout=5) == Started(job=1)
    rig.engine.cancel(1)
    assert rig.finals(2) == [Cancelled(job=1, result="what there was"), Finished(job=2, result="return")]


def test_a_waiting_job_can_be_cancelled_before_it_starts(rig: Rig) -> None:
    rig.engine.submit(Work(job=1, do="wait"))
    rig.engine.submit(Work(job=2, do="return"))
    rig.engine.cancel(2)
    rig.engine.cancel(1)
    assert [type(event) for event in rig.finals(2)] == [Cancelled, Cancelled]


def test_a_search_is_answered_between_the_steps_of_an_ingestion(rig: Rig) -> None:
    gate = threading.Event()

    def steps(token: CancelToken) -> Iterator[None]:
        while not gate.is_set():
            yield
        return "read"

    rig.handlers._steps = steps  # type: ignore[method-assign, assignment]
    rig.engine.submit(LibraryWork(job=1, do="steps"))
    rig.engine.submit(LibraryWork(job=2, do="return"))
    assert rig.finals(1)[0].job == 2
    gate.set()
    assert rig.finals(1)[0] == Finished(job=1, result="read")


def test_gains_are_latest_wins_and_every_sender_is_answered(rig: Rig) -> None:
    rig.engine.submit(Work(job=1, do="wait"))
    for job in range(2, 7):
        rig.engine.submit(SetGains(job=job, gains=(job / 10,) * 5))
    rig.engine.cancel(1)
    finals = rig.finals(6)
    assert {event.job for event in finals} == set(range(1, 7))
    assert rig.handlers.applied[-1] == (0.6,) * 5 and len(rig.handlers.applied) <= 5


def test_closing_ends_every_job_and_both_lanes(rig: Rig) -> None:
    handlers = rig.handlers
    for job in range(1, 5):
        rig.engine.submit(Work(job=job, do="wait"))
        rig.engine.submit(LibraryWork(job=job + 10, do="steps"))
    rig.engine.close()
    assert {event.job for event in rig.finals(8)} == {1, 2, 3, 4, 11, 12, 13, 14}
    assert {"close engine", "close library"} <= set(handlers.log)
    rig.engine.submit(Work(job=99, do="return"))
    assert rig.finals(1) == [Cancelled(job=99)]


@settings(max_examples=25, deadline=None)
@given(
    script=st.lists(
        st.tuples(st.sampled_from(["return", "fail", "bad", "steps", "wait"]), st.booleans(), st.booleans()),
        max_size=12,
    ),
    close_early=st.booleans(),
)
def test_every_command_ends_exactly_once(script: list[tuple[str, bool, bool]], close_early: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        rig = Rig(patch)
        for job, (do, library, cancelled) in enumerate(script, start=1):
            rig.engine.submit((LibraryWork if library else Work)(job=job, do=do))
            if job % 3 == 0:
                rig.engine.submit(SetGains(job=1000 + job, gains=(1.0,) * 5))
            if cancelled or do == "wait":
                rig.engine.cancel(job)
        jobs = Counter(list(range(1, len(script) + 1)) + [1000 + n for n in range(3, len(script) + 1, 3)])
        seen: Counter[int] = Counter()
        if not close_early:
            seen.update(event.job for event in rig.finals(len(jobs)))
        rig.engine.close()
        while not rig.events.empty():
            event = rig.events.get()
            if isinstance(event, FINAL):
                seen[event.job] += 1
        assert seen == jobs


def test_a_lane_that_cannot_start_says_why_for_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(engine: worker.Engine) -> ScriptedHandlers:
        raise ImportError("libfoo is missing")

    monkeypatch.setattr(worker.Engine, "_make_handlers", broken)
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    engine = worker.Engine(None, events.put)
    engine.submit(Work(job=1, do="return"))
    engine.submit(SetGains(job=2, gains=(1.0,) * 5))
    finals: dict[int, Event] = {}
    while 1 not in finals:
        event = events.get(timeout=5)
        if isinstance(event, FINAL):
            finals[event.job] = event
    engine.close()
    while not events.empty():
        event = events.get()
        if isinstance(event, FINAL):
            finals[event.job] = event
    assert isinstance(finals[1], Failed) and "libfoo" in finals[1].error.text
    assert 2 in finals
