"""Names and values of the invented world, drawn from a seeded generator.

One name in eight (by its checksum) is held out: training never sees it, evaluation uses only such.
"""

from __future__ import annotations

import random
import tomllib
import zlib
from collections.abc import Callable
from pathlib import Path

HELD_OUT_SHARE = 8
OPEN_CODAS = 8  # so many of the codas are empty
WORDS: dict[str, list[str]] = tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8"))
CODAS = [""] * OPEN_CODAS + WORDS["closed_codas"]


class Names:
    """Draws names and values; `held_out` picks the side of the split that names come from."""

    def __init__(self, rng: random.Random, held_out: bool = False) -> None:
        self.rng = rng
        self.held_out = held_out
        self.makers: dict[str, Callable[[], str]] = {
            "person": self.person, "place": self.place, "year": self._year, "count": self._count,
            "street": lambda: f"{self.word()} {self._pick('streets')}", "price": self._price,
            "hour": self._hour, "task": self._task, "tool": self._tool, "span": self._span,
            "day": lambda: self._pick("days"), "month": lambda: self._pick("months"),
            "colour": lambda: self._pick("colours"), "material": lambda: self._pick("materials"),
            "food": lambda: self._pick("foods"), "animal": lambda: self._pick("animals"),
            "job": lambda: self._pick("jobs"),
        }  # fmt: skip

    def _pick(self, group: str) -> str:
        return self.rng.choice(WORDS[group])

    def word(self) -> str:
        """One capitalised invented word from the right side of the split."""
        while True:
            parts = [self._syllable() for _ in range(self.rng.choice((1, 2, 2, 2, 3)))]
            if self.rng.random() < 0.12:
                parts[0] = self.rng.choice("aeiou") + self.rng.choice("lnrskmtdv")
            if len(parts) == 1:
                parts[0] = self._syllable(closed=True) + self._pick("short_endings")
            if self.rng.random() < 0.12:
                parts = [parts[0], self._pick("endings")]
            word = "".join(parts)
            if (zlib.crc32(word.encode()) % HELD_OUT_SHARE == 0) == self.held_out:
                return word.capitalize()

    def _syllable(self, closed: bool = False) -> str:
        coda = self.rng.choice(CODAS[OPEN_CODAS:] if closed else CODAS)
        return self._pick("onsets") + self._pick("vowels") + coda

    def person(self) -> str:
        """A given name and a family name."""
        common = not self.held_out and self.rng.random() < 0.15
        return f"{self._pick('given') if common else self.word()} {self.word()}"

    def place(self) -> str:
        """The name of a town, river or other place."""
        if self.rng.random() < 0.08:
            return f"{self.rng.choice(('Port', 'Saint', 'Mount', 'North', 'Old', 'Lower'))} {self.word()}"
        return self.word()

    def _year(self) -> str:
        return str(self.rng.randint(1100, 2049))

    def _count(self) -> str:
        number = self.rng.choice(
            (self.rng.randint(2, 99), self.rng.randint(100, 999), self.rng.randint(1000, 60000))
        )
        return f"{number:,}" if self.rng.random() < 0.3 else str(number)

    def _price(self) -> str:
        unit = self.rng.choice(("crowns", "pence", "silver coins", "shillings", "euros", "marks"))
        return f"{self.rng.randint(2, 60)} {unit}"

    def _hour(self) -> str:
        hour = self._pick("hours")
        if hour == "noon":
            return hour
        return self.rng.choice(
            (f"{hour} o'clock", f"half past {hour}", f"{hour} in the morning", f"{hour} in the evening")
        )

    def _span(self) -> str:
        return (
            f"{self.rng.choice(WORDS['hours'][1:10])} {self.rng.choice(('days', 'nights', 'weeks', 'hours'))}"
        )

    def _task(self) -> str:
        rng = self.rng
        verb, article = self._pick("verbs"), rng.choice(("the", "a"))
        return f"{verb} {article} {self._pick('qualities')} {self._pick('objects')}"

    def _tool(self) -> str:
        quality = self._pick("qualities")
        article = "an" if quality[0] in "aeiou" else "a"
        return f"{article} {quality} {self._pick('things')}"

    def value(self, kind: str) -> str:
        """A value of the given kind, such as "year" or "food"."""
        return self.makers[kind]()
