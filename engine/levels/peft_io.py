"""Adapters from and to PEFT folders; the one door for adapter files of any kind."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections import Counter
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from engine.errors import BadInput, DamagedFile, EngineError, UnsupportedInput
from engine.levels.adapter import Adapter, BaseModules, LoraPair
from engine.levels.peft_config import CONFIG_NAME, LoraConfig, read_lora_config
from engine.safetensors_file import open_safetensors

WEIGHTS_NAME = "adapter_model.safetensors"
_PREFIX = "base_model.model."
_KEY = re.compile(r"^base_model\.model\.(?P<path>.+)\.lora_(?P<side>[AB])(\.default)?\.weight$")
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_HINT = "Levels take plain LoRA on the linear layers of a text generation model."


def read_adapter(path: Path, base: BaseModules) -> Adapter:
    """Read a PEFT folder, its safetensors file, or a GGUF adapter.

    Raises BadInput, DamagedFile or UnsupportedInput. Whether it fits the base, ``check_adapter`` says.
    """
    try:
        return _read_any(path, base)
    except PermissionError as error:
        raise BadInput(f'"{path.name}" may not be read.', "Check its permissions.", str(error)) from error


def _read_any(path: Path, base: BaseModules) -> Adapter:
    if path.is_dir():
        return read_peft(path, base)
    if not path.exists():
        raise BadInput(f'"{path}" does not exist.', "Choose an adapter folder or a .gguf file.")
    if path.suffix == ".gguf":
        from engine.levels.gguf_io import read_gguf_adapter

        return read_gguf_adapter(path, base)
    if path.name in (WEIGHTS_NAME, CONFIG_NAME):
        return read_peft(path.parent, base)
    if path.suffix in (".bin", ".pt", ".pth", ".pkl", ".ckpt"):
        raise _pickle(path)
    raise UnsupportedInput(
        f'"{path.name}" is not an adapter.',
        f"Choose a PEFT folder ({CONFIG_NAME} and {WEIGHTS_NAME}) or a .gguf adapter.",
    )


def read_peft(folder: Path, base: BaseModules) -> Adapter:
    """Read a PEFT LoRA folder, tensors as they are in the file.

    A and B are stored for nn.Linear orientation also over GPT-2's Conv1D, so nothing is transposed here.
    Raises BadInput, DamagedFile or UnsupportedInput with what is wrong in the user's words.
    """
    if not (folder / CONFIG_NAME).exists() and (folder / "config.json").exists():
        raise UnsupportedInput(
            f'"{folder.name}" is a whole model, not an adapter.', "Open it as a model instead."
        )
    config = read_lora_config(folder)
    weights = folder / WEIGHTS_NAME
    if not weights.exists():
        pickled = folder / "adapter_model.bin"
        if pickled.exists():
            raise _pickle(pickled)
        raise BadInput(f'"{folder.name}" has no {WEIGHTS_NAME}.', "Download the whole adapter folder again.")
    sides = _read_sides(weights)
    return Adapter(
        name=folder.resolve().name,
        path=str(folder),
        pairs={path: _pair(path, tensors, config) for path, tensors in sorted(sides.items())},
        base_model=config.base_model,
    )


def _read_sides(weights: Path) -> dict[str, dict[str, torch.Tensor]]:
    """{module path: {'A': ..., 'B': ...}}."""
    sides: dict[str, dict[str, torch.Tensor]] = {}
    with open_safetensors(weights) as file:
        keys = file.keys()
        foreign = [key for key in keys if not _KEY.match(key)]
        if foreign:
            raise UnsupportedInput(_foreign(foreign), _HINT, ", ".join(foreign[:20]))
        for key in keys:
            found = _KEY.match(key)
            assert found is not None
            sides.setdefault(found["path"], {})[found["side"]] = file.get_tensor(key)
    return sides


def _foreign(keys: list[str]) -> str:
    joined = " ".join(keys)
    if "lora_magnitude_vector" in joined:
        return "This is a DoRA adapter: it rescales the base weights, which a level cannot."
    if "lora_embedding" in joined or "token_adapter" in joined:
        return "This adapter changes the token embeddings; levels lie on linear layers only."
    if re.search(r"\.(score|classifier|qa_outputs)\.|modules_to_save", joined):
        return "This adapter brings a head of its own (classification); it was not trained for writing text."
    if "lora_B.bias" in joined or "lora_B.default.bias" in joined:
        return "This LoRA adapter has its own biases."
    return f'This adapter holds weights that are not LoRA ("{keys[0].removeprefix(_PREFIX)}").'


def _pair(path: str, tensors: dict[str, torch.Tensor], config: LoraConfig) -> LoraPair:
    again = "Download the adapter again."
    if set(tensors) != {"A", "B"}:
        raise DamagedFile(f"The adapter is incomplete: {path} has only one of its two matrices.", again)
    a, b = tensors["A"], tensors["B"]
    if a.dtype not in _FLOATS or b.dtype not in _FLOATS:
        raise UnsupportedInput(
            f"The adapter's numbers are quantised ({a.dtype}).", "Save it in float16 or bfloat16."
        )
    if a.ndim != 2 or b.ndim != 2:
        raise UnsupportedInput(f"The adapter adapts something that is not a linear layer ({path}).", _HINT)
    if path.rsplit(".", 1)[-1] in ("lm_head", "embed_out"):
        raise UnsupportedInput("This adapter changes the output head (lm_head).", _HINT, path)
    rank = config.rank(path)
    if a.shape[0] != rank or b.shape[1] != rank:
        raise DamagedFile(
            f"The adapter contradicts itself: {path} should have rank {rank}, its file holds "
            f"{a.shape[0]} and {b.shape[1]}.",
            again,
        )
    return LoraPair(a, b, config.scale(path))


def _pickle(path: Path) -> UnsupportedInput:
    return UnsupportedInput(
        f'"{path.name}" is a Python pickle, which can run code when opened; levels are safetensors.',
        "Open it in PEFT where you trust it and save it with save_pretrained(), which writes safetensors.",
        str(path),
    )


def write_peft(adapter: Adapter, folder: Path, base_model_name: str) -> None:
    """Write a new PEFT folder, whole or not at all.

    Raises BadInput if ``folder`` holds something, EngineError when the disk refuses.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BadInput(f'"{folder.name}" exists already.', "Choose another name.", str(folder))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            fresh = Path(scratch) / "adapter"
            _write_files(adapter, fresh, base_model_name)
            os.replace(fresh, folder)
        _sync(folder.parent)
    except (OSError, SafetensorError) as error:
        raise EngineError(
            f'"{folder.name}" could not be written.',
            "Check the free space and the permissions of its folder.",
            str(error),
        ) from error


