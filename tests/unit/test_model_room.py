"""Changing models: the old one is there until the new one stands, and errors cost nothing."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.cancel import CancelToken
from engine.cli.arguments import STARTER
from engine.errors import BadInput, JobCancelled, OutOfMemory
from engine.jobs import models
from engine.jobs.loaded import Loaded
from engine.jobs.models import ModelRoom
from engine.mailbox import GainMailbox
from engine.memory.ledger import Ledger
from engine.protocol import Event, LevelsChanged, LoadLevel, LoadModel, Progress

GGUF = STARTER.parent / "gguf" / "starter-f16.gguf"
ADAPTER = STARTER.parent / "adapters" / "domain-headline"


class Rig:
    """A model room and what it told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.loaded = Loaded(self.events.append, GainMailbox())
        self.ledger = Ledger()
        self.room = ModelRoom(self.loaded, self.ledger, self.events.append)

    def load(self, path: Path, cancel: CancelToken | None = None):
        return self.room.load(LoadModel(job=1, path=str(path)), cancel or CancelToken())


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.loaded.unload()


def test_a_load_that_fails_late_leaves_the_old_model(rig: Rig, tmp_path: Path) -> None:
    rig.load(STARTER)
    broken = tmp_path / "broken"
    shutil.copytree(STARTER, broken)
    (broken / "tokenizer.json").write_text("{}")
    with pytest.raises(BadInput):
        rig.load(broken)
    backend, _ = rig.loaded.require()
    assert backend.info.path == str(STARTER)


def test_a_cancelled_load_leaves_the_old_model(rig: Rig) -> None:
    rig.load(STARTER)
    cancel = CancelToken()
    cancel.set()
    with pytest.raises(JobCancelled):
        rig.load(GGUF, cancel)
    assert rig.loaded.require()[0].info.backend == "hf"


def test_where_both_do_not_fit_the_old_model_goes_first(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.load(STARTER)
    real = models.plan_model

    def tight(*args, **kwargs):
        plan = real(*args, **kwargs)
        return replace(plan, free_bytes=plan.total_bytes + 1)

    monkeypatch.setattr(models, "plan_model", tight)
    rig.events.clear()
    assert rig.load(GGUF).backend == "gguf"
    told = [event.levels for event in rig.events if isinstance(event, LevelsChanged)]
    assert told[0] == () and len(told[-1]) == 5


def test_what_cannot_fit_is_refused_with_ways_out(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    real = models.plan_model
    monkeypatch.setattr(models, "plan_model", lambda *a, **k: replace(real(*a, **k), fits=False))
    with pytest.raises(OutOfMemory) as caught:
        rig.load(STARTER)
    assert caught.value.hint


def test_loading_tells_progress_and_the_ledger_knows_the_owners(rig: Rig) -> None:
    rig.load(STARTER)
    rig.room.load_level(LoadLevel(job=2, level="domain", path=str(ADAPTER)), CancelToken())
    assert any(isinstance(event, Progress) for event in rig.events)
    owners = dict(rig.ledger.sample().owners)
    assert owners["base weights"] == pytest.approx(4_197_632 * 4, rel=1e-3)
    assert owners["domain"] > 0 and owners["swarm"] == 0
