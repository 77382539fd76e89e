"""A Hugging Face model folder, judged before anything is loaded from it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from engine.errors import BadInput, DamagedFile, UnsupportedInput
from engine.safetensors_file import open_safetensors

_INDEX = "model.safetensors.index.json"
_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}
_WRITERS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The safetensors files of a model, their numbers and the commonest dtype among them."""

    weights: tuple[Path, ...]
    n_params: int
    dtype: torch.dtype


def read_config(folder: Path) -> PreTrainedConfig:
    """The model's config; its own code is never run.

    Raises BadInput, DamagedFile or UnsupportedInput.
    """
    raw = _read_json(folder / "config.json")
    model_type, name = raw.get("model_type"), folder.name
    if model_type not in CONFIG_MAPPING:
        if "auto_map" in raw:
            raise UnsupportedInput(
                f'"{name}" brings its own Python code, which Strata never runs.',
                "Choose a model of an architecture that transformers knows, or a GGUF version of it.",
                f"model_type {model_type}, auto_map {raw['auto_map']}",
            )
        raise UnsupportedInput(
            f'"{name}" has an unknown architecture ({model_type}).',
            "A newer Strata may know it; a GGUF version of the model may work now.",
        )
    listed = raw.get("architectures")
    architectures = [str(item) for item in listed] if isinstance(listed, list) else []
    if model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or (
        architectures and not any(item.endswith(_WRITERS) for item in architectures)
    ):
        raise UnsupportedInput(
            f'"{name}" is not a text generation model.',
            "Choose a causal language model (its config names ...ForCausalLM).",
            f"model_type {model_type}, architectures {architectures}",
        )
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # each architecture's config refuses in its own way
        raise DamagedFile(
            f'The config.json of "{name}" is damaged.', "Download the model again.", str(error)
        ) from error
    assert isinstance(config, PreTrainedConfig)
    return config


def find_weights(folder: Path) -> ModelFiles:
    """The weight files, opened once each to see that they are whole.

    Raises BadInput (missing), UnsupportedInput (pickle only) or DamagedFile (truncated, LFS pointer).
    """
    paths = _weight_paths(folder)
    n_params = 0
    numbers: Counter[str] = Counter()
    for path in paths:
        with open_safetensors(path) as file:
            names = file.keys()
            for name in names:
                part = file.get_slice(name)
                size = int(torch.Size(part.get_shape()).numel())
                numbers[str(part.get_dtype())] += size
                n_params += size
    if not numbers:
        raise DamagedFile(f'"{folder.name}" holds no weights.', "Download the model again.")
    return ModelFiles(paths, n_params, _DTYPES.get(numbers.most_common(1)[0][0], torch.float32))


def _weight_paths(folder: Path) -> tuple[Path, ...]:
    index = folder / _INDEX
    if index.exists():
        shards = _read_json(index).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise DamagedFile(
                f'The weight index of "{folder.name}" is damaged.', "Download it again.", str(index)
            )
        names = sorted({Path(str(shard)).name for shard in shards.values()})
        missing = [name for name in names if not (folder / name).exists()]
        if missing:
            raise BadInput(
                f'"{folder.name}" is incomplete: {len(missing)} of {len(names)} weight files are missing.',
                "Finish the download.",
                ", ".join(missing),
            )
        return tuple(folder / name for name in names)
    if (folder / "model.safetensors").exists():
        return (folder / "model.safetensors",)
    if any(folder.glob("pytorch_model*.bin")) or any(folder.glob("*.pt")):
        raise UnsupportedInput(
            f'The weights of "{folder.name}" are Python pickles, which can run code when opened.',
            "Choose a version of the model with safetensors, or convert it where you trust it: "
            "AutoModelForCausalLM.from_pretrained(...).save_pretrained(...).",
        )
    raise BadInput(f'"{folder.name}" has no model.safetensors.', "Choose the folder that holds the weights.")


def _read_json(path: Path) -> dict[str, object]:
    folder = path.parent
    if not folder.is_dir():
        raise BadInput(f'"{folder}" is not a folder.', "Choose the folder of a Hugging Face model.")
    try:
        raw = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        hint = "Choose the folder that holds config.json and model.safetensors."
        if (folder / "adapter_config.json").exists():
            hint = "This folder is an adapter: load it on a level."
        raise BadInput(f'"{folder.name}" is not a model folder: it has no {path.name}.', hint) from error
    except OSError as error:
        raise BadInput(f'"{path}" cannot be read.', "Check its permissions.", str(error)) from error
    except (ValueError, RecursionError) as error:
        raise DamagedFile(
            f'"{path.name}" of "{folder.name}" is damaged.', "Download the model again.", str(error)
        ) from error
    if not isinstance(raw, dict):
        raise DamagedFile(f'"{path.name}" of "{folder.name}" is damaged.', "Download the model again.")
    return raw
