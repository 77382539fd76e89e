"""The levels as one llama.cpp adapter, concatenated along the rank axis.

Per module A [R, d_in] holds gain x scale x A_i of every level, B [d_out, R] the plain B_i, in llama.cpp's
row order; the file's alpha is 0, which llama.cpp reads as a scale of 1.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import llama_cpp
import numpy as np
import torch
from gguf import GGUFWriter, Keys

from engine.errors import EngineError
from engine.levels import ggml_tensors
from engine.levels.adapter import LoraPair

_F16_LIMIT = 6e4

if TYPE_CHECKING:
    AdapterPointer = ctypes._Pointer[ctypes.c_void_p]


@dataclass(frozen=True, slots=True)
class Part:
    """Level ``level`` of one module; its rows of A begin at ``start``."""

    level: int
    start: int
    pair: LoraPair


@dataclass(frozen=True, slots=True)
class ModuleParts:
    """All levels of one module: ``tensor`` is its name in the GGUF, without '.weight'."""

    tensor: str
    parts: tuple[Part, ...]

    @property
    def rank(self) -> int:
        """R: rows of all levels together."""
        return sum(part.pair.rank for part in self.parts)


def concatenate(tensor: str, pairs: Mapping[int, LoraPair]) -> ModuleParts:
    """Place the levels' rows one after another, in the order of the stack."""
    parts: list[Part] = []
    start = 0
    for level in sorted(pairs):
        parts.append(Part(level, start, pairs[level]))
        start += pairs[level].rank
    return ModuleParts(tensor, tuple(parts))


def storage_dtype(modules: Sequence[ModuleParts], full_precision: bool) -> torch.dtype:
    """float16, or float32 for float32 models and for numbers that float16 cannot hold at any gain."""
    if full_precision:
        return torch.float32
    top = max(
        float(torch.maximum(2 * abs(part.pair.scale) * part.pair.a.abs().max(), part.pair.b.abs().max()))
        for module in modules
        for part in module.parts
    )
    return torch.float16 if top < _F16_LIMIT else torch.float32


def gained_rows(part: Part, gain: float, dtype: torch.dtype) -> np.ndarray:
    """gain x scale x A_i, [r, d_in]."""
    rows: np.ndarray = (part.pair.a.float() * (gain * part.pair.scale)).to(dtype).contiguous().numpy()
    return rows


def load_adapter(
    model: int, architecture: str, modules: Sequence[ModuleParts], gains: Sequence[float], dtype: torch.dtype
) -> AdapterPointer:
    """Hand the levels to llama.cpp; returns the adapter's pointer, which the caller frees.

    Raises EngineError where llama.cpp refuses.
    """
    with _memory_file() as path:
        writer = GGUFWriter(path, architecture)
        writer.add_type("adapter")
        writer.add_string(Keys.Adapter.TYPE, "lora")
        writer.add_float32(Keys.Adapter.LORA_ALPHA, 0.0)
        for module in modules:
            a = np.concatenate([gained_rows(part, gains[part.level], dtype) for part in module.parts])
            b = torch.cat([part.pair.b for part in module.parts], dim=1).to(dtype)
            writer.add_tensor(f"{module.tensor}.weight.lora_a", a)
            writer.add_tensor(f"{module.tensor}.weight.lora_b", b.contiguous().numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        pointer: AdapterPointer | None = llama_cpp.llama_adapter_lora_init(model, os.fsencode(path))
    if not pointer:
        raise EngineError(
            "llama.cpp did not accept the level's adapter.",
            "It may need more memory than there is, or belong to another model.",
        )
    return pointer


def set_adapters(context: int, pointers: Sequence[AdapterPointer], scales: Sequence[float]) -> None:
    """Make exactly these adapters count from the next token on. Raises EngineError."""
    n = len(pointers)
    array = (llama_cpp.llama_adapter_lora_p_ctypes * n)(*pointers)
    factors = (ctypes.c_float * n)(*scales)
    if llama_cpp.llama_set_adapters_lora(context, array, n, factors) != 0:
        raise EngineError("llama.cpp could not lay the levels over the model.", "Load the model again.")


def write_gains(
    pointers: Mapping[str, int],
    modules: Sequence[ModuleParts],
    gains: Sequence[float],
    levels: frozenset[int],
    dtype: torch.dtype,
) -> None:
    """Write the rows of A of ``levels`` in place; ``pointers`` maps a module's name to its A."""
    for module in modules:
        for part in module.parts:
            if part.level in levels:
                rows = gained_rows(part, gains[part.level], dtype)
                row_bytes = rows.shape[1] * rows.itemsize
                ggml_tensors.write(pointers[module.tensor], part.start * row_bytes, rows)


@contextmanager
def _memory_file() -> Iterator[Path]:
    """A path to a file in memory, or to a temporary one where the system has no such thing."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("levels")
        try:
            yield Path(f"/proc/self/fd/{handle}")
        finally:
            os.close(handle)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "levels.gguf"
