"""What the plots draw: bounded histories of memory and of the last two answers. No Qt.

Shapes: O owners, T samples or tokens, V levels, L layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.protocol import LEVELS, LedgerSample, TokenStats

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

HISTORY_SAMPLES = 1024  # five minutes at 2 Hz, and room to spare
OWNERS: tuple[str, ...] = (
    "base weights",
    *LEVELS,
    "KV cache",
    "activations",
    "embedder",
    "other of Strata",
    "other processes",
)


@dataclass(frozen=True, slots=True)
class MemoryWindow:
    """A stretch of the ledger. ``times_s`` [T] counts back from the newest sample (0), oldest first;
    ``bytes`` [O, T] belongs to ``owners``, bottom of the stack first."""

    times_s: Floats
    owners: tuple[str, ...]
    bytes: Floats


class MemoryHistory:
    """A ring of ledger samples; owners it has not met yet get a row of their own."""

    def __init__(self, n_samples: int = HISTORY_SAMPLES) -> None:
        self._owners = list(OWNERS)
        self._times = np.zeros(n_samples)
        self._bytes = np.zeros((len(self._owners), n_samples))
        self._count = 0
        self.capacity_bytes = 0
        self.device = ""

    def __len__(self) -> int:
        return min(self._count, self._times.size)

    def add(self, sample: LedgerSample) -> None:
        """Keep one sample; the oldest leaves when the ring is full."""
        slot = self._count % self._times.size
        self._times[slot] = sample.time_s
        self._bytes[:, slot] = 0.0
        for owner, n_bytes in sample.owners:
            row = self._row(owner)  # may replace the array
            self._bytes[row, slot] += n_bytes
        self.capacity_bytes, self.device = sample.capacity_bytes, sample.device
        self._count += 1

    def _row(self, owner: str) -> int:
        if owner not in self._owners:
            self._owners.append(owner)
            self._bytes = np.vstack([self._bytes, np.zeros((1, self._times.size))])
        return self._owners.index(owner)

    def window(self, seconds: float) -> MemoryWindow:
        """The samples of the last ``seconds``."""
        n = len(self)
        slots = np.arange(self._count - n, self._count) % self._times.size
        times = self._times[slots] - (self._times[slots[-1]] if n else 0.0)
        keep = times >= -seconds
        return MemoryWindow(times[keep], tuple(self._owners), self._bytes[:, slots[keep]])


@dataclass(frozen=True, slots=True)
class TokenReading:
    """What is known of one token; ``activity`` [V] is the mean over the layers (NaN: not measured)."""

    index: int
    text: str
    logprob: float
    activity: Floats32


class AnswerHistory:
    """The tokens of one answer, in arrays that double when they are full."""

    def __init__(self, job: int = 0) -> None:
        self.job = job
        self.running = True
        self.tokens_per_second = 0.0
        self._n = 0
        self._texts: list[str] = []
        self._logprobs: Floats32 = np.full(64, np.nan, dtype=np.float32)
        self._activity: Floats32 = np.zeros((0, len(LEVELS), 0), dtype=np.float32)
        self._means: Floats32 = np.zeros((0, len(LEVELS)), dtype=np.float32)
        # Kept as tokens come: the mean of a long answer must not be summed anew 20 times a second.
        self._sum: Floats = np.zeros((len(LEVELS), 0))
        self._n_measured = 0

    def __len__(self) -> int:
        return self._n

    @property
    def n_layers(self) -> int:
        """Layers of the measured activity; 0 when no token was measured."""
        return int(self._activity.shape[2])

    @property
    def texts(self) -> tuple[str, ...]:
        """The tokens' texts."""
        return tuple(self._texts)

    @property
    def logprobs(self) -> Floats32:
        """Log-probability of each token [T]."""
        return self._logprobs[: self._n]

    @property
    def activity(self) -> Floats32:
        """Activity [T, V, L]; NaN where a token was not measured."""
        return self._activity[: self._n]

    def add(self, token: TokenStats) -> None:
        """Append ``token``."""
        n = self._n
        self._reserve(n + 1, token.n_layers if token.activity else self.n_layers)
        self._texts.append(token.text)
        self._logprobs[n] = token.logprob
        self._activity[n] = self._means[n] = np.nan
        if token.activity:
            values = np.frombuffer(token.activity, dtype=np.float32).reshape(len(LEVELS), token.n_layers)
            self._activity[n] = values
            self._means[n] = values.mean(axis=1)
            self._sum += values
            self._n_measured += 1
        self.tokens_per_second = token.tokens_per_second
        self._n = n + 1

    def _reserve(self, n: int, n_layers: int) -> None:
        room = max(64, self._logprobs.size)
        while room < n:
            room *= 2
        if room != self._logprobs.size:
            self._logprobs = np.resize(self._logprobs, room)
        if self._activity.shape[::2] == (room, n_layers):
            return
        activity = np.full((room, len(LEVELS), n_layers), np.nan, dtype=np.float32)
        means = np.full((room, len(LEVELS)), np.nan, dtype=np.float32)
        if n_layers == self.n_layers:
            activity[: self._n], means[: self._n] = self.activity, self.by_token()
        else:
            self._sum, self._n_measured = np.zeros((len(LEVELS), n_layers)), 0
        self._activity, self._means = activity, means

    def by_token(self) -> Floats32:
        """Activity of each level per token, the mean over the layers [T, V]."""
        return self._means[: self._n]

    def by_layer(self, token: int | None = None) -> Floats32:
        """Activity [V, L] of ``token``, or the mean over the measured tokens (NaN where there is none)."""
        if token is not None:
            return np.asarray(self.activity[token])
        if not self._n_measured:
            return np.full((len(LEVELS), self.n_layers), np.nan, dtype=np.float32)
        return (self._sum / self._n_measured).astype(np.float32)

    def reading(self, index: int) -> TokenReading:
        """What is known of token ``index``; IndexError outside the answer."""
        if not 0 <= index < self._n:
            raise IndexError(index)
        return TokenReading(
            index, self._texts[index], float(self._logprobs[index]), self.by_token()[index]
        )


