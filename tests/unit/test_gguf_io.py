"""LoRA adapters in GGUF: exact both ways, and every misfit in one clear sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from gguf import GGUFWriter

from engine.errors import AdapterMismatch, DamagedFile, UnsupportedInput
from engine.levels.adapter import Adapter, BaseModules, LoraPair
from engine.levels.gguf_io import read_gguf_adapter, write_gguf_adapter
from engine.levels.gguf_names import rows_to_gguf, rows_to_hf
from tests.unit.tiny_gguf import gguf_file, random_adapter


def _base(architecture: str = "llama") -> BaseModules:
    linears = {}
    for layer in range(2):
        prefix = f"model.layers.{layer}."
        linears |= {
            prefix + f"self_attn.{n}_proj": (64, d) for n, d in (("q", 64), ("k", 32), ("v", 32), ("o", 64))
        }
        linears |= {prefix + "mlp.gate_proj": (64, 96), prefix + "mlp.down_proj": (96, 64)}
    return BaseModules(architecture, linears, 2, 4, 2)


def _same(read: Adapter, written: Adapter) -> bool:
    return read.pairs.keys() == written.pairs.keys() and all(
        torch.equal(read.pairs[m].a, p.a)
        and torch.equal(read.pairs[m].b, p.b)
        and read.pairs[m].scale == p.scale
        for m, p in written.pairs.items()
    )


@pytest.mark.parametrize("architecture", ["llama", "mistral", "qwen2"])
@pytest.mark.parametrize(("dtype", "kept"), [("f32", torch.float32), ("f16", torch.float16)])
def test_an_adapter_comes_back_bit_for_bit(
    tmp_path: Path, architecture: str, dtype: str, kept: torch.dtype
) -> None:
    base = _base(architecture)
    adapter = random_adapter(base, 1, dtype=kept)
    write_gguf_adapter(adapter, base, tmp_path / "a.gguf", dtype)  # type: ignore[arg-type]
    assert _same(read_gguf_adapter(tmp_path / "a.gguf", base), adapter)


def test_scales_that_differ_by_module_are_folded_in(tmp_path: Path) -> None:
    base = _base()
    mixed = random_adapter(base, 1, rank=4, scale=2.0, only="q_proj").pairs
    mixed |= random_adapter(base, 2, rank=3, scale=0.7, only="mlp").pairs
    write_gguf_adapter(Adapter("mixed", "", mixed), base, tmp_path / "a.gguf", "f32")
    read = read_gguf_adapter(tmp_path / "a.gguf", base)
    for module, pair in mixed.items():
        got = read.pairs[module]
        assert torch.allclose(got.scale * got.b @ got.a, pair.scale * pair.b @ pair.a, rtol=1e-5, atol=1e-6)


def test_only_architectures_that_turn_pairs_move_rows() -> None:
    rows, module = torch.arange(64.0)[:, None], "model.layers.0.self_attn.q_proj"
    moved = rows_to_gguf(rows, module, _base())
    assert moved[:4, 0].tolist() == [0.0, 8.0, 1.0, 9.0]
    assert torch.equal(rows_to_hf(moved, module, _base()), rows)
    assert torch.equal(rows_to_gguf(rows, module, _base("qwen2")), rows)


def test_every_misfit_is_named_at_once(tmp_path: Path) -> None:
    base = _base()
    write_gguf_adapter(random_adapter(base, 1), base, tmp_path / "a.gguf")
    q, gate = "model.layers.0.self_attn.q_proj", "model.layers.1.mlp.gate_proj"
    other = replace(base, linears={k: v for k, v in base.linears.items() if k != q} | {gate: (64, 100)})
    with pytest.raises(AdapterMismatch) as caught:
        read_gguf_adapter(tmp_path / "a.gguf", other)
    assert len(caught.value.mismatches) == 2


def test_an_adapter_for_another_architecture_is_refused(tmp_path: Path) -> None:
    write_gguf_adapter(random_adapter(_base("qwen2"), 1), _base("qwen2"), tmp_path / "a.gguf")
    with pytest.raises(AdapterMismatch, match="type 'qwen2'"):
        read_gguf_adapter(tmp_path / "a.gguf", _base())


def test_a_model_is_no_adapter() -> None:
    with pytest.raises(UnsupportedInput, match="whole model"):
        read_gguf_adapter(gguf_file(), _base())


def test_a_truncated_adapter_is_damaged(tmp_path: Path) -> None:
    write_gguf_adapter(random_adapter(_base(), 1), _base(), tmp_path / "a.gguf")
    (tmp_path / "b.gguf").write_bytes((tmp_path / "a.gguf").read_bytes()[:-500])
    with pytest.raises(DamagedFile, match="cut short"):
        read_gguf_adapter(tmp_path / "b.gguf", _base())


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    module = "model.layers.0.self_attn.v_proj"
    pair = LoraPair(torch.full((2, 64), float("nan")), torch.ones(32, 2), 1.0)
    write_gguf_adapter(Adapter("nan", "", {module: pair}), _base(), tmp_path / "a.gguf")
    with pytest.raises(DamagedFile, match="not finite"):
        read_gguf_adapter(tmp_path / "a.gguf", _base())


@pytest.mark.parametrize(
    ("kind", "tensors", "error", "words"),
    [
        ("control_vector", {}, UnsupportedInput, "type 'control_vector'"),
        ("alora", {}, UnsupportedInput, "activated LoRA"),
        ("lora", {}, DamagedFile, "empty"),
        ("lora", {"token_embd.weight.direction": (2, 64)}, UnsupportedInput, "no LoRA of a linear"),
        ("lora", {"blk.0.attn_q.weight.lora_a": (2, 64)}, DamagedFile, "only one half"),
    ],
)
def test_other_kinds_of_adapters_are_refused(
    tmp_path: Path, kind: str, tensors: dict[str, tuple[int, int]], error: type[Exception], words: str
) -> None:
    writer = GGUFWriter(tmp_path / "a.gguf", "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora" if kind == "alora" else kind)
    if kind == "alora":
        writer.add_array("adapter.alora.invocation_tokens", [1, 2])
    for name, shape in tensors.items():
        writer.add_tensor(name, torch.zeros(shape).numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(error, match=words):
        read_gguf_adapter(tmp_path / "a.gguf", _base())
