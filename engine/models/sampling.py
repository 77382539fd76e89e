"""Drawing the next token with transformers' own processors. ``V`` is the vocabulary."""

from __future__ import annotations

from typing import cast

import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from engine.protocol import Sampling

N_ALTERNATIVES = 5


class Sampler:
    """One answer's draws: penalty, temperature, top-k, top-p, min-p, in transformers' order."""

    def __init__(self, sampling: Sampling, device: torch.device) -> None:
        self._greedy = sampling.temperature <= 0.0
        self._top_k = sampling.top_k
        self._penalty = (
            RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty)
            if sampling.repetition_penalty != 1.0
            else None
        )
        self._warpers = LogitsProcessorList()
        if not self._greedy and sampling.temperature != 1.0:
            self._warpers.append(TemperatureLogitsWarper(sampling.temperature))
        if sampling.top_p < 1.0:
            self._warpers.append(TopPLogitsWarper(sampling.top_p))
        if sampling.min_p > 0.0:
            self._warpers.append(MinPLogitsWarper(sampling.min_p))
        self._generator = torch.Generator(device=device)
        if sampling.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(sampling.seed)

    @property
    def needs_history(self) -> bool:
        """Whether ``draw`` looks at the tokens so far."""
        return self._penalty is not None

    def draw(self, logits: torch.Tensor, history: torch.Tensor | None) -> torch.Tensor:
        """logits float32 [V], history int64 [1, T] -> the token's index, a scalar tensor."""
        if self._greedy:
            return self._penalised(logits, history)[0].argmax()
        index, chances = self.distribution(logits, history)
        return index[torch.multinomial(chances, 1, generator=self._generator)[0]]

    def distribution(
        self, logits: torch.Tensor, history: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The candidates' indices and chances, both [k], likeliest first.

        Top-k comes first and only its candidates go on: top-p then sorts k numbers instead of V.
        """
        scores = self._penalised(logits, history)
        n_vocab = scores.shape[-1]
        k = self._top_k if 0 < self._top_k < n_vocab else n_vocab
        candidates, index = scores.topk(k) if k < n_vocab else scores.sort(descending=True)
        warped = self._warpers(cast(torch.LongTensor, index), candidates)
        return index[0], warped[0].softmax(dim=-1)

    def _penalised(self, logits: torch.Tensor, history: torch.Tensor | None) -> torch.Tensor:
        scores = logits.unsqueeze(0)
        if self._penalty is None or history is None:
            return scores
        penalised = self._penalty(cast(torch.LongTensor, history), cast(torch.FloatTensor, scores.clone()))
        return cast(torch.Tensor, penalised)


def describe(logits: torch.Tensor, token: torch.Tensor) -> tuple[int, float, tuple[tuple[int, float], ...]]:
    """Token id, its natural log-probability under the raw logits float32 [V], and the five most likely
    tokens with theirs, best first. One copy to the host."""
    normaliser = logits.logsumexp(dim=-1)
    best, ids = logits.topk(min(N_ALTERNATIVES, logits.shape[-1]))
    numbers = torch.cat([logits[token].reshape(1), best]).sub_(normaliser).tolist()
    names = torch.cat([token.reshape(1), ids]).tolist()
    return names[0], numbers[0], tuple(zip(names[1:], numbers[1:], strict=True))
