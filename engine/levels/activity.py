"""Activity of every level from the last forward, in a handful of batched products.

``M`` modules, ``R`` rank rows of one module, ``L`` levels, ``N`` layers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from engine.levels.hf_modules import LinearLevels


class _Group:
    """Modules with the same rank slices: one batched z^T G z for all of them.

    It takes over the modules' ``gram`` as one tensor [M, R, R] and leaves them views of it.
    """

    def __init__(self, members: Sequence[tuple[int, LinearLevels]], n_levels: int) -> None:
        self.modules = [module for _, module in members]
        first = self.modules[0]
        device = first.a.device
        self.index = torch.tensor([row for row, _ in members], device=device)
        self.rows_of_level = torch.zeros(n_levels, first.rank, device=device)
        for part in first.slices:
            self.rows_of_level[part.level, part.start : part.stop] = 1.0
        self.gram = torch.stack([module.gram for module in self.modules])
        for module, gram in zip(self.modules, self.gram, strict=True):
            module.gram = gram

    def products(self) -> torch.Tensor:
        """<B_i z_i, B_j z_j> of every module and pair of levels, [M, L, L]."""
        z = torch.cat([module.z for module in self.modules if module.z is not None]).float()
        by_level = z.unsqueeze(1) * self.rows_of_level  # [M, L, R]
        return torch.bmm(torch.bmm(by_level, self.gram), by_level.transpose(1, 2))


class ActivityMeter:
    """Reads |level output| / |module output| of the newest token for a fixed set of modules.

    A layer's number for a level is the mean over the modules which that level adapts there.
    """

    def __init__(self, modules: Sequence[LinearLevels], n_levels: int, n_layers: int) -> None:
        self._modules = [module for module in modules if module.layer is not None]
        by_slices: dict[object, list[tuple[int, LinearLevels]]] = defaultdict(list)
        by_width: dict[int, list[tuple[int, LinearLevels]]] = defaultdict(list)
        for row, module in enumerate(self._modules):
            by_slices[tuple((s.level, s.start, s.stop) for s in module.slices)].append((row, module))
            by_width[module.b.shape[1]].append((row, module))
        self._groups = [_Group(members, n_levels) for members in by_slices.values()]
        self._widths = list(by_width.values())
        self._order = torch.tensor([row for members in self._widths for row, _ in members])
        self._mean = self._layer_means(n_levels, n_layers)

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
        squared = torch.zeros(len(self._modules), self._mean.shape[0])
        for group in self._groups:
            squared[group.index.cpu()] = group.products().diagonal(dim1=1, dim2=2).cpu()
        outputs = [
            torch.linalg.vector_norm(
                torch.cat([module.output for _, module in members if module.output is not None]),
                dim=-1,
                dtype=torch.float32,
            ).cpu()
            for members in self._widths
        ]
        norms = torch.empty(len(self._modules))
        norms[self._order] = torch.cat(outputs)
        ratio = squared.clamp_(min=0.0).sqrt_() / norms.clamp_(min=1e-30).unsqueeze(-1)  # [M, L]
        return torch.einsum("lnm,ml->ln", self._mean, ratio).numpy()
