"""From conversations to token rows with targets and guides."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import regex
from tokenizers import Tokenizer

from .conversation import Conversation, Turn
from .network import BIND, COPY, NAME
from .world import RELATION_IDS, SYSTEM, THING, VALUE

GPT2_PIECE = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
MARKED = re.compile("([\ue000-\ue800])")
SPECIAL = re.compile(r"(<\|\w+\|>|\[[1-9]\])")
SAME_SENTENCE = 24  # tokens within which a thing named after its value belongs to it


@dataclass
class Span:
    """Tokens [start, end) of a marked value or mention; `passage` 0 outside passages."""

    mark: int
    start: int
    end: int
    passage: int = 0


@dataclass
class Row:
    """One conversation as tokens. `answers` are (start, end) of supervised tokens."""

    tokens: list[int] = field(default_factory=list)
    answers: list[tuple[int, int]] = field(default_factory=list)
    pairs: list[tuple[int, int, int]] = field(default_factory=list)
    passages: dict[int, int] = field(default_factory=dict)
    relations: dict[int, int] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    markers: dict[int, int] = field(default_factory=dict)


class Encoder:
    """Tokenises piece by piece with a memory, equal to the tokenizer itself but much faster here."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.memory: dict[str, list[tuple[int, int]]] = {}
        ids = tokenizer.get_vocab()
        self.unspaced = {i: ids.get(text.removeprefix("\u0120"), i) for text, i in ids.items()}

    def _piece(self, piece: str) -> list[tuple[int, int]]:
        """(token, length in characters) of one pre-tokenised piece of ASCII text."""
        known = self.memory.get(piece)
        if known is None:
            encoded = self.tokenizer.encode(piece, add_special_tokens=False)
            known = [
                (token, end - start) for token, (start, end) in zip(encoded.ids, encoded.offsets, strict=True)
            ]
            if len(self.memory) < 400_000:
                self.memory[piece] = known
        return known

    def append(self, row: Row, marked: str) -> list[Span]:
        """Add marked text to the row; returns its spans."""
        clean, spans, opened, place = [], [], (0, 0), 0
        for part in MARKED.split(marked):
            if len(part) == 1 and "\ue000" <= part <= "\ue800":
                if part == "\ue800":
                    spans.append((opened[0], opened[1], place))
                else:
                    opened = (ord(part), place)
            else:
                clean.append(part)
                place += len(part)
        bounds: list[tuple[int, int]] = []
        base, place = len(row.tokens), 0
        for part in SPECIAL.split("".join(clean)):
            pieces = [part] if SPECIAL.fullmatch(part) else GPT2_PIECE.findall(part)
            for token, length in (item for piece in pieces for item in self._piece(piece)):
                row.tokens.append(token)
                bounds.append((place, place + length))
                place += length
        found = []
        for mark, start, end in spans:
            inside = [i for i, (low, high) in enumerate(bounds) if high > start and low < end]
            if inside:
                found.append(Span(mark, base + inside[0], base + inside[-1] + 1))
        return found

    def row(self, conversation: Conversation, limit: int) -> Row:
        """The conversation as at most `limit` tokens; turns that do not fit are left out."""
        row = Row()
        self.append(row, "<|bos|>" if conversation.bare else f"<|bos|><|system|>\n{SYSTEM}<|end|>\n")
        for question, answer in conversation.earlier:
            self.append(row, f"<|user|>\n{question}<|end|>\n<|assistant|>\n{answer}<|end|>\n")
        for index, turn in enumerate(conversation.turns):
            self.append(row, "<|user|>\n")
            if index == 0 and not conversation.bare:
                self._passages(row, conversation)
            start = len(row.tokens)
            question = turn.question if conversation.bare else f"Question: {turn.question}"
            if len(row.tokens) + 60 > limit and index:
                break
            asked = self.append(row, f"{question}<|end|>\n<|assistant|>\n")
            self._answer(row, conversation, turn, asked, start)
        del row.tokens[limit:]
        return row

    def _passages(self, row: Row, conversation: Conversation) -> None:
        for number, passage in enumerate(conversation.scene.passages, 1):
            start = len(row.tokens)
            row.markers[number] = start
            for span in self.append(row, f"[{number}] {passage}\n"):
                row.spans.append(Span(span.mark, span.start, span.end, number))
            for position in range(start, len(row.tokens)):
                row.passages[position] = number
        self.append(row, "\n")
        for fact in conversation.scene.facts:
            value = next(span for span in row.spans if span.mark == VALUE + fact.index)
            thing = self._mention(row, THING + fact.thing.index, value)
            if fact.forward:
                row.relations[value.start] = RELATION_IDS[fact.relation]
            if thing is not None and thing.end <= value.start:
                row.pairs.append((BIND, value.start, thing.end - 1))
            if not fact.forward:
                row.pairs += [
                    (BIND, span.end - 1, value.start)
                    for span in row.spans
                    if span.mark == THING + fact.thing.index
                    and span.passage == value.passage
                    and value.end <= span.start < value.end + SAME_SENTENCE
                ]

    @staticmethod
    def _mention(row: Row, mark: int, near: Span) -> Span | None:
        """The mention in the same passage that stands closest before `near`, else the first."""
        same = [span for span in row.spans if span.mark == mark and span.passage == near.passage]
        before = [span for span in same if span.end <= near.start]
        return before[-1] if before else same[0] if same else None

    def _source(self, row: Row, mark: int, turn: Turn) -> Span | None:
        """Where in the passages the marked thing or value is to be looked up."""
        if turn.fact is None:
            return next((span for span in row.spans if span.mark == mark), None)
        value = next(span for span in row.spans if span.mark == VALUE + turn.fact.index)
        return value if mark == value.mark else self._mention(row, mark, value)

    def _answer(
        self, row: Row, conversation: Conversation, turn: Turn, asked: list[Span], start: int
    ) -> None:
        first = len(row.tokens)
        given = self.append(row, f"{turn.answer}<|end|>")
        row.answers.append((first, len(row.tokens)))
        self.append(row, "\n")
        if conversation.bare or turn.mode == "chat":
            return
        if turn.fact is not None and not turn.inverse:
            row.relations[first - 1] = RELATION_IDS[turn.fact.relation]
        if turn.fact is None:
            row.pairs.append((COPY, first - 1, 0))
        for span in asked:
            source = self._source(row, span.mark, turn)
            if source is None:
                row.pairs.append((NAME, span.end - 1, 0))
            else:
                self._pair(row, NAME, span, source, 0)
        for span in given:
            source = self._source(row, span.mark, turn)
            if source is not None and turn.fact is not None:
                self._pair(row, COPY, span, source, -1)
        if turn.fact is not None:
            marker = row.markers[turn.fact.passage]
            row.pairs.extend(
                (COPY, at - 1, marker)
                for at in range(first, len(row.tokens))
                if row.tokens[at] == row.tokens[marker]
            )

    def _pair(self, row: Row, head: int, span: Span, source: Span, shift: int) -> None:
        """Token by token from span to source, where the tokens are equal but for a space."""
        for offset in range(min(span.end - span.start, source.end - source.start)):
            ours, theirs = row.tokens[span.start + offset], row.tokens[source.start + offset]
            if self.unspaced[ours] == self.unspaced[theirs]:
                row.pairs.append((head, span.start + offset + shift, source.start + offset))