class Answers:
    """The answer being written (or written last) and the one before it."""

    def __init__(self) -> None:
        self.current: AnswerHistory | None = None
        self.last: AnswerHistory | None = None

    def add(self, token: TokenStats) -> bool:
        """Keep ``token``. True when it is the first of another job and begins a new answer."""
        fresh = self.current is None or self.current.job != token.job
        if self.current is None or fresh:
            self.last, self.current = self.current, AnswerHistory(token.job)
        self.current.add(token)
        return fresh

    def finish(self, job: int) -> bool:
        """Mark the answer of ``job`` as whole; False when it is not the current one."""
        if self.current is None or self.current.job != job or not self.current.running:
            return False
        self.current.running = False
        return True

    def show(self, tokens: tuple[TokenStats, ...]) -> None:
        """Put a finished answer (of an older message) in the place of the current one."""
        answer = AnswerHistory(tokens[0].job if tokens else 0)
        for token in tokens:
            answer.add(token)
        answer.running = False
        self.last, self.current = self.current, answer


def decimate(x: Floats, rows: Floats, width: int) -> tuple[Floats, Floats]:
    """Thin ``rows`` [O, T] over ``x`` [T] to at most ``width`` columns.

    Each column that stays is a real one: the fullest of its bucket, so that peaks are not lost and
    the parts still add up to a total that was measured.
    """
    n = x.size
    if n <= width or width < 1:
        return x, rows
    bucket = np.arange(n) * width // n
    fullest_last = np.lexsort((np.nansum(rows, axis=0), bucket))
    keep = fullest_last[np.searchsorted(bucket, np.arange(width), side="right") - 1]
    keep[-1] = n - 1  # the newest sample is what the labels read
    return x[keep], rows[:, keep]
