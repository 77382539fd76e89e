"""Writes a Hugging Face model folder as a GGUF file that llama.cpp loads.

Covers the plain decoder family: llama, mistral and qwen2, in safetensors. Tensors go through memory one
at a time. Layout after llama.cpp's ``convert_hf_to_gguf.py`` (its q and k rows are permuted because its
rotary embedding turns neighbouring pairs where transformers turns the two halves of a head).
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from gguf import (
    MODEL_ARCH,
    MODEL_ARCH_NAMES,
    GGMLQuantizationType,
    GGUFWriter,
    LlamaFileType,
    RopeScalingType,
    TensorNameMap,
    get_tensor_name_map,
    quant_shape_to_byte_shape,
    quantize,
)
from safetensors import SafetensorError, safe_open

from engine.errors import DamagedFile, UnsupportedInput
from engine.models.gguf_export_tokens import read_tokens

Dtype = Literal["f32", "f16", "q8_0"]

_ARCHITECTURES = {"llama": MODEL_ARCH.LLAMA, "mistral": MODEL_ARCH.LLAMA, "qwen2": MODEL_ARCH.QWEN2}
_TYPES = {
    "f32": (GGMLQuantizationType.F32, LlamaFileType.ALL_F32),
    "f16": (GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16),
    "q8_0": (GGMLQuantizationType.Q8_0, LlamaFileType.MOSTLY_Q8_0),
}
_Q8_BLOCK = 32


@dataclass(frozen=True, slots=True)
class _Source:
    """The folder's config and where each tensor lies."""

    folder: Path
    config: dict[str, Any]
    file_of: dict[str, Path]

    @property
    def n_heads(self) -> int:
        return int(self.config["num_attention_heads"])

    @property
    def n_kv_heads(self) -> int:
        return int(self.config.get("num_key_value_heads") or self.n_heads)

    @property
    def head_dim(self) -> int:
        return int(self.config.get("head_dim") or self.config["hidden_size"] // self.n_heads)

    @property
    def permutes(self) -> bool:
        return _ARCHITECTURES[self.config["model_type"]] == MODEL_ARCH.LLAMA


def export_gguf(hf_dir: Path, out: Path, dtype: Dtype, name: str = "") -> None:
    """Write ``hf_dir`` (config, tokenizer, safetensors) to the file ``out``, whole or not at all.

    ``name`` is the model's name in the header (the folder's where it is empty).
    Vectors stay float32; with ``q8_0`` a matrix whose rows are no multiple of 32 becomes float16.
    Raises UnsupportedInput for another architecture, tokenizer or rope scaling, DamagedFile for a
    folder that cannot be read.
    """
    source = _open_source(hf_dir)
    arch = _ARCHITECTURES[source.config["model_type"]]
    tokens = read_tokens(hf_dir, int(source.config["vocab_size"]))
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    os.close(handle)
    temporary = Path(unfinished)
    try:
        writer = GGUFWriter(temporary, MODEL_ARCH_NAMES[arch])
        _write_config(writer, source, dtype, name)
        tokens.write(writer)
        _write_tensors(writer, source, arch, dtype)
        writer.flush()
        writer.close()
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def _open_source(folder: Path) -> _Source:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedFile(
            "The model's config.json cannot be read.", "Give the folder of a Hugging Face model.", str(error)
        ) from error
    kind = config.get("model_type")
    if kind not in _ARCHITECTURES:
        raise UnsupportedInput(
            f"Models of type '{kind}' cannot be written to GGUF here.",
            f"These can: {', '.join(_ARCHITECTURES)}. For others use llama.cpp's own converter.",
        )
    window = config.get("sliding_window")
    if kind == "mistral" and window and window < config["max_position_embeddings"]:
        raise UnsupportedInput(
            "This model attends through a sliding window, which a GGUF of the llama family cannot say.",
            "Use llama.cpp's own converter.",
        )
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UnsupportedInput("The model folder holds no safetensors.", "Save it as safetensors first.")
    file_of: dict[str, Path] = {}
    for file in files:
        try:
            with safe_open(file, framework="pt") as tensors:
                file_of |= dict.fromkeys(tensors.keys(), file)
        except (OSError, SafetensorError) as error:
            raise DamagedFile(f"{file.name} is damaged.", "Download the file again.", str(error)) from error
    return _Source(folder, config, file_of)


def _write_config(writer: GGUFWriter, source: _Source, dtype: Dtype, name: str) -> None:
    config = source.config
    writer.add_type("model")
    writer.add_name(name or source.folder.resolve().name)
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(int(config["hidden_size"]))
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(source.n_heads)
    writer.add_head_count_kv(source.n_kv_heads)
    writer.add_key_length(source.head_dim)
    writer.add_value_length(source.head_dim)
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_rope_dimension_count(source.head_dim)
    writer.add_vocab_size(int(config["vocab_size"]))
    writer.add_file_type(_TYPES[dtype][1])
    writer.add_quantization_version(2)
    _write_rope(writer, config)


def _write_rope(writer: GGUFWriter, config: dict[str, Any]) -> None:
    rope: dict[str, Any] = config.get("rope_parameters") or config.get("rope_scaling") or {}
    writer.add_rope_freq_base(float(rope.get("rope_theta", config.get("rope_theta", 10000.0))))
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "linear":
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(rope["factor"]))
    elif kind != "default":
        raise UnsupportedInput(
            f"The rope scaling '{kind}' cannot be written to GGUF here.", "Use llama.cpp's own converter."
        )


