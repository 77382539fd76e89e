"""Looks into llama.cpp's graph: where the levels' tensors are, and how active each level is.

For y = W0 x + B (A x) llama.cpp's graph has ADD(MUL_MAT(W0, x), SCALE(MUL_MAT(B, z))) with z = MUL_MAT(A, x).
At the ADD (or the ADD of the bias behind it) both y and z are in memory, so one look per module gives
|B_i z_i|^2 = z_i^T (B_i^T B_i) z_i and |y|. A look splits the graph, so it is not free: only every k-th
token is measured, with k chosen from the clock so that measuring stays within ``budget``.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from engine.levels import ggml_tensors as ggml
from engine.levels.gguf_adapter import ModuleParts

_FLOAT_BYTES = 4
_MAX_PERIOD = 64
_FIRST_PERIOD = 4
_KEPT_TIMES = 8


class ActivityMeter:
    """From z of all modules (flat, float32) and |y| to float32 [L, N].

    A layer's number for a level is the mean over the modules which that level adapts there (the same
    definition as on the torch side).
    """

    def __init__(
        self,
        modules: Sequence[ModuleParts],
        layers: Sequence[int],
        grams: Mapping[tuple[str, int], np.ndarray],
        n_levels: int,
        n_layers: int,
    ) -> None:
        self.starts = np.cumsum([0, *(module.rank for module in modules)])
        self.z = np.zeros(int(self.starts[-1]), np.float32)
        self.norms = np.zeros(len(modules), np.float32)
        self._weights = np.zeros((n_levels, n_layers, len(modules)), np.float32)
        groups: dict[tuple[int, int], list[int]] = {}
        for row, module in enumerate(modules):
            for part in module.parts:
                self._weights[part.level, layers[row], row] = 1.0
                groups.setdefault((part.level, part.pair.rank), []).append(row)
        self._weights /= np.maximum(self._weights.sum(-1, keepdims=True), 1.0)
        self._groups = [
            self._group(modules, grams, level, rank, rows) for (level, rank), rows in groups.items()
        ]

    def _group(
        self,
        modules: Sequence[ModuleParts],
        grams: Mapping[tuple[str, int], np.ndarray],
        level: int,
        rank: int,
        rows: list[int],
    ) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
        first = [self.starts[row] + _part_start(modules[row], level) for row in rows]
        index = np.asarray(first)[:, None] + np.arange(rank)
        gram = np.stack([grams[modules[row].tensor, level] for row in rows])
        return level, np.asarray(rows), index, gram

    def read(self) -> np.ndarray:
        """float32 [L, N] from what was put into ``z`` and ``norms``."""
        squared = np.zeros((len(self.norms), self._weights.shape[0]), np.float32)
        for level, rows, index, gram in self._groups:
            z = self.z[index]  # [M, r]
            squared[rows, level] = np.einsum("mr,mr->m", z, np.matmul(gram, z[:, :, None])[:, :, 0])
        ratio = np.sqrt(np.maximum(squared, 0.0)) / np.maximum(self.norms, 1e-30)[:, None]
        activity: np.ndarray = np.einsum("lnm,ml->ln", self._weights, ratio)
        return activity.astype(np.float32)


def gram(b: torch.Tensor) -> np.ndarray:
    """B^T B [r, r] of b [d_out, r]."""
    b32 = b.float()
    product: np.ndarray = (b32.t() @ b32).numpy()
    return product


def _part_start(module: ModuleParts, level: int) -> int:
    return next(part.start for part in module.parts if part.level == level)


class GraphObserver:
    """The eval callback of the stack: learns where every A lies, then measures activity."""

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._learned: dict[str, int] | None = None
        self._row_of_a: dict[int, int] = {}
        self._biased: frozenset[int] = frozenset()
        self._meter: ActivityMeter | None = None
        self._measuring = False
        self._activity: np.ndarray | None = None
        self._seen = 0
        self._wait = 0
        self._started = 0.0
        self._single = False
        self._plain: deque[float] = deque(maxlen=_KEPT_TIMES)
        self._measured: deque[float] = deque(maxlen=_KEPT_TIMES)
        self._scratch = np.zeros(0, np.float32)

    def learn(self) -> None:
        """Collect the addresses of A while the next batch runs."""
        self._learned = {}

    def learned(self) -> dict[str, int]:
        """Address of A by the module's tensor name, as far as llama.cpp's graph uses it; empty where
        the layout of ggml's tensors is not the known one."""
        found, self._learned = self._learned or {}, None
        return found if all(ggml.layout_is_known(a) for a in found.values()) else {}

    def measure(self, meter: ActivityMeter | None, addresses: Sequence[int], biased: frozenset[int]) -> None:
        """From now on fill ``meter``; ``addresses`` are the A of its modules, ``biased`` those rows whose
        output gets a bias behind the levels. None: measure nothing."""
        self._meter = meter
        self._row_of_a = {address: row for row, address in enumerate(addresses)}
        self._biased = biased
        self._activity = None
        self._seen = self._wait = 0
        self._plain.clear()
        self._measured.clear()

    def activity(self) -> np.ndarray | None:
        """float32 [L, N] of the newest token if it was measured, whole."""
        return self._activity

    def answer_begins(self) -> None:
        """The first token of an answer is measured whatever it costs: a short answer has no other."""
        self._wait = 0

    def begin(self, n_tokens: int, newest: bool) -> None:
        """A batch starts (see ``EvalObserver``)."""
        self._seen = 0
        self._activity = None
        self._single = n_tokens == 1
        self._measuring = newest and self._meter is not None and self._wait <= 0
        if newest:
            self._wait -= 1
        self._started = time.perf_counter()

    def end(self) -> None:
        """The batch is computed: keep the cost of looking within the budget."""
        if self._measuring and self._meter is not None and self._seen == len(self._row_of_a):
            self._activity = self._meter.read()
        elapsed = time.perf_counter() - self._started
        if self._single:
            (self._measured if self._measuring else self._plain).append(elapsed)
        if self._measuring:
            self._wait = self._period() - 1
        self._measuring = False

    def _period(self) -> int:
        if math.isinf(self._budget):
            return 1
        if not self._plain or not self._measured:
            return _FIRST_PERIOD
        plain = min(self._plain)
        extra = max(0.0, min(self._measured) - plain)
        return max(1, min(_MAX_PERIOD, math.ceil(extra / (self._budget * plain))))

    def __call__(self, node: int, ask: bool) -> bool:
        """llama.cpp asks about a node, or shows one that was wanted."""
        if self._learned is not None:
            self._note(node)
            return False
        if not self._measuring:
            return False
        if not ask:
            self._read(node)
            return True
        return ggml.op(node) == ggml.ADD and self._row(node) is not None

    def _note(self, node: int) -> None:
        if self._learned is not None and ggml.op(node) == ggml.MUL_MAT:
            weight = ggml.source(node, 0)
            label = ggml.name(weight)
            if label.endswith(".weight.lora_a"):
                self._learned[label.removesuffix(".weight.lora_a")] = weight

    def _row(self, node: int) -> tuple[int, int, int] | None:
        """(row of the module, z, B z) if ``node`` is the output of an adapted module."""
        found = self._levels_of(node)
        if found is not None:
            return None if found[0] in self._biased else found
        first = ggml.source(node, 0)
        if first and ggml.op(first) == ggml.ADD:
            found = self._levels_of(first)
            if found is not None and found[0] in self._biased:
                return found
        return None

    def _levels_of(self, add: int) -> tuple[int, int, int] | None:
        product = ggml.source(add, 1)
        if product and ggml.op(product) == ggml.SCALE:
            product = ggml.source(product, 0)
        if not product or ggml.op(product) != ggml.MUL_MAT:
            return None
        z = ggml.source(product, 1)
        if not z or ggml.op(z) != ggml.MUL_MAT:
            return None
        row = self._row_of_a.get(ggml.source(z, 0))
        return None if row is None else (row, z, product)

    def _read(self, node: int) -> None:
        found = self._row(node)
        meter = self._meter
        if found is None or meter is None:
            return
        row, z, product = found
        reused = ggml.overlap(z, node) or ggml.overlap(z, product)
        if reused or ggml.kind(z) != ggml.F32 or ggml.kind(node) != ggml.F32:
            return
        width, n_tokens = ggml.shape(node)[:2]
        if self._scratch.size != width:
            self._scratch = np.zeros(width, np.float32)
        ggml.read(node, (n_tokens - 1) * width * _FLOAT_BYTES, self._scratch)
        start, stop = meter.starts[row], meter.starts[row + 1]
        ggml.read(z, (n_tokens - 1) * int(stop - start) * _FLOAT_BYTES, meter.z[start:stop])
        meter.norms[row] = math.sqrt(float(np.dot(self._scratch, self._scratch)))
        self._seen += 1
