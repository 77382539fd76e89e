"""Words for counting: what a text holds, how rare that is, and how much of it another text covers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

# Thai, kana and Chinese characters are written without spaces: each counts for itself.
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
# Words that share their first letters count as one: 'bridges' covers 'bridge'. Crude, and enough to
# compare a sentence with its source; the search index stems properly.
_STEM_LETTERS = 6
_FUNCTION_WORDS = frozenset(
    _WORD.findall(
        """a an and are as at be been but by can could did do does for from had has have he her his how i if
        in into is it its me my no not of on or our she should so such than that the their them then there
        these they this those to was we were what when where which who whom whose why will with would you
        your"""
    )
)


def stems(text: str) -> frozenset[str]:
    """The distinct content words of a text, cut to their stems."""
    words = (word.casefold() for word in _WORD.findall(text))
    return frozenset(word[:_STEM_LETTERS] for word in words if word not in _FUNCTION_WORDS)


def numbers(text: str) -> frozenset[str]:
    """The numbers in a text as they are written, thousands separators left out."""
    return frozenset(re.sub(r"(?<=\d),(?=\d{3})", "", found) for found in _NUMBER.findall(text))


def inverse_frequencies(counts: Mapping[str, int], stems: Iterable[str], n_chunks: int) -> dict[str, float]:
    """idf = ln(1 + (N - n + 0.5) / (n + 0.5)), as in BM25; never below 0."""
    return {
        stem: math.log(
            1 + (max(n_chunks, counts.get(stem, 0)) - counts.get(stem, 0) + 0.5) / (counts.get(stem, 0) + 0.5)
        )
        for stem in stems
    }


def coverage(of: frozenset[str], by: frozenset[str], weights: Mapping[str, float]) -> float:
    """Share of the weight of the stems ``of`` that ``by`` holds too (1 when ``of`` is empty); a stem
    without a weight weighs 1."""
    total = sum(weights.get(stem, 1.0) for stem in of)
    return sum(weights.get(stem, 1.0) for stem in of & by) / total if total else 1.0
