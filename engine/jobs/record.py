"""What is known of an answer while it grows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

import numpy as np

from engine.jobs.fit import Fitted
from engine.jobs.text import TextStream
from engine.models.base import Backend, PromptState, TokenStep
from engine.protocol import LEVELS, Answer, Citation, ErrorInfo, Hit, Sampling, Timings, TokenStats

FinishReason = Literal["stop", "length", "stop_string", "context"]


class AnswerRecord:
    """Tokens, text, activity and times of one answer; ``started`` is a ``perf_counter`` reading."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._first_token_s: float | None = None
        self._decode_started = self._decode_ended = started
        self._backend: Backend | None = None
        self._tokens: list[TokenStats] = []
        self._activity: list[np.ndarray] = []
        self.stream = TextStream(())
        self.token_ids: list[int] = []
        self.gain_marks: list[tuple[int, tuple[float, ...]]] = []
        self.hits: tuple[Hit, ...] = ()
        self.gains: tuple[float, ...] = ()
        self.dropped_turns = 0
        self.error: ErrorInfo | None = None
        self.prompt = PromptState(0, 0, 0.0)
        self.finish_reason: FinishReason = "stop"

    def begin(self, sampling: Sampling, backend: Backend, fitted: Fitted, gains: tuple[float, ...]) -> None:
        """The prompt is known; text begins to grow, with the levels at ``gains``."""
        self._backend, self.gains = backend, gains
        self.hits, self.dropped_turns = fitted.hits, fitted.dropped_turns
        self.stream = TextStream(sampling.stop, strip_start=backend.info.has_chat_template)

    def decode_started(self) -> None:
        """The prompt is read; tokens are timed from here."""
        self._decode_started = self._decode_ended = time.perf_counter()

    def add(self, job: int, step: TokenStep) -> tuple[TokenStats, str]:
        """Take a token: its statistics as an event, and the text that may be shown now."""
        assert self._backend is not None
        now = self._decode_ended = time.perf_counter()
        if self._first_token_s is None:
            self._first_token_s = now - self._started
        piece = self.stream.push(self._backend.token_bytes(step.token_id))
        self.token_ids.append(step.token_id)
        if step.activity is not None:
            self._activity.append(step.activity)
        stats = TokenStats(
            job=job,
            index=len(self._tokens),
            token_id=step.token_id,
            text=piece.text,
            start=piece.start,
            end=piece.end,
            logprob=step.logprob,
            alternatives=tuple((self._text_of(token), logprob) for token, logprob in step.alternatives),
            activity=b"" if step.activity is None else step.activity.astype(np.float32).tobytes(),
            n_layers=self._backend.info.n_layers,
            revision=step.revision,
            tokens_per_second=self._rate(),
        )
        self._tokens.append(stats)
        return stats, piece.delta

    def end(self) -> str:
        """Decoding is over; the text that was held back."""
        backend = self._backend
        full = backend is not None and self.prompt.prompt_tokens + len(self.token_ids) >= backend.info.n_ctx
        if self.finish_reason == "stop" and full:
            self.finish_reason = "context"
        return self.stream.finish()

    def mean_activity(self) -> tuple[float, ...]:
        """One number per level, the mean over tokens and layers (zeros: never measured)."""
        if not self._activity:
            return (0.0,) * len(LEVELS)
        return tuple(float(x) for x in np.mean(self._activity, axis=(0, 2)))

    def answer(self, citations: tuple[Citation, ...]) -> Answer:
        """The whole of it as a protocol value."""
        return Answer(
            text=self.stream.text,
            token_ids=tuple(self.token_ids),
            logprobs=tuple(stats.logprob for stats in self._tokens),
            mean_activity=self.mean_activity(),
            finish_reason=self.finish_reason,
            timings=self.timings(),
            citations=citations,
            dropped_turns=self.dropped_turns,
        )

    def timings(self) -> Timings:
        """How long each part took."""
        return Timings(
            prompt_tokens=self.prompt.prompt_tokens,
            reused_tokens=self.prompt.reused_tokens,
            generated_tokens=len(self.token_ids),
            prefill_ms=self.prompt.prefill_ms,
            decode_ms=1e3 * (self._decode_ended - self._decode_started),
            first_token_ms=1e3 * (self._first_token_s or 0.0),
            tokens_per_second=self._rate(),
        )

    def meta(self, citations: Sequence[Citation]) -> dict[str, object]:
        """The record as JSON-able values, to lie beside the stored message."""
        return {
            "citations": [asdict(citation) for citation in citations],
            "hits": [asdict(hit) for hit in self.hits],
            "timings": asdict(self.timings()),
            "tokens": [self._token_meta(stats) for stats in self._tokens],
            "gains": self.gains,
            "n_ctx": 0 if self._backend is None else self._backend.info.n_ctx,
            "error": None if self.error is None else asdict(self.error),
            "gain_marks": [{"index": index, "gains": gains} for index, gains in self.gain_marks],
            "dropped_turns": self.dropped_turns,
            "finish_reason": self.finish_reason,
        }

    def _token_meta(self, stats: TokenStats) -> dict[str, object]:
        activity = np.frombuffer(stats.activity, np.float32).reshape(-1, max(1, stats.n_layers))
        return {
            "id": stats.token_id,
            "text": stats.text,
            "start": stats.start,
            "end": stats.end,
            "logprob": stats.logprob,
            "alternatives": stats.alternatives,
            "revision": stats.revision,
            "activity": [[float(f"{x:.3g}") for x in row] for row in activity] if len(activity) else None,
        }

    def _text_of(self, token_id: int) -> str:
        assert self._backend is not None
        return self._backend.token_bytes(token_id).decode("utf-8", errors="replace")

    def _rate(self) -> float:
        seconds = self._decode_ended - self._decode_started
        return len(self.token_ids) / seconds if seconds > 0 else 0.0
