"""What the engine tells. Every command ends in exactly one of ``FINAL``."""

from __future__ import annotations

from typing import Literal

from engine.protocol.base import value
from engine.protocol.values import DocumentRow, ErrorInfo, Hit, LevelInfo


@value
class Event:
    """Base of all events; ``job`` 0 belongs to no command."""

    job: int = 0


@value
class Started(Event):
    """The job left the queue."""


@value
class Progress(Event):
    """``fraction`` is 0..1, or None when it cannot be known."""

    stage: str
    fraction: float | None = None
    text: str = ""


@value
class Retrieved(Event):
    """The passages that go into the prompt, numbered from 1 in this order."""

    hits: tuple[Hit, ...]


@value
class ContextTrimmed(Event):
    """The oldest turns left the prompt so that it fits."""

    dropped_turns: int
    dropped_tokens: int
    n_ctx: int


@value
class PromptReady(Event):
    """The prompt is read; decoding begins."""

    prompt_tokens: int
    reused_tokens: int
    n_ctx: int
    prefill_ms: float


@value
class TextDelta(Event):
    """Text to append to the answer."""

    text: str


@value
class TokenStats(Event):
    """One token. ``start``/``end`` are its characters in the answer; ``alternatives`` are the most
    likely tokens (text, log-probability), best first; ``activity`` is float32 [levels, layers] in C
    order (empty: not measured at this token)."""

    index: int
    token_id: int
    text: str
    start: int
    end: int
    logprob: float
    alternatives: tuple[tuple[str, float], ...]
    activity: bytes
    n_layers: int
    revision: int
    tokens_per_second: float


@value
class GainsChanged(Event):
    """A gain edit took effect at token ``index`` of the running answer."""

    index: int
    revision: int
    gains: tuple[float, ...]


@value
class LevelsChanged(Event):
    """What lies on the stack now."""

    levels: tuple[LevelInfo, ...]
    revision: int


@value
class DocumentChanged(Event):
    """A row of the library's table is new or differs."""

    collection: str
    row: DocumentRow


@value
class LedgerSample(Event):
    """Measured memory by owner. Owners: 'base weights', the level names, 'KV cache',
    'activations', 'embedder', 'other of Strata', 'other processes'. ``capacity_bytes`` is the card's
    (or the machine's) memory."""

    time_s: float
    owners: tuple[tuple[str, int], ...]
    capacity_bytes: int
    device: str


@value
class Notice(Event):
    """Something to know that belongs to no job."""

    severity: Literal["info", "warning", "error"]
    error: ErrorInfo


@value
class Finished(Event):
    """The job is done; ``result`` is what its command's docstring names."""

    result: object = None


@value
class Cancelled(Event):
    """The job was stopped; ``result`` holds what there was by then (an Answer, or None)."""

    result: object = None


@value
class Failed(Event):
    """The job failed; nothing else is lost."""

    error: ErrorInfo


FINAL = (Finished, Cancelled, Failed)
