"""An adapter in memory, whatever file it came from.

Names are the Hugging Face module paths of the base (``model.layers.0.self_attn.q_proj``), rows in
Hugging Face order. ``r`` rank, ``d_in``/``d_out`` the linear's widths.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch


@dataclass(frozen=True, slots=True)
class LoraPair:
    """delta W = scale * b @ a, with a [r, d_in] and b [d_out, r] (already transposed for Conv1D)."""

    a: torch.Tensor
    b: torch.Tensor
    scale: float

    @property
    def rank(self) -> int:
        """Rows of a."""
        return self.a.shape[0]


@dataclass(frozen=True, slots=True)
class Adapter:
    """All pairs of one adapter and what its file said about its base."""

    name: str
    path: str
    pairs: dict[str, LoraPair]
    base_model: str = ""
    base_architecture: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def max_rank(self) -> int:
        """The largest rank over all modules."""
        return max((pair.rank for pair in self.pairs.values()), default=0)

    @property
    def n_params(self) -> int:
        """Numbers in all A and B."""
        return sum(pair.a.numel() + pair.b.numel() for pair in self.pairs.values())


@dataclass(frozen=True, slots=True)
class BaseModules:
    """What an adapter is checked against: widths of every linear of the base.

    ``linears`` maps a module path to (d_in, d_out); ``architecture`` is the config's ``model_type``
    (``llama``, ``qwen2``, ``gpt2`` ...); the head counts undo llama.cpp's row permutation of q and k.
    """

    architecture: str
    linears: dict[str, tuple[int, int]]
    n_layers: int
    n_heads: int
    n_kv_heads: int
    model_name: str = ""
