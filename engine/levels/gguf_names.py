"""Module names and row orders: Hugging Face on one side, GGUF on the other."""

from __future__ import annotations

import re
from typing import TypeVar

import numpy as np
import torch
from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, get_tensor_name_map

from engine.errors import UnsupportedInput
from engine.levels.adapter import BaseModules

_Rows = TypeVar("_Rows", np.ndarray, torch.Tensor)

_ARCH_OF_TYPE = {
    "mistral": "llama",
    "gpt_neox": "gptneox",
    "phi": "phi2",
    "gemma3_text": "gemma3",
    "cohere": "command-r",
}
"""GGUF architectures whose name differs from transformers' ``model_type``."""

_PERMUTING = frozenset({"llama"})
"""Architectures whose q and k rows the converter reorders for llama.cpp's rotary embedding."""

_LLAMA_TAILS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_qkv": "self_attn.qkv_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_TAILS = {
    "gpt2": {
        "attn_qkv": "attn.c_attn",
        "attn_output": "attn.c_proj",
        "ffn_up": "mlp.c_fc",
        "ffn_down": "mlp.c_proj",
    },
    "phi3": _LLAMA_TAILS | {"ffn_up": "mlp.gate_up_proj"},
}
_PREFIX = {"gpt2": "transformer.h"}
_BLOCK = re.compile(r"blk\.(\d+)\.(\w+)\.weight")


def gguf_architecture(model_type: str) -> str:
    """llama.cpp's name of an architecture. Raises UnsupportedInput where it has none."""
    name = _ARCH_OF_TYPE.get(model_type, model_type)
    if name not in MODEL_ARCH_NAMES.values():
        raise UnsupportedInput(f"llama.cpp does not know models of type '{model_type}'.")
    return name


def model_type(architecture: str) -> str:
    """transformers' ``model_type`` of a GGUF architecture (``llama`` also covers mistral)."""
    back = {gguf: hf for hf, gguf in _ARCH_OF_TYPE.items() if gguf not in _PERMUTING}
    return back.get(architecture, architecture)


def gguf_names(base: BaseModules) -> dict[str, str]:
    """Tensor name in a GGUF (without ``.weight``) of every linear of the base that has one there."""
    arch = _arch(gguf_architecture(base.architecture))
    names = get_tensor_name_map(arch, base.n_layers)
    found = {module: names.get_name(module) for module in base.linears}
    return {module: name for module, name in found.items() if name is not None}


def hf_name(tensor: str, architecture: str) -> str | None:
    """Hugging Face module of a weight of a GGUF model; None for what is no linear of the stack (the
    output head is none)."""
    match = _BLOCK.fullmatch(tensor)
    if match is None:
        return None
    tail = _TAILS.get(architecture, _LLAMA_TAILS).get(match[2])
    return None if tail is None else f"{_PREFIX.get(architecture, 'model.layers')}.{match[1]}.{tail}"


def layer_of(module: str) -> int | None:
    """The layer a module belongs to: the first number in its path."""
    return next((int(part) for part in module.split(".") if part.isdigit()), None)


def rows_to_gguf(rows: _Rows, module: str, base: BaseModules) -> _Rows:
    """Rows [d_out, ...] of a module in llama.cpp's order (bit for bit, only moved)."""
    heads = _heads(module, base)
    if heads is None:
        return rows
    split = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return split.swapaxes(1, 2).reshape(rows.shape)


def rows_to_hf(rows: _Rows, module: str, base: BaseModules) -> _Rows:
    """The inverse of :func:`rows_to_gguf`."""
    heads = _heads(module, base)
    if heads is None:
        return rows
    split = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
    return split.swapaxes(1, 2).reshape(rows.shape)


def _heads(module: str, base: BaseModules) -> int | None:
    if gguf_architecture(base.architecture) not in _PERMUTING:
        return None
    return {"q_proj": base.n_heads, "k_proj": base.n_kv_heads}.get(module.rsplit(".", 1)[-1])


def _arch(name: str) -> MODEL_ARCH:
    return next(arch for arch, known in MODEL_ARCH_NAMES.items() if known == name)
