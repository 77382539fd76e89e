"""From a folder to a model in memory: device, dtype, weights tensor by tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import (
    AutoTokenizer,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING
from transformers.utils import logging as transformers_logging

from engine.cancel import CancelToken
from engine.errors import BadInput, DamagedFile, MissingDependency, OutOfMemory
from engine.models.base import ProgressFn
from engine.models.hf_config import read_config
from engine.models.hf_header import HfHeader, weight_files
from engine.models.load_settings import check_settings, compute_threads
from engine.protocol import LoadSettings
from engine.safetensors_file import open_safetensors

_SMALL_MODEL_PARAMS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything a backend needs of a folder."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    generation: GenerationConfig
    dtype: torch.dtype
    device: torch.device


def load_folder(folder: Path, settings: LoadSettings, progress: ProgressFn, cancel: CancelToken) -> Loaded:
    """Load config, tokenizer and weights; nothing is fetched and no code of the model is run.

    Raises BadInput and its kinds, OutOfMemory, MissingDependency or JobCancelled.
    """
    check_settings(settings)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    progress("looking at the files", None)
    config, header = read_config(folder)
    cancel.check()
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device, header)
    torch.set_num_threads(compute_threads(settings))
    progress("reading the tokenizer", None)
    tokenizer = _tokenizer(folder)
    cancel.check()
    try:
        weights = _read_weights(weight_files(folder), dtype, device, progress, cancel)
        progress("building the model", None)
        model = _build(config, weights, dtype, device, folder.name)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _no_room(folder.name, device, error) from error
    except RuntimeError as error:
        if "alloc" not in str(error):
            raise
        raise _no_room(folder.name, device, error) from error
    return Loaded(model, tokenizer, _generation(folder), dtype, device)


def choose_device(wanted: str) -> torch.device:
    """'auto' takes CUDA, then MPS, then the CPU. Raises BadInput for one that is not there."""
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadInput(f'The device "{wanted}" is not there.', "Choose auto or cpu.", str(error)) from error
    return device


def choose_dtype(wanted: str, device: torch.device, header: HfHeader) -> torch.dtype:
    """'auto': bfloat16 (or float16) on a GPU; on a CPU float32 while the model is small, then bfloat16."""
    if wanted != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[wanted]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "mps":
        return torch.float16
    return torch.float32 if header.n_params < _SMALL_MODEL_PARAMS else torch.bfloat16


def _tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except ImportError as error:
        raise MissingDependency(
            f'The tokenizer of "{folder.name}" needs a package that is not installed.',
            "Choose a version of the model that has a tokenizer.json.",
            str(error),
        ) from error
    except Exception as error:  # tokenizers raises bare Exception for a damaged file
        raise DamagedFile(
            f'"{folder.name}" has no tokenizer that can be read.',
            "The folder needs tokenizer.json (and tokenizer_config.json).",
            str(error),
        ) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise BadInput(
            f'"{folder.name}" has no tokenizer.json.', "Choose a version of the model that has one."
        )
    return tokenizer


def _read_weights(
    files: Sequence[Path], dtype: torch.dtype, device: torch.device, progress: ProgressFn, cancel: CancelToken
) -> dict[str, torch.Tensor]:
    """Read, cast and move one tensor at a time: copies, so that no file stays mapped."""
    weights: dict[str, torch.Tensor] = {}
    total = sum(path.stat().st_size for path in files)
    done = 0
    for path in files:
        with open_safetensors(path) as file:
            names = file.keys()
            for name in names:
                cancel.check()
                tensor = file.get_tensor(name)
                done += tensor.nbytes
                target = dtype if tensor.is_floating_point() else tensor.dtype
                weights[name] = tensor.to(device=device, dtype=target, copy=True)
                progress("reading weights", min(1.0, done / max(1, total)))
    return weights


def _build(
    config: PreTrainedConfig,
    weights: dict[str, torch.Tensor],
    dtype: torch.dtype,
    device: torch.device,
    name: str,
) -> PreTrainedModel:
    model_class = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    assert isinstance(model_class, type)
    assert issubclass(model_class, PreTrainedModel)
    try:
        model, report = model_class.from_pretrained(
            None,
            config=config,
            state_dict=weights,
            dtype=dtype,
            device_map={"": device} if device.type != "cpu" else None,
            output_loading_info=True,
        )
    except ImportError as error:
        raise MissingDependency(
            f'"{name}" needs a package that is not installed.', "Choose an unquantised version.", str(error)
        ) from error
    except Exception as error:  # each architecture fails in its own way on a config that makes no sense
        if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "alloc" in str(error):
            raise
        raise DamagedFile(
            f'The weights of "{name}" do not match its config.', "Download the model again.", str(error)
        ) from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise DamagedFile(
            f'The weights of "{name}" do not match its config: {len(missing)} tensors are missing.',
            "Download the model again.",
            ", ".join(missing[:20]),
        )
    assert isinstance(model, PreTrainedModel)
    model.requires_grad_(False)
    return model


def _generation(folder: Path) -> GenerationConfig:
    if not (folder / "generation_config.json").exists():
        return GenerationConfig()  # type: ignore[no-untyped-call]
    try:
        return GenerationConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise DamagedFile(
            f'The generation_config.json of "{folder.name}" is damaged.',
            "Remove it or download it again.",
            str(error),
        ) from error


def _no_room(name: str, device: torch.device, error: BaseException) -> OutOfMemory:
    return OutOfMemory(
        f'There is no room for "{name}" on {device}.',
        "Close other programs, choose a smaller or quantised version, or load it on the CPU.",
        str(error),
    )
