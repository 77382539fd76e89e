"""Activity of every level from the last forward, in a handful of batched products.

``M`` modules, ``R`` rank rows of one module, ``r`` rows of one level, ``L`` levels, ``N`` layers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from engine.levels.hf_modules import LinearLevels, RankSlice


class _Group:
    """Modules with the same rank slices: one batched z^T G z per level for all of them.

    It takes over the modules' ``gram`` as one tensor [M, r, r] per level and leaves them views of it.
    """

    def __init__(self, modules: Sequence[LinearLevels], n_levels: int) -> None:
        self._modules = modules
        self._n_levels = n_levels
        self._blocks: list[tuple[RankSlice, torch.Tensor]] = []
        for place, part in enumerate(modules[0].slices):
            block = torch.stack([module.gram[place] for module in modules])
            self._blocks.append((part, block))
            for module, gram in zip(modules, block, strict=True):
                module.gram[place] = gram

    def squared_norms(self) -> torch.Tensor:
        """|B_i z_i|^2 = z_i^T G_ii z_i of every level and module, [L, M]."""
        z = torch.cat([module.z for module in self._modules if module.z is not None]).float()  # [M, R]
        squared = z.new_zeros(self._n_levels, len(self._modules))
        for part, block in self._blocks:
            own = z[:, part.start : part.stop]
            torch.linalg.vecdot(torch.bmm(own.unsqueeze(1), block).squeeze(1), own, out=squared[part.level])
        return squared


class ActivityMeter:
    """Reads |level output| / |module output| of the newest token for a fixed set of modules.

    A layer's number for a level is the mean over the modules which that level adapts there.
    """

    def __init__(self, modules: Sequence[LinearLevels], n_levels: int, n_layers: int) -> None:
        by_slices: dict[object, list[LinearLevels]] = defaultdict(list)
        for module in modules:
            if module.layer is not None:
                by_slices[tuple((s.level, s.start, s.stop) for s in module.slices)].append(module)
        self._modules = [module for members in by_slices.values() for module in members]
        self._groups = [_Group(members, n_levels) for members in by_slices.values()]
        by_width: dict[int, list[int]] = defaultdict(list)
        for row, module in enumerate(self._modules):
            by_width[module.b.shape[1]].append(row)
        self._widths = [[self._modules[row] for row in rows] for rows in by_width.values()]
        order = torch.tensor([row for rows in by_width.values() for row in rows], dtype=torch.long)
        device = self._modules[0].a.device if self._modules else torch.device("cpu")
        self._from_widths = order.argsort().to(device)
        self._mean = self._layer_means(n_levels, n_layers).to(device)

    def _layer_means(self, n_levels: int, n_layers: int) -> torch.Tensor:
        adapted = torch.zeros(n_levels, n_layers, len(self._modules))
        for row, module in enumerate(self._modules):
            for part in module.slices:
                adapted[part.level, module.layer, row] = 1.0
        return adapted / adapted.sum(-1, keepdim=True).clamp(min=1.0)  # [L, N, M]

    def read(self) -> np.ndarray | None:
        """float32 [L, N], or None before the first forward with these modules."""
        if not self._modules or any(module.z is None for module in self._modules):
            return None
        squared = torch.cat([group.squared_norms() for group in self._groups], dim=1)  # [L, M]
        ratio = squared.clamp_(min=0.0).sqrt_().div_(self._output_norms())
        return torch.bmm(self._mean, ratio.unsqueeze(-1)).squeeze(-1).cpu().numpy()

    def _output_norms(self) -> torch.Tensor:
        """|y| of every module, [M]."""
        norms = [
            torch.linalg.vector_norm(
                torch.cat([module.output for module in members if module.output is not None]),
                dim=-1,
                dtype=torch.float32,
            )
            for members in self._widths
        ]
        return torch.cat(norms)[self._from_widths].clamp_(min=1e-30)
