"""The level stack: five LoRA levels, concatenated, laid over the linears of a torch model.

W = W0 + sum_i alpha_i scale_i B_i A_i, with all A stacked to [R, d_in] and all B to [R, d_out], so that
any number of levels costs two products (see ``hf_modules``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedConfig

from engine.levels.activity import ActivityMeter
from engine.levels.adapter import Adapter, LoraPair
from engine.levels.check import check_adapter
from engine.levels.gains import checked_gains
from engine.levels.hf_modules import LinearLevels, describe_base, find_linears
from engine.levels.level_book import LevelBook
from engine.protocol import LEVELS, LevelInfo


class LevelStack(LevelBook):
    """Levels over one model. Edits are only for the thread that runs the model.

    Learned or imported tensors live in the base's dtype; gains are float32.
    """

    def __init__(self, model: nn.Module, levels: Sequence[str] = LEVELS) -> None:
        config = model.config
        assert isinstance(config, PreTrainedConfig)
        self._linears = find_linears(model)
        super().__init__(levels, describe_base(config, self._linears))
        self._modules: dict[str, LinearLevels] = {}
        self._sounds = False
        self._index_rows()

    def set_level(self, level: str, adapter: Adapter) -> LevelInfo:
        """Lay ``adapter`` on ``level``, taking away what lay there.

        Raises AdapterMismatch (every difference named) and leaves the stack as it was.
        """
        number = self._number(level)
        check_adapter(adapter, self._base)
        self._rebuild(number, adapter.pairs)
        self._infos[number] = self._describe(level, adapter)
        self._count_bytes()
        return self._infos[number]

    def clear_level(self, level: str) -> LevelInfo:
        """Take the adapter off ``level``; an empty level stays as it is."""
        number = self._number(level)
        if self._infos[number].adapter:
            self._infos[number] = LevelInfo(level=level)
            self._rebuild(number, {})
            self._count_bytes()
        return self._infos[number]

    def set_gains(self, gains: Sequence[float]) -> None:
        """Write the live coefficients, R floats for the whole model; the next forward feels them.

        Raises BadInput for a wrong number of gains or one outside -2..2.
        """
        new = checked_gains(gains, self._names)
        if new == self._gains:
            return
        self._gains = new
        self._revision += 1
        self._write_gains()

    def activity(self) -> np.ndarray | None:
        """float32 [L, N] of the newest token: |level output| / |module output|, mean over the modules
        of the layer which the level adapts; zeros while all is muted, None before the first forward."""
        if not self._modules:
            return None
        if not self._sounds:
            return np.zeros((len(self._names), self._base.n_layers), np.float32)
        return self._meter.read()

    def _rebuild(self, number: int, pairs: dict[str, LoraPair]) -> None:
        """Make new modules wherever level ``number`` was or will be; swap only when all stand."""
        fresh: dict[str, LinearLevels] = {}
        for path, linear in self._linears.items():
            old = self._modules.get(path)
            kept = {part.level: old.pair(part) for part in old.slices} if old else {}
            if number not in kept and path not in pairs:
                if old:
                    fresh[path] = old
                continue
            kept.pop(number, None)
            if path in pairs:
                kept[number] = pairs[path]
            if kept:
                fresh[path] = LinearLevels(path, linear, kept)
        for module in self._modules.values():
            module.detach()
        self._modules = fresh
        self._revision += 1
        self._index_rows()

    def _index_rows(self) -> None:
        """One flat gain vector for all modules, each holding its view of it."""
        modules = list(self._modules.values())
        device = modules[0].a.device if modules else torch.device("cpu")
        parts = [part for module in modules for part in module.slices]
        ranks = torch.tensor([part.stop - part.start for part in parts], dtype=torch.long)
        levels = torch.tensor([part.level for part in parts], dtype=torch.long)
        scales = torch.tensor([part.scale for part in parts])
        self._row_level = levels.repeat_interleave(ranks).to(device)
        self._row_scale = scales.repeat_interleave(ranks).to(device)
        self._row_gain = torch.zeros_like(self._row_scale)
        start = 0
        for module in modules:
            module.gain = self._row_gain[start : start + module.rank]
            start += module.rank
        self._meter = ActivityMeter(modules, len(self._names), self._base.n_layers)
        self._write_gains()

    def _write_gains(self) -> None:
        gains = torch.tensor(self._gains, device=self._row_level.device)
        torch.mul(gains[self._row_level], self._row_scale, out=self._row_gain)
        present = {part.level for module in self._modules.values() for part in module.slices}
        self._sounds = any(self._gains[level] != 0.0 for level in present)
        for module in self._modules.values():
            if self._sounds:
                module.attach()
            else:
                module.detach()

    def _count_bytes(self) -> None:
        totals = [0] * len(self._names)
        for module in self._modules.values():
            row_bytes = (module.a.nbytes + module.b.nbytes) // module.rank
            for part, gram in zip(module.slices, module.gram, strict=True):
                totals[part.level] += (part.stop - part.start) * row_bytes + gram.nbytes
        self._infos = [replace(info, bytes=total) for info, total in zip(self._infos, totals, strict=True)]
