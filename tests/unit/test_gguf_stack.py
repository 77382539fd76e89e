"""Levels over llama.cpp do what they do over torch: same tokens, same gains, same activity."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from engine.cancel import CancelToken
from engine.errors import AdapterMismatch, BadInput, EngineError
from engine.levels import gguf_laid
from engine.levels.adapter import Adapter, LoraPair
from engine.levels.gguf_activity import GraphObserver
from engine.levels.gguf_io import read_gguf_adapter, write_gguf_adapter
from engine.levels.gguf_stack import GgufStack
from engine.levels.stack import LevelStack
from engine.models.gguf import GgufBackend
from engine.models.hf import HfBackend
from engine.protocol import LoadSettings, Sampling
from tests.unit.tiny_gguf import gguf_file, greedy, hf_folder, load, random_adapter

PROMPT = [5, 6, 7, 8, 9, 10, 11]
ALL = (1.0,) * 5


class Both:
    """The same model in both backends, an endless activity budget."""

    def __init__(self, family: str) -> None:
        settings = LoadSettings(dtype="float32", device="cpu")
        self.hf = HfBackend.load(hf_folder(family), settings, lambda stage, done: None, CancelToken())
        self.gguf = load(gguf_file(family), flash_attention=False)
        self.stacks = (LevelStack(self.hf.model), GgufStack(self.gguf.handle, activity_budget=math.inf))

    def agree(self, n_tokens: int = 24, edits: dict[int, tuple[float, ...]] | None = None) -> None:
        for stack in self.stacks:
            stack.set_gains(stack.gains)
        hf = greedy(self.hf, self.stacks[0], PROMPT, n_tokens, edits)
        gguf = greedy(self.gguf, self.stacks[1], PROMPT, n_tokens, edits)
        assert [step.token_id for step in gguf] == [step.token_id for step in hf]
        assert np.allclose([s.logprob for s in gguf], [s.logprob for s in hf], atol=2e-3)
        for ours, theirs in zip(gguf, hf, strict=True):
            assert (ours.activity is None) == (theirs.activity is None)
            if ours.activity is not None and theirs.activity is not None:
                assert np.allclose(ours.activity, theirs.activity, rtol=2e-3, atol=1e-6)

    def set_gains(self, *gains: float) -> None:
        for stack in self.stacks:
            stack.set_gains(gains)

    def set_level(self, level: str, adapter: Adapter) -> None:
        for stack in self.stacks:
            stack.set_level(level, adapter)


@pytest.fixture(params=["llama", "qwen2"])
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    pair = Both(request.param)
    yield pair
    pair.gguf.close()
    pair.hf.close()


@pytest.fixture
def backend() -> Iterator[GgufBackend]:
    loaded = load(gguf_file())
    yield loaded
    loaded.close()


def _logits(backend: GgufBackend, stack: GgufStack) -> np.ndarray:
    backend.prefill(PROMPT, stack, CancelToken())
    return backend.handle.logits()


def test_levels_gains_and_activity_agree_with_torch(both: Both) -> None:
    base = both.stacks[0].base_modules()
    assert both.stacks[1].base_modules().linears == base.linears
    both.agree()
    both.set_level("domain", random_adapter(base, 1, rank=8))
    both.agree()
    both.set_level("agent", random_adapter(base, 2, rank=3, scale=0.5, only="mlp"))
    both.set_level("context", random_adapter(base, 3, rank=4, only="q_proj"))
    both.agree()
    for gains in ((1, 1, 1, 1, -1), (0, 0.5, 0, -2, 0.3), (1, 0, 1, 0, 1), (1, 0, 1, 0, 0)):
        both.set_gains(*map(float, gains))
        both.agree(8)


def test_an_edit_in_mid_answer_is_felt_at_the_next_token(both: Both) -> None:
    base = both.stacks[0].base_modules()
    both.set_level("domain", random_adapter(base, 1, rank=8))
    both.set_level("swarm", random_adapter(base, 2))
    edits = {4: (1.0, 0.0, 1.0, 1.0, 1.0), 8: (0.0,) * 5, 12: (1.0, -1.5, 2.0, 0.0, 0.0)}
    both.agree(20, edits)
    both.set_gains(*ALL)
    both.agree(8)


def test_an_adapter_file_works_in_both_backends(both: Both, tmp_path: object) -> None:
    base = both.stacks[1].base_modules()
    path = hf_folder(base.architecture) / "adapter.gguf"
    write_gguf_adapter(random_adapter(base, 5), base, path, "f32")
    for stack in both.stacks:
        stack.set_level("domain", read_gguf_adapter(path, stack.base_modules()))
    both.agree(12)


def test_muted_and_cleared_levels_leave_the_base_exactly(backend: GgufBackend) -> None:
    stack = GgufStack(backend.handle)
    bare = _logits(backend, stack)
    stack.set_level("domain", random_adapter(stack.base_modules(), 1))
    stack.set_level("agent", random_adapter(stack.base_modules(), 2))
    assert stack.mode == "in place"
    assert not np.allclose(_logits(backend, stack), bare)
    stack.set_gains((0.0,) * 5)
    assert np.array_equal(_logits(backend, stack), bare)
    stack.set_gains(ALL)
    loud = _logits(backend, stack)
    stack.clear_level("agent")
    stack.set_level("agent", random_adapter(stack.base_modules(), 2))
    assert np.array_equal(_logits(backend, stack), loud)
    stack.clear_level("domain")
    stack.clear_level("agent")
    assert np.array_equal(_logits(backend, stack), bare)
    assert (stack.mode, set(stack.level_bytes().values())) == ("", {0})


def test_a_gain_that_returns_gives_the_same_logits_again(backend: GgufBackend) -> None:
    stack = GgufStack(backend.handle)
    stack.set_level("domain", random_adapter(stack.base_modules(), 1))
    stack.set_gains((1.0, 0.37, 1.0, 1.0, 1.0))
    first = _logits(backend, stack)
    stack.set_gains((1.0, -2.0, 1.0, 1.0, 1.0))
    assert not np.array_equal(_logits(backend, stack), first)
    stack.set_gains((1.0, 0.37, 1.0, 1.0, 1.0))
    assert np.array_equal(_logits(backend, stack), first)


def test_separate_adapters_do_the_same_where_tensors_cannot_be_found(
    backend: GgufBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    gains = (1.0, 0.5, 1.0, -1.0, 0.0)
    results = []
    for found in (True, False):
        stack = GgufStack(backend.handle)
        if not found:
            monkeypatch.setattr(GraphObserver, "learned", lambda self: setattr(self, "_learned", None) or {})
        for seed, level in enumerate(("domain", "agent", "context")):
            stack.set_level(level, random_adapter(stack.base_modules(), seed))
        stack.set_gains(gains)
        results.append((_logits(backend, stack), stack.mode))
        for level in ("domain", "agent", "context"):
            stack.clear_level(level)
    assert np.allclose(results[0][0], results[1][0], atol=1e-4)
    assert results[0][1] == gguf_laid.IN_PLACE
    assert results[1][1].startswith("separate adapters: ")


def test_an_adapter_that_does_not_fit_changes_nothing(backend: GgufBackend) -> None:
    stack = GgufStack(backend.handle)
    stack.set_level("domain", random_adapter(stack.base_modules(), 1))
    before, revision = _logits(backend, stack), stack.revision
    wrong = Adapter(
        "wrong", "", {"model.layers.9.mlp.up_proj": LoraPair(torch.ones(2, 64), torch.ones(96, 2), 1.0)}
    )
    with pytest.raises(AdapterMismatch):
        stack.set_level("agent", wrong)
    assert stack.revision == revision
    assert np.allclose(_logits(backend, stack), before, atol=1e-5)


def test_llama_cpp_refusing_an_adapter_leaves_the_old_levels(
    backend: GgufBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = GgufStack(backend.handle)
    stack.set_level("domain", random_adapter(stack.base_modules(), 1))
    before = _logits(backend, stack)
    monkeypatch.setattr(gguf_laid, "load_adapter", _refuse)
    with pytest.raises(EngineError, match="no room"):
        stack.set_level("agent", random_adapter(stack.base_modules(), 2))
    assert np.array_equal(_logits(backend, stack), before)
    assert stack.levels()[3].adapter == ""


def test_a_level_laid_in_mid_answer_reads_the_conversation_again(backend: GgufBackend) -> None:
    stack = GgufStack(backend.handle)
    backend.prefill(PROMPT, stack, CancelToken())
    ids: list[int] = []
    for step in backend.decode(Sampling(temperature=0.0), stack, CancelToken()):
        ids.append(step.token_id)
        if len(ids) in (3, 6):
            level = ("domain", "agent")[len(ids) // 3 - 1]
            stack.set_level(level, random_adapter(stack.base_modules(), len(ids)))
        if len(ids) == 9:
            break
    assert ids[6:] == [step.token_id for step in greedy(backend, stack, PROMPT + ids[:6], 3)]


def _refuse(*_: object) -> None:
    raise EngineError("no room")


def test_gains_and_levels_that_do_not_exist_are_refused(backend: GgufBackend) -> None:
    stack = GgufStack(backend.handle)
    for gains in ((1.0,) * 4, (3.0, 1, 1, 1, 1), (math.nan, 1, 1, 1, 1)):
        with pytest.raises(BadInput):
            stack.set_gains(gains)
    with pytest.raises(BadInput):
        stack.clear_level("attic")


def test_a_stack_over_a_closed_model_refuses_and_lives() -> None:
    backend = load(gguf_file())
    stack = GgufStack(backend.handle)
    stack.set_level("domain", random_adapter(stack.base_modules(), 1))
    backend.close()
    for act in (
        lambda: stack.set_gains((0.0,) * 5),
        lambda: stack.clear_level("domain"),
        lambda: stack.set_level("agent", random_adapter(stack.base_modules(), 2)),
    ):
        with pytest.raises(EngineError, match="unloaded"):
            act()


def test_measuring_keeps_to_its_budget_and_activity_is_none_between(backend: GgufBackend) -> None:
    stack = GgufStack(backend.handle, activity_budget=1e-6)
    stack.set_level("domain", random_adapter(stack.base_modules(), 1))
    steps = greedy(backend, stack, PROMPT, 40)
    measured = [step.activity is not None for step in steps]
    assert measured[0]
    assert sum(measured) < len(measured) / 4
    assert all(
        np.isfinite(s.activity).all() and s.activity[1].min() > 0 for s in steps if s.activity is not None
    )
