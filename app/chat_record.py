"""What is known of an answer besides its text: citations, timings, tokens, gain edits.

While an answer streams the record grows from events; a stored answer's record is read back from
the JSON that the engine wrote. Missing keys are tolerated: older chats have fewer.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TypeVar

from engine.protocol import Answer, Citation, ErrorInfo, Hit, Timings, TokenStats

_V = TypeVar("_V", Hit, Timings, ErrorInfo)


@dataclass(frozen=True, slots=True)
class GainMark:
    """From token ``index`` on the levels had these gains."""

    index: int
    gains: tuple[float, ...]


@dataclass(slots=True)
class Record:
    """Everything about one answer but its text; ``hits`` are the passages that were put before the
    model, ``citations`` those that the answer points to."""

    hits: tuple[Hit, ...] = ()
    citations: tuple[Citation, ...] = ()
    timings: Timings | None = None
    tokens: list[TokenStats] = field(default_factory=list)
    start_gains: tuple[float, ...] = ()
    gain_marks: list[GainMark] = field(default_factory=list)
    dropped_turns: int = 0
    n_ctx: int = 0
    finish_reason: str = ""

    def gains_at(self, index: int) -> tuple[float, ...]:
        """The levels' gains at token ``index``; empty where they were not noted."""
        held = [mark.gains for mark in self.gain_marks if mark.index <= index]
        return held[-1] if held else self.start_gains

    def cited(self) -> tuple[Citation, ...]:
        """What numbers in the text point to: the citations, or all passages while it streams."""
        if self.citations:
            return self.citations
        return tuple(Citation(number=i, hit=hit) for i, hit in enumerate(self.hits, start=1))

    def take(self, answer: Answer) -> None:
        """Complete the record with the engine's final word."""
        self.citations, self.timings = answer.citations, answer.timings
        self.dropped_turns, self.finish_reason = answer.dropped_turns, answer.finish_reason


def read_record(meta: str, content: str) -> Record:
    """The record of a stored answer; an unreadable one is empty."""
    try:
        raw = json.loads(meta)
    except json.JSONDecodeError:
        return Record()
    if not isinstance(raw, dict):
        return Record()
    return Record(
        hits=tuple(hit for item in _items(raw, "hits") if (hit := _value(Hit, item))),
        citations=tuple(c for item in _items(raw, "citations") if (c := _citation(item))),
        timings=_value(Timings, raw.get("timings")),
        tokens=[_token(i, item, content) for i, item in enumerate(_items(raw, "tokens"))],
        gain_marks=[_gain_mark(item) for item in _items(raw, "gain_marks")],
        start_gains=_gain_mark(raw).gains,
        dropped_turns=int(raw.get("dropped_turns") or 0),
        n_ctx=int(raw.get("n_ctx") or 0),
        finish_reason=str(raw.get("finish_reason") or ""),
    )


def stored_error(meta: str) -> ErrorInfo:
    """Why a stored answer failed."""
    try:
        raw = json.loads(meta)
    except json.JSONDecodeError:
        raw = {}
    found = _value(ErrorInfo, raw.get("error")) if isinstance(raw, dict) else None
    return found or ErrorInfo(text="This answer failed.", hint="Try it again.")


def _items(raw: Mapping[str, object], key: str) -> list[dict[str, object]]:
    found = raw.get(key)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _value(kind: type[_V], raw: object) -> _V | None:
    """A protocol value from its dict, or None where a field without a default is missing."""
    if not isinstance(raw, dict):
        return None
    known = {item.name: raw[item.name] for item in fields(kind) if item.name in raw}
    try:
        return kind(**known)
    except TypeError:
        return None


def _gain_mark(raw: Mapping[str, object]) -> GainMark:
    gains = raw.get("gains")
    numbers = gains if isinstance(gains, list) else []
    return GainMark(int(_number(raw, "index")), tuple(float(gain) for gain in numbers))


def _citation(raw: Mapping[str, object]) -> Citation | None:
    hit, number, matches = _value(Hit, raw.get("hit")), raw.get("number"), raw.get("matches_source")
    if hit is None or not isinstance(number, int):
        return None
    return Citation(number=number, hit=hit, matches_source=matches if isinstance(matches, bool) else None)


def _token(index: int, raw: Mapping[str, object], content: str) -> TokenStats:
    start, end = _number(raw, "start"), _number(raw, "end")
    activity, n_layers = _activity(raw.get("activity"))
    logprob = raw.get("logprob")
    return TokenStats(
        index=index,
        token_id=int(_number(raw, "id")),
        text=content[int(start) : int(end)],
        start=int(start),
        end=int(end),
        logprob=float(logprob) if isinstance(logprob, int | float) else float("nan"),
        alternatives=_alternatives(raw.get("alternatives")),
        activity=activity,
        n_layers=n_layers,
        revision=int(_number(raw, "revision")),
        tokens_per_second=0.0,
    )


def _number(raw: Mapping[str, object], key: str) -> float:
    found = raw.get(key)
    return float(found) if isinstance(found, int | float) else 0.0


def _alternatives(raw: object) -> tuple[tuple[str, float], ...]:
    if not isinstance(raw, list):
        return ()
    pairs = [pair for pair in raw if isinstance(pair, list) and len(pair) == 2]
    return tuple((str(text), float(logprob)) for text, logprob in pairs)


def _activity(raw: object) -> tuple[bytes, int]:
    """[levels][layers] numbers as float32 bytes in C order, and the number of layers."""
    if not isinstance(raw, list) or not raw or not all(isinstance(row, list) for row in raw):
        return b"", 0
    n_layers = min(len(row) for row in raw)
    flat = array("f", [float(number or 0.0) for row in raw for number in row[:n_layers]])
    return (flat.tobytes(), n_layers) if n_layers else (b"", 0)


def level_means(token: TokenStats) -> tuple[float, ...]:
    """Mean activity over the layers, one number per level; empty where it was not measured."""
    values = array("f")
    values.frombytes(token.activity[: len(token.activity) // 4 * 4])
    n = token.n_layers
    return tuple(sum(values[i : i + n]) / n for i in range(0, len(values), n)) if n and values else ()


def token_at(tokens: Sequence[TokenStats], position: int) -> int | None:
    """The index of the token that holds character ``position`` of the answer (binary search; tokens
    that add no text are passed over)."""
    low, high = 0, len(tokens)
    while low < high:
        middle = (low + high) // 2
        if tokens[middle].end <= position:
            low = middle + 1
        else:
            high = middle
    return low if low < len(tokens) and tokens[low].start <= position else None
