"""Drawing the next token with llama.cpp's own samplers, and what to tell about it.

The order is transformers' (temperature before top-p and min-p), so that the same settings mean the same
in both backends; top-k stands first because it does not depend on the temperature and leaves the rest
little to sort.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from types import TracebackType

import llama_cpp
import numpy as np

from engine.protocol import Sampling

N_ALTERNATIVES = 5


class SamplerChain:
    """A llama.cpp sampler chain for one answer; freed at the end of its ``with``."""

    def __init__(self, sampling: Sampling, n_vocab: int, n_ctx: int, prompt: Sequence[int]) -> None:
        params = llama_cpp.llama_sampler_chain_default_params()
        params.no_perf = True
        self._chain = llama_cpp.llama_sampler_chain_init(params)
        penalty = sampling.repetition_penalty
        if penalty != 1.0:
            self._add(llama_cpp.llama_sampler_init_penalties(n_vocab, n_ctx, penalty, 0.0, 0.0))
        if sampling.temperature <= 0.0:
            self._add(llama_cpp.llama_sampler_init_greedy())
        else:
            self._add_draw(sampling)
        if penalty != 1.0:
            for token in prompt:
                llama_cpp.llama_sampler_accept(self._chain, token)

    def _add_draw(self, sampling: Sampling) -> None:
        if sampling.top_k > 0:
            self._add(llama_cpp.llama_sampler_init_top_k(sampling.top_k))
        self._add(llama_cpp.llama_sampler_init_temp(sampling.temperature))
        if sampling.top_p < 1.0:
            self._add(llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1))
        if sampling.min_p > 0.0:
            self._add(llama_cpp.llama_sampler_init_min_p(sampling.min_p, 1))
        seed = secrets.randbits(32) if sampling.seed is None else sampling.seed & 0xFFFFFFFF
        self._add(llama_cpp.llama_sampler_init_dist(seed))

    def _add(self, sampler: int) -> None:
        llama_cpp.llama_sampler_chain_add(self._chain, sampler)

    def draw(self, context: int) -> int:
        """The next token, from the logits of the last evaluated one; the chain remembers it."""
        return int(llama_cpp.llama_sampler_sample(self._chain, context, -1))

    def __enter__(self) -> SamplerChain:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        llama_cpp.llama_sampler_free(self._chain)


def log_probabilities(logits: np.ndarray, token: int) -> tuple[float, tuple[tuple[int, float], ...]]:
    """Natural log-probability of ``token`` and the five most likely, best first, from logits [V]."""
    rest = logits.copy()
    best: list[tuple[int, float]] = []
    for _ in range(min(N_ALTERNATIVES, logits.size)):  # five passes are quicker than a partition
        i = int(rest.argmax())
        best.append((i, float(rest[i])))
        rest[i] = -np.inf
    top = best[0][1]
    log_sum = top + math.log(float(np.exp(logits - np.float32(top)).sum()))
    return float(logits[token]) - log_sum, tuple((i, value - log_sum) for i, value in best)