def _write_files(adapter: Adapter, folder: Path, base_model_name: str) -> None:
    folder.mkdir()
    tensors = {}
    for path, pair in adapter.pairs.items():
        tensors[f"{_PREFIX}{path}.lora_A.weight"] = pair.a.detach().contiguous()
        tensors[f"{_PREFIX}{path}.lora_B.weight"] = pair.b.detach().contiguous()
    save_file(tensors, folder / WEIGHTS_NAME, metadata={"format": "pt"})
    (folder / CONFIG_NAME).write_text(json.dumps(_config(adapter, base_model_name), indent=2), "utf-8")
    for file in folder.iterdir():
        _sync(file)


def _config(adapter: Adapter, base_model_name: str) -> dict[str, object]:
    ranks = Counter(pair.rank for pair in adapter.pairs.values())
    alphas = {path: pair.scale * pair.rank for path, pair in adapter.pairs.items()}
    r = ranks.most_common(1)[0][0] if ranks else 8
    alpha = Counter(alphas.values()).most_common(1)[0][0] if alphas else 8.0
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model_name,
        "r": r,
        "lora_alpha": int(alpha) if alpha.is_integer() else alpha,
        "rank_pattern": {path: pair.rank for path, pair in adapter.pairs.items() if pair.rank != r},
        "alpha_pattern": {path: value for path, value in alphas.items() if value != alpha},
        "target_modules": sorted(adapter.pairs),
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
    }


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
