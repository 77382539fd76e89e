"""PEFT folders in and out, and every kind of file that is not one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.errors import AdapterMismatch, BadInput, DamagedFile, EngineError, UnsupportedInput
from engine.levels.adapter import Adapter, BaseModules, LoraPair
from engine.levels.check import check_adapter
from engine.levels.peft_io import read_adapter, read_peft, write_peft
from engine.levels.stack import LevelStack
from tests.unit.tiny_hf import DATA, peft_logits, save_adapter, tiny_model

IDS = torch.arange(3, 20).unsqueeze(0)


@pytest.fixture(scope="module")
def base() -> BaseModules:
    return LevelStack(tiny_model("llama")).base_modules()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = {
        "r": 4,
        "lora_alpha": 7,
        "rank_pattern": {"k_proj": 2},
        "alpha_pattern": {"layers.1.*v_proj": 5},
    }
    return save_adapter("llama", tmp_path_factory.mktemp("adapter") / "sample", 1, **settings)


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    copy = tmp_path / "sample"
    copy.mkdir()
    for file in saved.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


def change(folder: Path, **settings: object) -> None:
    config = folder / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | settings))


def test_patterns_of_rank_and_alpha_decide_each_module(saved: Path, base: BaseModules) -> None:
    pairs = read_peft(saved, base).pairs
    assert pairs["model.layers.0.self_attn.q_proj"].scale == 7 / 4
    assert pairs["model.layers.0.self_attn.k_proj"].rank == 2
    assert pairs["model.layers.0.self_attn.k_proj"].scale == 7 / 2
    assert pairs["model.layers.1.self_attn.v_proj"].scale == 5 / 4


def test_writing_and_reading_back_is_exact_to_the_bit(saved: Path, base: BaseModules, tmp_path: Path) -> None:
    adapter = read_peft(saved, base)
    write_peft(adapter, tmp_path / "copy", "tiny")
    again = read_adapter(tmp_path / "copy", base)
    assert again.base_model == "tiny"
    assert again.pairs.keys() == adapter.pairs.keys()
    for path, pair in adapter.pairs.items():
        assert torch.equal(again.pairs[path].a, pair.a)
        assert torch.equal(again.pairs[path].b, pair.b)
        assert again.pairs[path].scale == pair.scale
    assert not list(tmp_path.glob(".copy*"))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_any_scale_and_dtype_survives_the_file(dtype: torch.dtype, base: BaseModules, tmp_path: Path) -> None:
    torch.manual_seed(0)
    scales = [alpha / 7 for alpha in range(1, 1 + len(base.linears))]
    pairs = {
        path: LoraPair(torch.randn(7, d_in).to(dtype), torch.randn(d_out, 7).to(dtype), scale)
        for (path, (d_in, d_out)), scale in zip(base.linears.items(), scales, strict=True)
    }
    write_peft(Adapter("any", "", pairs), tmp_path / "any", "")
    again = read_peft(tmp_path / "any", base).pairs
    assert {path: pair.scale for path, pair in again.items()} == {path: p.scale for path, p in pairs.items()}
    assert all(torch.equal(again[path].b, pair.b) for path, pair in pairs.items())


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_peft_reads_what_strata_writes(family: str, tmp_path: Path) -> None:
    original = save_adapter(family, tmp_path / "original", 3, r=4, lora_alpha=6)
    base = LevelStack(tiny_model(family)).base_modules()
    write_peft(read_peft(original, base), tmp_path / "ours", "tiny")
    ours = peft_logits(family, [tmp_path / "ours"], [1.0], IDS)
    torch.testing.assert_close(ours, peft_logits(family, [original], [1.0], IDS), atol=0, rtol=0)


def test_a_folder_that_holds_something_is_never_overwritten(
    saved: Path, base: BaseModules, folder: Path
) -> None:
    before = sorted(file.name for file in folder.iterdir())
    with pytest.raises(BadInput, match="exists already"):
        write_peft(read_peft(saved, base), folder, "tiny")
    assert sorted(file.name for file in folder.iterdir()) == before


def test_a_full_disk_leaves_nothing_behind(
    saved: Path, base: BaseModules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.levels.peft_io.save_file", full)
    with pytest.raises(EngineError, match="could not be written") as caught:
        write_peft(read_peft(saved, base), tmp_path / "out" / "copy", "tiny")
    assert "No space left" in caught.value.detail
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json"])
def test_a_file_of_the_folder_stands_for_the_folder(name: str, saved: Path, base: BaseModules) -> None:
    assert read_adapter(saved / name, base).pairs.keys() == read_peft(saved, base).pairs.keys()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"peft_type": "ADALORA"}, "AdaLoRA"),
        ({"peft_type": "PREFIX_TUNING"}, "prefix-tuning"),
        ({"peft_type": None}, "kind"),
        ({"task_type": "SEQ_CLS"}, "classification"),
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, "biases"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"trainable_token_indices": [1]}, "token embeddings"),
        ({"target_parameters": ["experts.w"]}, "parameters"),
        ({"init_lora_weights": "pissa_niter_4"}, "changed base weights"),
        ({"alpha_pattern": {"(a+)+$": 3}}, "too complicated"),
    ],
)
def test_what_a_level_cannot_hold_is_refused_in_plain_words(
    settings: dict[str, object], words: str, folder: Path, base: BaseModules
) -> None:
    change(folder, **settings)
    with pytest.raises(UnsupportedInput, match=words) as caught:
        read_peft(folder, base)
    assert caught.value.hint or "alpha_pattern" in settings


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("base_model.model.score.weight", "classification"),
        ("base_model.model.model.layers.0.mlp.up_proj.lora_magnitude_vector", "DoRA"),
        ("base_model.model.model.embed_tokens.lora_embedding_A", "embeddings"),
        ("base_model.model.model.layers.0.mlp.up_proj.lora_B.bias", "biases"),
        ("something.else", "not LoRA"),
    ],
)
def test_foreign_tensors_are_refused_by_what_they_are(
    key: str, words: str, folder: Path, base: BaseModules
) -> None:
    weights = folder / "adapter_model.safetensors"
    save_file(load_file(weights) | {key: torch.ones(2, 2)}, weights)
    with pytest.raises(UnsupportedInput, match=words):
        read_peft(folder, base)


def test_an_adapter_on_the_output_head_is_refused(folder: Path, base: BaseModules) -> None:
    weights = folder / "adapter_model.safetensors"
    head = {f"base_model.model.lm_head.lora_{side}.weight": torch.ones(4, 4) for side in "AB"}
    save_file(load_file(weights) | head, weights)
    with pytest.raises(UnsupportedInput, match="lm_head"):
        read_peft(folder, base)


def test_damaged_files_are_named_as_such(folder: Path, base: BaseModules) -> None:
    weights, config = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    whole = weights.read_bytes()
    for content, words in [
        (whole[: len(whole) // 2], "cut short"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "LFS pointer"),
        (b"", "cut short"),
    ]:
        weights.write_bytes(content)
        with pytest.raises(DamagedFile, match=words):
            read_peft(folder, base)
    weights.write_bytes(whole)
    for text in ["{", "[]", '{"peft_type": "LORA", "r": "eight"}', "[" * 100_000, "{" + " " * (1 << 20)]:
        config.write_text(text)
        with pytest.raises(DamagedFile):
            read_peft(folder, base)


def test_a_rank_that_contradicts_the_config_is_refused(folder: Path, base: BaseModules) -> None:
    change(folder, r=5)
    with pytest.raises(DamagedFile, match="rank 5"):
        read_peft(folder, base)


def test_an_adapter_with_half_a_pair_is_refused(folder: Path, base: BaseModules) -> None:
    weights = folder / "adapter_model.safetensors"
    tensors = load_file(weights)
    tensors.pop("base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight")
    save_file(tensors, weights)
    with pytest.raises(DamagedFile, match="incomplete"):
        read_peft(folder, base)


def test_pickles_and_other_files_are_refused_with_a_way_out(folder: Path, base: BaseModules) -> None:
    weights = folder / "adapter_model.safetensors"
    weights.rename(folder / "adapter_model.bin")
    for path in (folder, folder / "adapter_model.bin"):
        with pytest.raises(UnsupportedInput, match="pickle") as caught:
            read_adapter(path, base)
        assert "save_pretrained" in caught.value.hint
    for path in (folder / "README.md", folder / "nowhere"):
        with pytest.raises(BadInput):
            read_adapter(path, base)


def test_a_whole_model_is_not_taken_for_an_adapter(tmp_path: Path, base: BaseModules) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UnsupportedInput, match="whole model"):
        read_adapter(tmp_path, base)


@pytest.mark.skipif(not DATA.exists(), reason="the shared data is not beside the repository")
@pytest.mark.parametrize("kind", ["adapters", "peft_configs"])
def test_real_adapters_of_other_models_are_refused(kind: str, base: BaseModules) -> None:
    folders = [folder for folder in (DATA / kind).iterdir() if folder.is_dir()]
    assert folders
    for folder in folders:
        with pytest.raises(EngineError) as caught:
            check_adapter(read_adapter(folder, base), base)
        assert caught.value.text
        assert caught.value.hint


@pytest.mark.skipif(not DATA.exists(), reason="the shared data is not beside the repository")
def test_a_real_adapter_of_another_model_names_what_differs(base: BaseModules) -> None:
    adapter = read_adapter(DATA / "adapters" / "qwen25_0.5b_r8_qv", base)
    with pytest.raises(AdapterMismatch, match=r"Qwen2\.5-0\.5B") as caught:
        check_adapter(adapter, base)
    assert "layers 3-23 do not exist in this model (3 layers)" in caught.value.mismatches
    assert len(caught.value.mismatches) == 3
