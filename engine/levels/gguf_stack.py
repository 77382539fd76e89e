"""The level stack over a GGUF model in llama.cpp: the same levels, gains and activity as on torch.

All levels lie in ONE llama.cpp adapter, concatenated along the rank axis (measured at d = 1024: five
separate adapters decode 1.73-1.80 times slower than the base, one concatenated 1.19), and a gain edit
writes the level's rows of A in place. Separate adapters are the fallback where that cannot be done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.errors import EngineError
from engine.levels.adapter import Adapter, LoraPair
from engine.levels.check import check_adapter
from engine.levels.gains import checked_gains
from engine.levels.gguf_activity import ActivityMeter, GraphObserver, gram
from engine.levels.gguf_adapter import ModuleParts, concatenate, set_adapters, storage_dtype
from engine.levels.gguf_handle import LlamaHandle, describe_base
from engine.levels.gguf_laid import LaidLevels
from engine.levels.gguf_names import layer_of, rows_to_gguf
from engine.levels.level_book import LevelBook
from engine.protocol import LEVELS, LevelInfo

ACTIVITY_BUDGET = 0.04
"""Share of the decode time that measuring activity may take."""


class GgufStack(LevelBook):
    """Levels over one GGUF model. Edits are only for the thread that runs the model.

    Levels are kept in float16 (float32 over a float32 model). ``activity_budget`` is the share of decode
    time for measuring activity; tokens in between have none. Infinite: measure every token.
    """

    def __init__(
        self,
        handle: LlamaHandle,
        levels: Sequence[str] = LEVELS,
        activity_budget: float = ACTIVITY_BUDGET,
    ) -> None:
        base, self._tensor_of = describe_base(handle.header)
        super().__init__(levels, base)
        self._handle = handle
        self._pairs: list[dict[str, LoraPair]] = [{} for _ in self._names]
        self._grams: dict[tuple[str, int], np.ndarray] = {}
        self._laid: LaidLevels | None = None
        self._observer = GraphObserver(activity_budget)

    @property
    def mode(self) -> str:
        """How gains are edited: 'in place', or 'separate adapters: why'; '' without levels."""
        return "" if self._laid is None else self._laid.mode

    def set_level(self, level: str, adapter: Adapter) -> LevelInfo:
        """Lay ``adapter`` on ``level``, taking away what lay there.

        Raises AdapterMismatch (every difference named) or EngineError (llama.cpp refuses), and leaves
        the stack as it was.
        """
        number = self._number(level)
        check_adapter(adapter, self._base)
        pairs = {
            module: LoraPair(
                pair.a.detach().cpu(), rows_to_gguf(pair.b.detach().cpu(), module, self._base), pair.scale
            )
            for module, pair in adapter.pairs.items()
        }
        self._replace(number, pairs)
        self._infos[number] = replace(self._describe(level, adapter), bytes=self._bytes(number))
        return self._infos[number]

    def clear_level(self, level: str) -> LevelInfo:
        """Take the adapter off ``level``; an empty level stays as it is."""
        number = self._number(level)
        if self._pairs[number]:
            self._replace(number, {})
            self._infos[number] = LevelInfo(level=level)
        return self._infos[number]

    def set_gains(self, gains: Sequence[float]) -> None:
        """Write the live coefficients into A; the next token feels them.

        Raises BadInput for a wrong number of gains or one outside -2..2.
        """
        new = checked_gains(gains, self._names)
        if new == self._gains:
            return
        self._require_open()
        changed = frozenset(i for i, (a, b) in enumerate(zip(self._gains, new, strict=True)) if a != b)
        self._gains = new
        self._revision += 1
        if self._laid is not None:
            self._laid.apply(new, changed)

    def activity(self) -> np.ndarray | None:
        """float32 [L, N] of the newest token: |level output| / |module output|, mean over the modules
        of the layer which the level adapts; zeros while all is muted, None where it was not measured."""
        if self._laid is None:
            return None
        if not any(gain and pairs for gain, pairs in zip(self._gains, self._pairs, strict=True)):
            return np.zeros((len(self._names), self._base.n_layers), np.float32)
        return self._observer.activity()

    def _require_open(self) -> None:
        if self._handle.closed:
            raise EngineError("The model was unloaded.", "Load it again.")

    def _replace(self, number: int, pairs: dict[str, LoraPair]) -> None:
        """Lay the levels anew with ``pairs`` on one of them; swap only when the new set stands."""
        self._require_open()
        wanted = [*self._pairs[:number], pairs, *self._pairs[number + 1 :]]
        modules = self._concatenate(wanted)
        if modules:
            self._lay(modules)
        else:
            self._take_off()
        self._pairs = wanted
        self._revision += 1
        self._grams = {key: g for key, g in self._grams.items() if key[1] != number}
        self._grams |= {(self._tensor_of[m], number): gram(pair.b) for m, pair in pairs.items()}
        self._watch(modules)

    def _concatenate(self, wanted: Sequence[dict[str, LoraPair]]) -> list[ModuleParts]:
        modules = []
        for module, tensor in self._tensor_of.items():
            found = {level: pairs[module] for level, pairs in enumerate(wanted) if module in pairs}
            if found:
                modules.append(concatenate(tensor, found))
        return modules

    def _lay(self, modules: Sequence[ModuleParts]) -> None:
        old = self._laid
        self._handle.observe(self._observer)
        self._observer.measure(None, (), frozenset())
        dtype = storage_dtype(modules, self._handle.full_precision)
        try:
            self._laid = LaidLevels(
                self._handle, self._observer, self._handle.header.architecture, modules, dtype, self._gains
            )
        except BaseException:
            self._revision += 1
            if old is not None:
                old.apply(self._gains, frozenset())
                self._watch(self._concatenate(self._pairs))
            else:
                self._handle.observe(None)
            raise
        if old is not None:
            old.free()

    def _take_off(self) -> None:
        set_adapters(self._handle.context, (), ())
        if self._laid is not None:
            self._laid.free()
            self._laid = None
        self._handle.observe(None)

    def _watch(self, modules: Sequence[ModuleParts]) -> None:
        """Measure activity where the tensors' places are known."""
        if self._laid is None or not self._laid.addresses:
            self._observer.measure(None, (), frozenset())
            return
        biases = {tensor.name.removesuffix(".bias") for tensor in self._handle.header.tensors}
        layer_of_tensor = {tensor: layer_of(module) or 0 for module, tensor in self._tensor_of.items()}
        meter = ActivityMeter(
            modules,
            [layer_of_tensor[module.tensor] for module in modules],
            self._grams,
            len(self._names),
            self._base.n_layers,
        )
        addresses = [self._laid.addresses[module.tensor] for module in modules]
        biased = frozenset(row for row, module in enumerate(modules) if module.tensor in biases)
        self._observer.measure(meter, addresses, biased)

    def _bytes(self, number: int) -> int:
        item = 4 if self._handle.full_precision else 2
        total = 0
        for pair in self._pairs[number].values():
            numbers = pair.a.numel() + pair.b.numel()
            total += numbers * (item + pair.a.element_size()) + 4 * pair.rank**2
        return total
