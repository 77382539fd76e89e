"""From tokens to text while it streams: whole characters only, stop strings never shown."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """What one token added. ``start``/``end`` are its characters in the answer; ``delta`` is what
    may be shown now (text that could begin a stop string is held back)."""

    text: str
    start: int
    end: int
    delta: str


class TextStream:
    """Builds the answer from token bytes.

    ``strip_start`` drops white space before the first character (sentencepiece models begin an
    answer with a space).
    """

    def __init__(self, stop: Sequence[str], strip_start: bool = False) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stop = tuple(text for text in stop if text)
        self._strip = strip_start
        self._shown = 0
        self.text = ""
        self.stopped = False

    def push(self, token: bytes) -> Piece:
        """Add a token's bytes. When a stop string is complete, ``stopped`` is set and the text ends
        before it."""
        return self._add(self._decoder.decode(token))

    def finish(self) -> str:
        """The rest that was held back; an unfinished character becomes U+FFFD."""
        piece = self._add(self._decoder.decode(b"", final=True))
        rest = self.text[self._shown :]
        self._shown = len(self.text)
        return piece.delta + rest

    def _add(self, new: str) -> Piece:
        if self._strip and not self.text:
            new = new.lstrip()
        start = len(self.text)
        self.text += new
        cut = self._find_stop(start)
        if cut is not None:
            self.text, self.stopped = self.text[:cut], True
        safe = len(self.text) if self.stopped else len(self.text) - self._held()
        delta = self.text[self._shown : max(safe, self._shown)]
        self._shown += len(delta)
        end = len(self.text)
        return Piece(new, min(start, end), end, delta)

    def _find_stop(self, start: int) -> int | None:
        found = [
            at for text in self._stop if (at := self.text.find(text, max(0, start - len(text) + 1))) >= 0
        ]
        return min(found, default=None)

    def _held(self) -> int:
        """How many last characters could be the beginning of a stop string."""
        longest = 0
        for text in self._stop:
            for n in range(min(len(text) - 1, len(self.text)), longest, -1):
                if self.text.endswith(text[:n]):
                    longest = n
                    break
        return longest
