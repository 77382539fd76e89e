"""adapter_config.json: what of PEFT a level can take, and why not the rest."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from peft.utils.other import get_pattern_key

from engine.errors import BadInput, DamagedFile, UnsupportedInput

CONFIG_NAME = "adapter_config.json"
_MAX_CONFIG_BYTES = 1 << 20
_MAX_PATTERN_CHARS = 200

_KINDS = {
    "ADALORA": "an AdaLoRA adapter",
    "IA3": "an IA3 adapter",
    "LOHA": "a LoHa adapter",
    "LOKR": "a LoKr adapter",
    "VERA": "a VeRA adapter",
    "PREFIX_TUNING": "a prefix-tuning adapter",
    "PROMPT_TUNING": "a prompt-tuning adapter",
    "P_TUNING": "a p-tuning adapter",
    "OFT": "an OFT adapter",
    "BOFT": "a BOFT adapter",
    "XLORA": "a mixture of adapters (X-LoRA)",
}
_TASKS = {
    "SEQ_CLS": "text classification",
    "TOKEN_CLS": "token classification",
    "SEQ_2_SEQ_LM": "encoder-decoder models",
    "QUESTION_ANS": "answer-span extraction",
    "FEATURE_EXTRACTION": "embeddings",
}
_LORA_HINT = "Levels take plain LoRA adapters (also rsLoRA) for text generation."
_REFUSED_FLAGS = {
    "use_dora": "a DoRA adapter: it rescales the base weights, which a level cannot",
    "use_qalora": "a QA-LoRA adapter, which works on a quantised base only",
    "lora_bias": "a LoRA adapter with its own biases",
    "modules_to_save": "an adapter that replaces whole modules of the model (modules_to_save)",
    "trainable_token_indices": "an adapter with trained token embeddings",
    "target_parameters": "an adapter on bare parameters (target_parameters), not on linear layers",
    "layer_replication": "an adapter that repeats layers of its base (layer_replication)",
    "alora_invocation_tokens": "an activated LoRA (aLoRA), which sounds only after certain tokens",
}


@dataclass(frozen=True, slots=True)
class LoraConfig:
    """What a LoRA adapter's config says; ``rank`` and ``scale`` answer for a module path."""

    base_model: str
    rank: Callable[[str], int]
    scale: Callable[[str], float]


def read_lora_config(folder: Path) -> LoraConfig:
    """Read and judge ``folder``'s adapter_config.json.

    Raises BadInput (missing), DamagedFile (not a config) or UnsupportedInput (not plain LoRA).
    """
    config = _read_json(folder / CONFIG_NAME)
    _refuse_other_kinds(config, folder.name)
    r, alpha = _number(config, "r", 8), _number(config, "lora_alpha", 8)
    ranks, alphas = _pattern(config, "rank_pattern"), _pattern(config, "alpha_pattern")
    root = math.sqrt if config.get("use_rslora") else float

    def rank(path: str) -> int:
        return int(ranks.get(get_pattern_key(tuple(ranks), path), r))

    def scale(path: str) -> float:
        return alphas.get(get_pattern_key(tuple(alphas), path), alpha) / root(rank(path))

    base_model = config.get("base_model_name_or_path")
    return LoraConfig(base_model if isinstance(base_model, str) else "", rank, scale)


def _read_json(path: Path) -> dict[str, object]:
    damaged = f'The adapter\'s "{CONFIG_NAME}" is damaged'
    try:
        if path.stat().st_size > _MAX_CONFIG_BYTES:
            raise DamagedFile(f"{damaged}: it is far too large.", "Download the adapter again.", str(path))
        config = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise BadInput(
            f'"{path.parent.name}" is not an adapter folder: it has no {CONFIG_NAME}.',
            "Choose the folder that holds adapter_config.json and adapter_model.safetensors.",
            str(path),
        ) from error
    except OSError as error:
        raise BadInput(
            f'"{path}" cannot be read.', "Check the permissions of the folder.", str(error)
        ) from error
    except (ValueError, RecursionError) as error:
        raise DamagedFile(
            f"{damaged}: it is not JSON.", "Download the adapter again.", f"{path}: {error}"
        ) from error
    if not isinstance(config, dict):
        raise DamagedFile(f"{damaged}: it is not a JSON object.", "Download the adapter again.", str(path))
    return config


def _refuse_other_kinds(config: dict[str, object], name: str) -> None:
    kind = config.get("peft_type")
    if kind != "LORA":
        what = _KINDS.get(str(kind), f'an adapter of the kind "{kind}"')
        raise UnsupportedInput(f'"{name}" is {what}; levels are LoRA.', _LORA_HINT, f"peft_type {kind}")
    task = config.get("task_type")
    if task not in (None, "CAUSAL_LM"):
        purpose = _TASKS.get(str(task), str(task))
        raise UnsupportedInput(
            f'"{name}" was trained for {purpose}, not for writing text.', _LORA_HINT, f"task_type {task}"
        )
    for flag, what in _REFUSED_FLAGS.items():
        if config.get(flag):
            raise UnsupportedInput(f'"{name}" is {what}.', _LORA_HINT, f"{flag} {config[flag]}")
    if config.get("bias", "none") != "none":
        raise UnsupportedInput(
            f'"{name}" also changes the biases of its base.', _LORA_HINT, f"bias {config['bias']}"
        )
    init = config.get("init_lora_weights")
    if isinstance(init, str) and init.startswith(("pissa", "olora", "corda", "loftq")):
        raise UnsupportedInput(
            f'"{name}" was trained on changed base weights ({init}).',
            "Convert it in PEFT: save_pretrained(..., path_initial_model_for_weight_conversion=...).",
        )


def _number(config: dict[str, object], key: str, default: float) -> float:
    value = config.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e6:
        raise DamagedFile(
            f'The adapter\'s "{CONFIG_NAME}" is damaged: {key} is {value!r}.', "Download it again."
        )
    return float(value)


def _pattern(config: dict[str, object], key: str) -> dict[str, float]:
    """Patterns are regular expressions from a stranger: only those that cannot run away are matched."""
    value = config.get(key) or {}
    if not isinstance(value, dict):
        raise DamagedFile(
            f'The adapter\'s "{CONFIG_NAME}" is damaged: {key} is not an object.', "Download it again."
        )
    for pattern in value:
        runaway = re.search(r"\)[*+{]", pattern) or len(re.findall(r"[*+{]", pattern)) > 3
        if len(pattern) > _MAX_PATTERN_CHARS or runaway:
            raise UnsupportedInput(
                f"The adapter's {key} is too complicated to be safe.", detail=pattern[:300]
            )
        try:
            re.compile(pattern)
        except re.error as error:
            raise DamagedFile(
                f"The adapter's {key} is damaged.", "Download it again.", f"{pattern}: {error}"
            ) from error
    return {pattern: _number(value, pattern, 0) for pattern in value}
