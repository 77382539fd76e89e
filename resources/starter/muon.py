"""Muon: momentum whose matrix updates are orthogonalised by a Newton-Schulz iteration.

After Keller Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024); own code.
Matrices of one shape are stacked, so a step is a few batched products.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(x: Tensor, iterations: int = 5) -> Tensor:
    """Nearly the orthogonal factor of each matrix of x [N, R, C] with R <= C."""
    a, b, c = COEFFICIENTS
    y = x.bfloat16()
    y = y / (y.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(iterations):
        gram = y @ y.transpose(1, 2)
        y = torch.baddbmm(y, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), y, beta=a)
    return y.float()


class Muon(torch.optim.Optimizer):
    """Muon over 2-dimensional parameters; `rate` is the spectral size of an update of a square matrix."""

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, momentum: float = 0.95, decay: float = 0.02
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    rows, columns = parameter.shape
                    shapes.setdefault((min(rows, columns), max(rows, columns)), []).append(parameter)
            for members in shapes.values():
                self._update(members, group)

    def _update(self, members: list[nn.Parameter], group: dict[str, float]) -> None:
        updates = []
        for parameter in members:
            if parameter.grad is None:
                raise ValueError("a parameter without gradient has no update")
            buffer = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
            buffer.lerp_(parameter.grad, 1 - group["momentum"])
            update = parameter.grad.lerp(buffer, group["momentum"])
            updates.append(update if update.shape[0] <= update.shape[1] else update.T)
        for parameter, update in zip(members, orthogonalise(torch.stack(updates)), strict=True):
            rows, columns = parameter.shape
            turned = update if rows <= columns else update.T
            parameter.mul_(1 - group["lr"] * group["decay"])
            parameter.add_(turned, alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)
