"""Loading a model folder: what works, what is refused, and in which words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.cancel import CancelToken
from engine.errors import BadInput, DamagedFile, EngineError, JobCancelled, UnsupportedInput
from engine.models.hf import HfBackend
from engine.protocol import LoadSettings
from tests.unit.tiny_hf import save_model, tiny_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(saved, tmp_path / "tiny"))


def load(folder: Path, **settings: object) -> HfBackend:
    return HfBackend.load(folder, LoadSettings(device="cpu", **settings), lambda *_: None, CancelToken())


def change_config(folder: Path, **settings: object) -> None:
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | settings))


def test_a_folder_is_loaded_to_the_bit_and_described(saved: Path) -> None:
    backend = load(saved, n_ctx=100)
    for name, tensor in tiny_model("llama").state_dict().items():
        assert torch.equal(backend.model.state_dict()[name], tensor)
    info = backend.info
    assert (info.name, info.backend, info.architecture) == ("tiny", "hf", "llama")
    assert (info.n_layers, info.d_model, info.n_vocab) == (3, 32, 320)
    assert (info.n_ctx, info.n_ctx_train) == (100, 128)
    assert (info.dtype, info.device, info.has_chat_template) == ("float32", "cpu", True)
    assert info.n_params == sum(p.numel() for p in tiny_model("llama").parameters())
    assert info.weights_bytes >= 4 * info.n_params
    assert not any(parameter.requires_grad for parameter in backend.model.parameters())


def test_a_model_in_the_hugging_face_cache_goes_by_its_own_name(saved: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "models--fjord--Heron-1B" / "snapshots" / "0a1b2c"
    shutil.copytree(saved, snapshot)
    assert load(snapshot).info.name == "fjord/Heron-1B"


def test_tied_weights_are_counted_once(tmp_path: Path) -> None:
    backend = load(save_model(tmp_path / "tied", "gpt2"))
    assert backend.info.n_params == sum(p.numel() for p in tiny_model("gpt2").parameters())
    assert backend.info.weights_bytes < 4 * backend.info.n_params + 10_000


def test_a_wanted_dtype_is_taken(saved: Path) -> None:
    backend = load(saved, dtype="bfloat16")
    assert backend.info.dtype == "bfloat16"
    assert backend.model.model.layers[0].mlp.up_proj.weight.dtype == torch.bfloat16


def test_sharded_weights_are_loaded(tmp_path: Path) -> None:
    save_model(tmp_path)
    tiny_model("llama").save_pretrained(tmp_path, max_shard_size="40KB")
    (tmp_path / "model.safetensors").unlink(missing_ok=True)
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 1
    assert load(tmp_path).info.n_layers == 3
    shards[0].unlink()
    with pytest.raises(DamagedFile, match="weight files are not in the folder"):
        load(tmp_path)


def test_progress_rises_to_one(saved: Path) -> None:
    seen: list[tuple[str, float | None]] = []
    HfBackend.load(saved, LoadSettings(device="cpu"), lambda *stage: seen.append(stage), CancelToken())
    fractions = [fraction for stage, fraction in seen if stage == "reading weights"]
    assert fractions == sorted(fractions)
    assert len(fractions) > 10
    assert fractions[-1] == pytest.approx(1.0, abs=0.1)


def test_loading_can_be_stopped_between_tensors(saved: Path) -> None:
    token = CancelToken()
    seen = []

    def stop(stage: str, fraction: float | None) -> None:
        seen.append(fraction)
        if fraction is not None:
            token.set()

    with pytest.raises(JobCancelled):
        HfBackend.load(saved, LoadSettings(device="cpu"), stop, token)
    assert len([fraction for fraction in seen if fraction is not None]) == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model_type": "martian"}, "unknown architecture"),
        ({"model_type": "martian", "auto_map": {"AutoConfig": "x.Y"}}, "own Python code"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "not a text generation model"),
        ({"model_type": "vit", "architectures": ["ViTModel"]}, "not a text generation model"),
    ],
)
def test_models_that_strata_cannot_run_are_refused(
    settings: dict[str, object], words: str, folder: Path
) -> None:
    change_config(folder, **settings)
    with pytest.raises(UnsupportedInput, match=words) as caught:
        load(folder)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"model_type": "llama", "hidden_size": "wide"}'])
def test_a_config_that_is_none_is_refused(text: str, folder: Path) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(BadInput, match=r"config\.json|does not describe a language model") as caught:
        load(folder)
    assert caught.value.hint


@pytest.mark.parametrize("settings", [{"num_hidden_layers": 10**8}, {"rms_norm_eps": "small"}])
def test_a_config_that_makes_no_sense_is_damaged(settings: dict[str, object], folder: Path) -> None:
    change_config(folder, **settings)
    with pytest.raises(DamagedFile, match=r"config\.json .* is damaged"):
        load(folder)


def test_damaged_weights_are_named(folder: Path) -> None:
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    for content, words in [(whole[:-10], "cut short"), (b"\0" * 64, "cut short"), (pointer, "LFS pointer")]:
        weights.write_bytes(content)
        with pytest.raises(DamagedFile, match=words):
            load(folder)


def test_weights_that_belong_to_another_config_are_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    missing = {name: tensor for name, tensor in tensors.items() if "layers.2.mlp" not in name}
    save_file(missing, weights, metadata={"format": "pt"})
    with pytest.raises(DamagedFile, match="3 tensors are missing"):
        load(folder)
    save_file(tensors, weights, metadata={"format": "pt"})
    change_config(folder, intermediate_size=64)
    with pytest.raises(DamagedFile, match="do not match its config"):
        load(folder)


def test_pickled_weights_are_refused_with_a_way_out(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsupportedInput, match="pickles") as caught:
        load(folder)
    assert "safetensors" in caught.value.hint


def test_missing_parts_are_named(folder: Path, tmp_path: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(EngineError, match="tokenizer"):
        load(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(BadInput, match=r"no model\.safetensors"):
        load(folder)
    with pytest.raises(BadInput, match=r"config\.json cannot be read"):
        load(tmp_path / "nowhere")


def test_what_torch_cannot_do_is_refused(saved: Path) -> None:
    with pytest.raises(UnsupportedInput, match="GGUF"):
        load(saved, kv_type="q8_0")
    with pytest.raises(BadInput, match="not there"):
        HfBackend.load(saved, LoadSettings(device="cuda:77"), lambda *_: None, CancelToken())
