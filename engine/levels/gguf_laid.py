"""Levels as they lie over a llama.cpp context: loaded, found in the graph, moved, freed.

llama.cpp kills the process when an adapter that is set is freed, so the order here is fixed: a new set
takes the old one's place first, only then the old one is freed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import llama_cpp
import torch

from engine.errors import AdapterMismatch
from engine.levels.gguf_activity import GraphObserver
from engine.levels.gguf_adapter import ModuleParts, concatenate, load_adapter, set_adapters, write_gains

IN_PLACE = "in place"
_NO_LAYOUT = "separate adapters: this build of llama.cpp lays out its tensors in an unknown way"


class Context(Protocol):
    """The loaded model as its backend lends it."""

    model: int
    context: int

    @property
    def closed(self) -> bool:
        """Whether the model is gone (and with it every adapter)."""
        ...

    def evaluate(self, tokens: Sequence[int], newest: bool) -> None:
        """Run a batch."""
        ...

    def crop(self, length: int) -> bool:
        """Forget all but the first ``length`` tokens."""
        ...


class LaidLevels:
    """One set of levels in llama.cpp. ``mode`` says how gains are edited, and why if not in place."""

    def __init__(
        self,
        handle: Context,
        observer: GraphObserver,
        architecture: str,
        modules: Sequence[ModuleParts],
        dtype: torch.dtype,
        gains: Sequence[float],
    ) -> None:
        self._handle = handle
        self._modules = modules
        self._dtype = dtype
        self._levels = sorted({part.level for module in modules for part in module.parts})
        self._pointers = [load_adapter(handle.model, architecture, modules, gains, dtype)]
        self.addresses: dict[str, int] = {}
        self.mode = IN_PLACE
        try:
            self.addresses = self._find(observer)
            if not self.addresses:
                self._separate(architecture)
            self.apply(gains, frozenset())
        except BaseException:
            set_adapters(handle.context, (), ())
            self.free()
            raise

    def apply(self, gains: Sequence[float], changed: frozenset[int]) -> None:
        """Let ``gains`` count from the next token on; ``changed`` are the levels whose gain is new.
        A stack without any gain is taken off: it costs nothing."""
        if self.mode != IN_PLACE:
            set_adapters(self._handle.context, self._pointers, [gains[level] for level in self._levels])
            return
        write_gains(self.addresses, self._modules, gains, changed, self._dtype)
        sounds = any(gains[level] != 0.0 for level in self._levels)
        set_adapters(self._handle.context, self._pointers if sounds else (), (1.0,) if sounds else ())

    def free(self) -> None:
        """Give the memory back; the set must not be in use any more."""
        if not self._handle.closed:
            for pointer in self._pointers:
                llama_cpp.llama_adapter_lora_free(pointer)
        self._pointers = []

    def _find(self, observer: GraphObserver) -> dict[str, int]:
        """Evaluate one token and see where every A lies. Raises AdapterMismatch for modules that
        llama.cpp computes without looking at adapters."""
        set_adapters(self._handle.context, self._pointers, (1.0,))
        self._handle.crop(0)
        observer.learn()
        try:
            self._handle.evaluate([0], False)
        finally:
            found = observer.learned()
        self._handle.crop(0)
        missing = tuple(module.tensor for module in self._modules if module.tensor not in found)
        if found and missing:
            raise AdapterMismatch(
                "llama.cpp applies no adapter to some layers of this kind of model that the level adapts.",
                missing,
                "Use the model's Hugging Face version for this adapter.",
            )
        return found

    def _separate(self, architecture: str) -> None:
        """One adapter per level, its gain being llama.cpp's own scale."""
        set_adapters(self._handle.context, (), ())
        self.free()
        self.mode = _NO_LAYOUT
        ones = [1.0] * (max(self._levels) + 1)
        for level in self._levels:
            alone = [
                concatenate(module.tensor, {level: part.pair})
                for module in self._modules
                for part in module.parts
                if part.level == level
            ]
            self._pointers.append(load_adapter(self._handle.model, architecture, alone, ones, self._dtype))
