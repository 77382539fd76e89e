"""The torch level stack against PEFT and against its own definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from engine.errors import AdapterMismatch, BadInput
from engine.levels.adapter import Adapter, LoraPair
from engine.levels.peft_io import read_adapter
from engine.levels.stack import LevelStack
from engine.protocol import LEVELS
from tests.unit.tiny_hf import peft_logits, save_adapter, tiny_model

IDS = torch.arange(3, 20).unsqueeze(0)
GAINS = {"foundation": 0.5, "swarm": -1.25, "context": 2.0}


def gains(values: dict[str, float], rest: float = 1.0) -> list[float]:
    return [values.get(level, rest) for level in LEVELS]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    root = tmp_path_factory.mktemp("adapters")
    kinds = [
        {"r": 8, "lora_alpha": 24},
        {"r": 4, "use_rslora": True},
        {"r": 2, "rank_pattern": {"1.*proj": 3}},
    ]
    return {
        family: [save_adapter(family, root / f"{family}{n}", n, **kind) for n, kind in enumerate(kinds)]
        for family in ("llama", "gpt2", "qwen2")
    }


def laid(folders: list[Path], family: str = "llama") -> tuple[torch.nn.Module, LevelStack]:
    model = tiny_model(family)
    stack = LevelStack(model)
    for level, folder in zip(GAINS, folders, strict=True):
        stack.set_level(level, read_adapter(folder, stack.base_modules()))
    return model, stack


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen2"])
def test_logits_equal_pefts_multi_adapter_forward(family: str, folders: dict[str, list[Path]]) -> None:
    model, stack = laid(folders[family], family)
    stack.set_gains(gains(GAINS))
    theirs = peft_logits(family, folders[family], list(GAINS.values()), IDS)
    assert (theirs - logits(tiny_model(family))).abs().max() > 0.1
    torch.testing.assert_close(logits(model), theirs, atol=1e-4, rtol=0)


def test_a_muted_stack_is_the_base_model_to_the_bit(folders: dict[str, list[Path]]) -> None:
    model, stack = laid(folders["llama"])
    before = logits(tiny_model("llama"))
    assert not torch.equal(logits(model), before)
    stack.set_gains([0.0] * 5)
    assert torch.equal(logits(model), before)
    assert not any("forward" in vars(module) for module in model.modules())
    activity = stack.activity()
    assert activity is not None
    assert not activity.any()


def test_clearing_every_level_gives_the_base_back(folders: dict[str, list[Path]]) -> None:
    model, stack = laid(folders["llama"])
    for level in GAINS:
        assert stack.clear_level(level).adapter == ""
    assert torch.equal(logits(model), logits(tiny_model("llama")))
    assert stack.activity() is None
    assert set(stack.level_bytes().values()) == {0}


def test_replacing_one_level_leaves_the_others(folders: dict[str, list[Path]]) -> None:
    first, second, third = folders["llama"]
    model, stack = laid([first, second, second])
    stack.set_level("context", read_adapter(third, stack.base_modules()))
    assert torch.equal(logits(model), logits(laid([first, second, third])[0]))


def test_the_revision_counts_only_real_edits(folders: dict[str, list[Path]]) -> None:
    _, stack = laid(folders["llama"])
    start = stack.revision
    stack.set_gains([1.0] * 5)
    stack.clear_level("agent")
    assert stack.revision == start
    stack.set_gains(gains(GAINS))
    assert stack.revision == start + 1
    stack.clear_level("swarm")
    assert stack.revision == start + 2


def test_activity_is_the_level_outputs_share_of_the_module_output(folders: dict[str, list[Path]]) -> None:
    model, stack = laid(folders["llama"])
    stack.set_gains(gains(GAINS))
    seen: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    for path in stack.base_modules().linears:
        hook = lambda _m, x, y, path=path: seen.__setitem__(path, (x[0][0, -1], y[0, -1]))  # noqa: E731
        model.get_submodule(path).register_forward_hook(hook)
    logits(model)
    expected = np.zeros((5, 3), np.float32)
    for (level, gain), folder in zip(GAINS.items(), folders["llama"], strict=True):
        for path, pair in read_adapter(folder, stack.base_modules()).pairs.items():
            x, y = seen[path]
            own = gain * pair.scale * pair.b @ (pair.a @ x)
            expected[LEVELS.index(level), int(path.split(".")[2])] += (own.norm() / y.norm()).item() / 7
    np.testing.assert_allclose(stack.activity(), expected, rtol=1e-4)


def test_activity_reads_the_newest_token_of_chunk_and_step_alike(folders: dict[str, list[Path]]) -> None:
    model, stack = laid(folders["llama"])
    logits(model)
    whole = stack.activity()
    with torch.no_grad():
        cache = model(IDS[:, :-1], use_cache=True).past_key_values
        model(IDS[:, -1:], past_key_values=cache)
    np.testing.assert_allclose(stack.activity(), whole, rtol=1e-3)


def test_an_adapter_that_does_not_fit_leaves_the_stack_as_it_was(folders: dict[str, list[Path]]) -> None:
    model, stack = laid(folders["llama"])
    before, revision, levels = logits(model), stack.revision, stack.levels()
    wrong = Adapter(
        "wrong", "", {"model.layers.7.mlp.up_proj": LoraPair(torch.ones(2, 9), torch.ones(4, 2), 1.0)}
    )
    with pytest.raises(AdapterMismatch):
        stack.set_level("swarm", wrong)
    assert torch.equal(logits(model), before)
    assert (stack.revision, stack.levels()) == (revision, levels)


def test_every_mismatch_is_named_at_once() -> None:
    stack = LevelStack(tiny_model("llama"))
    good, nan = torch.ones(2, 32), torch.full((2, 32), torch.nan)
    pairs = {f"model.layers.{n}.self_attn.q_proj": LoraPair(good, torch.ones(32, 2), 1.0) for n in range(6)}
    pairs["model.layers.1.mlp.up_proj"] = LoraPair(torch.ones(2, 64), torch.ones(48, 2), 1.0)
    pairs["model.layers.2.self_attn.v_proj"] = LoraPair(nan, torch.ones(16, 2), 1.0)
    pairs["model.layers.0.attn.c_attn"] = LoraPair(good, torch.ones(32, 2), 1.0)
    adapter = Adapter("big", "", pairs, base_model="Big-7B", base_architecture="qwen2")
    with pytest.raises(AdapterMismatch) as caught:
        stack.set_level("domain", adapter)
    assert caught.value.mismatches == (
        "it is for the qwen2 architecture, this model is llama",
        "layers 3-5 do not exist in this model (3 layers)",
        "this model has no attn.c_attn (layer 0)",
        "mlp.up_proj is 64 to 48 wide in the adapter, 32 to 48 here (layer 1)",
        "model.layers.2.self_attn.v_proj holds numbers that are not finite (NaN or infinity)",
    )
    assert "Big-7B" in caught.value.text


def test_numbers_that_are_none_and_empty_adapters_are_called_damaged() -> None:
    stack = LevelStack(tiny_model("llama"))
    nan = LoraPair(torch.full((2, 32), torch.inf), torch.ones(32, 2), 1.0)
    for pairs, words in [({"model.layers.0.self_attn.q_proj": nan}, "not finite"), ({}, "holds no weights")]:
        with pytest.raises(AdapterMismatch, match=f"is damaged: .*{words}"):
            stack.set_level("domain", Adapter("broken", "", pairs))


@pytest.mark.parametrize("bad", [[1.0] * 4, [1, 1, 1, 1, 2.5], [1, 1, 1, 1, float("nan")]])
def test_gains_that_make_no_sense_are_refused(bad: list[float]) -> None:
    with pytest.raises(BadInput):
        LevelStack(tiny_model("llama")).set_gains(bad)


def test_an_unknown_level_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match='no level "basement"'):
        LevelStack(tiny_model("llama")).clear_level("basement")


def test_gains_are_exact_over_a_bfloat16_base(folders: dict[str, list[Path]]) -> None:
    model = tiny_model("llama", torch.bfloat16)
    stack = LevelStack(model)
    stack.set_level("domain", read_adapter(folders["llama"][0], stack.base_modules()))
    stack.set_gains([1, 0.7, 1, 1, 1])
    module = next(iter(stack._modules.values()))
    assert module.gain.dtype == torch.float32
    x = torch.randn(1, 5, 32, dtype=torch.bfloat16)
    with torch.no_grad():
        z = functional.linear(x, module.a)
        expected = module.base_forward(x) + (z * module.gain).bfloat16() @ module.b
        torch.testing.assert_close(module.forward(x), expected, atol=0.02, rtol=0.02)


def test_one_backward_gives_every_level_its_gradient(folders: dict[str, list[Path]]) -> None:
    model, stack = laid(folders["llama"])
    stack.set_gains(gains(GAINS))
    modules = list(stack._modules.values())
    for module in modules:
        module.a.requires_grad_()
        module.b.requires_grad_()
    model(IDS, labels=IDS).loss.backward()
    for module in modules:
        for part in module.slices:
            assert module.a.grad[part.start : part.stop].abs().max() > 0
            assert module.b.grad[part.start : part.stop].abs().max() > 0


def test_level_bytes_count_what_is_held(folders: dict[str, list[Path]]) -> None:
    _, stack = laid(folders["llama"])
    held = sum(m.a.nbytes + m.b.nbytes + sum(g.nbytes for g in m.gram) for m in stack._modules.values())
    assert sum(stack.level_bytes().values()) == held
