"""Can this Hugging Face folder be run? Judged from its headers, before anything is loaded from it."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from engine.errors import DamagedFile, UnsupportedInput
from engine.models.hf_header import HfHeader, read_hf_header, read_json

_WRITERS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


def read_config(folder: Path) -> tuple[PreTrainedConfig, HfHeader]:
    """The model's config and header; its own code is never run.

    Raises BadInput, DamagedFile or UnsupportedInput.
    """
    raw = read_json(folder / "config.json")
    _refuse_unknown(folder.name, raw)
    header = read_hf_header(folder)
    _refuse_silent(header)
    if header.n_layers > len(header.tensors):
        raise DamagedFile(
            f'The config.json of "{folder.name}" is damaged: it names more layers than there are weights.',
            "Download the model again.",
            f"{header.n_layers} layers, {len(header.tensors)} tensors",
        )
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # each architecture's config refuses in its own way
        raise DamagedFile(
            f'The config.json of "{folder.name}" is damaged.', "Download the model again.", str(error)
        ) from error
    assert isinstance(config, PreTrainedConfig)
    return config, header


def _refuse_unknown(name: str, raw: dict[str, object]) -> None:
    model_type = raw.get("model_type")
    if isinstance(model_type, str) and model_type in CONFIG_MAPPING:
        return
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


def _refuse_silent(header: HfHeader) -> None:
    writes = not header.classes or any(name.endswith(_WRITERS) for name in header.classes)
    if header.architecture in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and writes:
        return
    raise UnsupportedInput(
        f'"{header.path.name}" is not a text generation model.',
        "Choose a causal language model (its config names ...ForCausalLM).",
        f"model_type {header.architecture}, architectures {header.classes}",
    )