def _write_tensors(writer: GGUFWriter, source: _Source, arch: MODEL_ARCH, dtype: Dtype) -> None:
    names = get_tensor_name_map(arch, int(source.config["num_hidden_layers"]))
    plan = list(_plan(source, names, dtype))
    for _, target, shape, kind in plan:
        byte_shape = quant_shape_to_byte_shape(shape, kind)
        n_bytes = int(np.prod(byte_shape, dtype=np.int64))
        quantised = kind not in (GGMLQuantizationType.F32, GGMLQuantizationType.F16)
        writer.add_tensor_info(
            target,
            byte_shape if quantised else shape,
            np.dtype(np.uint8) if quantised else np.dtype(np.float32),
            n_bytes,
            raw_dtype=kind,
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, _, _, kind in plan:
        with safe_open(source.file_of[name], framework="pt") as tensors:
            data = tensors.get_tensor(name).to(torch.float32).numpy()
        writer.write_tensor_data(quantize(_permuted(data, name, source), kind))


def _plan(
    source: _Source, names: TensorNameMap, dtype: Dtype
) -> Iterator[tuple[str, str, tuple[int, ...], GGMLQuantizationType]]:
    """(name in the folder, name in the GGUF, shape, type) of every tensor to write."""
    tied = bool(source.config.get("tie_word_embeddings", False))
    for name, file in source.file_of.items():
        if name.endswith(("rotary_emb.inv_freq", ".attention.bias")) or (tied and name == "lm_head.weight"):
            continue
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if target is None:
            raise UnsupportedInput(f"The tensor '{name}' has no place in a GGUF of this architecture.")
        with safe_open(file, framework="pt") as tensors:
            shape = tuple(tensors.get_slice(name).get_shape())
        kind = _TYPES[dtype][0] if len(shape) > 1 else GGMLQuantizationType.F32
        if kind == GGMLQuantizationType.Q8_0 and shape[-1] % _Q8_BLOCK:
            kind = GGMLQuantizationType.F16
        yield name, target, shape, kind


def _permuted(data: np.ndarray, name: str, source: _Source) -> np.ndarray:
    """Rows of q and k in llama.cpp's order: [heads, 2, d/2, ...] -> [heads, d/2, 2, ...]."""
    stem = name.rsplit(".", 2)[-2] if name.count(".") > 1 else ""
    if not source.permutes or stem not in ("q_proj", "k_proj"):
        return data
    heads = source.n_heads if stem == "q_proj" else source.n_kv_heads
    split = data.reshape(heads, 2, data.shape[0] // heads // 2, *data.shape[1:])
    return split.swapaxes(1, 2).reshape(data.shape)
