"""The levels of one linear, laid over its forward.

``R`` is the sum of the levels' ranks, ``d_in``/``d_out`` the linear's widths. Every level is a slice
of the rank axis, in the order of the stack.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from engine.levels.adapter import BaseModules, LoraPair

_LAYER = re.compile(r"\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class RankSlice:
    """Rows ``start:stop`` of the rank axis belong to level number ``level``."""

    level: int
    start: int
    stop: int
    scale: float


def layer_of(path: str) -> int | None:
    """The layer number in a module path, None outside the layers."""
    found = _LAYER.search(path)
    return int(found.group(1)) if found else None


def find_linears(model: nn.Module) -> dict[str, nn.Module]:
    """Linear and Conv1D modules by path, without the output head."""
    head = None
    if isinstance(model, PreTrainedModel):
        head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    return {
        path: module
        for path, module in model.named_modules()
        if isinstance(module, (nn.Linear, Conv1D)) and module is not head
    }


def widths(linear: nn.Module) -> tuple[int, int]:
    """(d_in, d_out) of a Linear or Conv1D."""
    if isinstance(linear, nn.Linear):
        return linear.in_features, linear.out_features
    assert isinstance(linear, Conv1D)
    d_in, d_out = linear.weight.shape
    return int(d_in), int(d_out)


def describe_base(config: PreTrainedConfig, linears: Mapping[str, nn.Module]) -> BaseModules:
    """What an adapter for this model is checked against."""
    text = config.get_text_config(decoder=True)
    n_heads = int(getattr(text, "num_attention_heads", 0))
    return BaseModules(
        architecture=str(config.model_type),
        linears={path: widths(module) for path, module in linears.items()},
        n_layers=int(text.num_hidden_layers),
        n_heads=n_heads,
        n_kv_heads=int(getattr(text, "num_key_value_heads", None) or n_heads),
        model_name=str(getattr(config, "_name_or_path", "")),
    )


class LinearLevels:
    """All levels of one linear: y = W0 x + B (gain * (A x)).

    ``a`` is [R, d_in] and ``b`` [R, d_out] in the linear's dtype (b transposed, so that a level is a
    block of rows in both); ``gain`` float32 [R] (later [batch, 1, R]) holds alpha_i scale_i and belongs
    to the stack, which writes it in place. It takes the place of the linear's ``forward`` while any
    level sounds, so a muted stack costs nothing and the model's module tree never changes.
    """

    __slots__ = ("a", "b", "base_forward", "gain", "gram", "layer", "linear", "output", "path", "slices", "z")

    def __init__(self, path: str, linear: nn.Module, levels: Mapping[int, LoraPair]) -> None:
        weight = linear.weight
        assert isinstance(weight, torch.Tensor)
        self.path = path
        self.layer = layer_of(path)
        self.linear = linear
        self.base_forward: Callable[[torch.Tensor], torch.Tensor] = type(linear).forward.__get__(linear)
        pairs = [levels[level] for level in sorted(levels)]
        self.a = torch.cat([pair.a.to(weight.device, weight.dtype) for pair in pairs])
        self.b = torch.cat([pair.b.to(weight.device, weight.dtype).t() for pair in pairs])
        self.slices = _slices(levels)
        self.gain = torch.zeros(self.rank, device=weight.device)
        self.gram = [_gram(self.b[part.start : part.stop].float()) for part in self.slices]
        self.z: torch.Tensor | None = None
        self.output: torch.Tensor | None = None

    @property
    def rank(self) -> int:
        """R: rows of all levels together."""
        return self.a.shape[0]

    def pair(self, part: RankSlice) -> LoraPair:
        """One level's pair as views, in the base's dtype."""
        return LoraPair(self.a[part.start : part.stop], self.b[part.start : part.stop].t(), part.scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [..., d_in] -> [..., d_out]; keeps the newest token's z and output for ``activity``."""
        y = self.base_forward(x)
        z = functional.linear(x, self.a).mul_(self.gain)
        rows = y.view(-1, y.shape[-1])
        z_rows = z.view(-1, self.a.shape[0])
        rows.addmm_(z_rows, self.b)
        if rows.shape[0] > 1:  # a slice would keep the whole chunk's outputs alive
            last = x.shape[-2] - 1
            rows, z_rows = rows[last : last + 1].clone(), z_rows[last : last + 1].clone()
        self.z, self.output = z_rows, rows
        return y

    def attach(self) -> None:
        """Let the levels sound."""
        self.linear.__dict__["forward"] = self.forward

    def detach(self) -> None:
        """Give the linear its own forward back."""
        self.linear.__dict__.pop("forward", None)
        self.z = self.output = None


def _gram(rows: torch.Tensor) -> torch.Tensor:
    """B_i^T B_i [r, r] of one level (rows are B_i^T), so that |B_i z|^2 = z^T G z."""
    return rows @ rows.t()


def _slices(levels: Mapping[int, LoraPair]) -> tuple[RankSlice, ...]:
    parts: list[RankSlice] = []
    start = 0
    for level in sorted(levels):
        pair = levels[level]
        parts.append(RankSlice(level, start, start + pair.rank, pair.scale))
        start += pair.rank
    return tuple(parts)
