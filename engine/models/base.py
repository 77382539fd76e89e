"""The one interface of all model backends.

Shapes: ``L`` levels, ``N`` layers, ``V`` vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from engine.cancel import CancelToken
from engine.models.prompt import ReadFn
from engine.protocol import Message, ModelInfo, Sampling

ProgressFn = Callable[[str, float | None], None]
"""Called with a stage ('reading weights') and a fraction 0..1 (None: unknown)."""


class StackView(Protocol):
    """What a backend may know of the level stack laid over it."""

    @property
    def revision(self) -> int:
        """Bumped by every edit of gains or levels; a KV cache belongs to (tokens, revision)."""
        ...

    def activity(self) -> np.ndarray | None:
        """float32 [L, N] of the newest token: |level output| / |module output|, mean over the
        layer's modules; None where it was not measured at this token."""
        ...


@dataclass(frozen=True, slots=True)
class PromptState:
    """What prefill did: ``reused_tokens`` came from the KV cache."""

    prompt_tokens: int
    reused_tokens: int
    prefill_ms: float


@dataclass(frozen=True, slots=True)
class TokenStep:
    """One decoded token. ``logprob`` is natural, from the raw logits before temperature and
    penalties; ``alternatives`` are the five most likely tokens, best first."""

    token_id: int
    logprob: float
    alternatives: tuple[tuple[int, float], ...]
    activity: np.ndarray | None
    revision: int


class Backend(Protocol):
    """A loaded model. All calls come from the engine thread."""

    info: ModelInfo

    def tokenize(self, text: str) -> list[int]:
        """Tokens of plain text, no special tokens added."""
        ...

    def token_bytes(self, token_id: int) -> bytes:
        """The UTF-8 bytes a token adds to the text (b'' for control tokens)."""
        ...

    def render_chat(self, messages: Sequence[Message]) -> list[int]:
        """Tokens of the conversation in the model's own chat template, opened for the answer.

        Models without a template get a plain 'role: content' transcript (a base model gets the last
        user message alone).
        """
        ...

    @property
    def end_tokens(self) -> frozenset[int]:
        """Tokens that end an answer."""
        ...

    def prefill(
        self, tokens: Sequence[int], stack: StackView, cancel: CancelToken, read: ReadFn | None = None
    ) -> PromptState:
        """Read the prompt in chunks (cancel is checked between them, and ``read`` is told how far it
        got), reusing the KV cache only where tokens and stack revision agree. At least the last token
        is always evaluated."""
        ...

    def decode(self, sampling: Sampling, stack: StackView, cancel: CancelToken) -> Iterator[TokenStep]:
        """Yield tokens one by one until an end token (not yielded), ``n_ctx`` or the caller stops
        iterating. The caller may edit the stack between two tokens; the next one then feels it.
        ``max_tokens`` and stop strings are the caller's business."""
        ...

    def kv_bytes(self) -> int:
        """Bytes the KV cache holds now."""
        ...

    def close(self) -> None:
        """Free everything. The backend is unusable afterwards."""
        ...
