"""What the stack needs of a loaded GGUF model, and what the model's header says of its linears."""

from __future__ import annotations

from typing import Protocol

from engine.gguf_file import GgufTensor
from engine.levels.adapter import BaseModules
from engine.levels.gguf_activity import GraphObserver
from engine.levels.gguf_laid import Context
from engine.levels.gguf_names import hf_name, model_type


class ModelFacts(Protocol):
    """What the header of the model says."""

    @property
    def architecture(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def n_layers(self) -> int: ...
    @property
    def n_heads(self) -> int: ...
    @property
    def n_kv_heads(self) -> int: ...
    @property
    def tensors(self) -> tuple[GgufTensor, ...]: ...


class LlamaHandle(Context, Protocol):
    """The loaded model as its backend lends it. ``full_precision``: keep levels in float32."""

    full_precision: bool

    @property
    def header(self) -> ModelFacts: ...

    def observe(self, observer: GraphObserver | None) -> None:
        """Let ``observer`` see the graph; where that begins or ends, the context is opened anew (its
        cache is empty, no adapter is set)."""
        ...


def describe_base(header: ModelFacts) -> tuple[BaseModules, dict[str, str]]:
    """The linears of the model, and each one's tensor name (without '.weight')."""
    linears: dict[str, tuple[int, int]] = {}
    tensor_of: dict[str, str] = {}
    for tensor in header.tensors:
        module = hf_name(tensor.name, header.architecture)
        if module is not None and len(tensor.shape) == 2:
            linears[module] = (tensor.shape[1], tensor.shape[0])
            tensor_of[module] = tensor.name.removesuffix(".weight")
    base = BaseModules(
        architecture=model_type(header.architecture),
        linears=linears,
        n_layers=header.n_layers,
        n_heads=header.n_heads,
        n_kv_heads=header.n_kv_heads,
        model_name=header.name,
    )
    return base, tensor_of
