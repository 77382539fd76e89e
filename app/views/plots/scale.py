"""Ranges and ticks that people can read, and that do not jump with every sample. No Qt."""

from __future__ import annotations

import math
from collections.abc import Sequence

Tick = tuple[float, str]

_TOPS = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_HEADROOM = 1.04
_KEEP_ABOVE = 0.6
LONGEST_SPAN_S = 300


def nice_top(value: float, current: float = 0.0) -> float:
    """A round upper end for a range that holds ``value`` (>= 0). The ``current`` one stays while it is
    neither too low nor mostly empty, so that the plot does not breathe."""
    if value <= 0:
        return current or 1.0
    if current * _KEEP_ABOVE <= value and value * _HEADROOM <= current:
        return current
    scale = 10.0 ** math.floor(math.log10(value))
    return next((top * scale for top in _TOPS if top * scale >= value * _HEADROOM), 12.0 * scale)


def ticks(top: float, unit: str = "", at_most: int = 4) -> list[Tick]:
    """Round ticks from 0 to ``top``; the highest carries the unit."""
    scale = 10.0 ** math.floor(math.log10(top / at_most))
    step = next(s * scale for s in _STEPS if s * scale * at_most >= top * 0.999)
    texts = [f"{i * step:g}" for i in range(int(top / step + 1e-6) + 1)]
    if unit:
        texts[-1] = f"{texts[-1]} {unit}"
    return [(i * step, text) for i, text in enumerate(texts)]


def count_ticks(first: int, last: int, at_most: int = 6) -> list[Tick]:
    """Whole-number ticks inside ``first``..``last`` (tokens, layers)."""
    span = max(1, last - first)
    scale = 10.0 ** math.floor(math.log10(max(1.0, span / at_most)))
    step = next(int(max(1, s * scale)) for s in (1, 2, 5, 10) if s * scale * at_most >= span)
    start = math.ceil(first / step) * step
    return [(float(i), f"{i:,}") for i in range(start, last + 1, step)]


def time_span(available_s: float) -> int:
    """A round span (seconds) that shows all there is and little else, five minutes at most."""
    step = 10 if available_s <= 60 else 30
    return min(max(step, math.ceil(available_s / step) * step), LONGEST_SPAN_S)


def time_ticks(span_s: int) -> list[Tick]:
    """Ticks inside a span that ends now."""
    if span_s > 60:
        return [(-60.0 * m, f"−{m} min") for m in range((span_s - 1) // 60, 0, -1)]
    step = 5 if span_s <= 20 else 10 if span_s <= 40 else 20
    return [(-float(s), f"−{s} s") for s in range((span_s - 1) // step * step, 0, -step)]


def spread(anchors: Sequence[float], spacing: float, low: float, high: float) -> list[float]:
    """Places for labels near ``anchors`` (ascending), ``spacing`` apart, inside ``low``..``high``.

    Labels that would overlap form a block that is centred on the mean of its anchors; blocks that
    touch are joined (the pool-adjacent-violators way), so the sum of squared shifts is least.
    """
    blocks: list[tuple[float, int]] = []  # sum of (anchor - offset in block), count
    for anchor in anchors:
        total, count = anchor, 1
        while blocks and _start(blocks[-1], spacing, low, high) + blocks[-1][1] * spacing > _start(
            (total, count), spacing, low, high
        ):
            before, n = blocks.pop()
            total, count = before + total - n * spacing * count, n + count
        blocks.append((total, count))
    return [_start(block, spacing, low, high) + i * spacing for block in blocks for i in range(block[1])]


def _start(block: tuple[float, int], spacing: float, low: float, high: float) -> float:
    total, count = block
    return min(max(total / count, low), high - (count - 1) * spacing)
