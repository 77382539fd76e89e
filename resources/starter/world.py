"""Passages, questions and conversations of the invented world.

Text carries private-use marks around what the guides of the training need (`encode.py` takes them
out): `VALUE + i` opens the value of fact i, `THING + j` opens a mention of thing j, `CLOSE` closes.
"""

from __future__ import annotations

import random
import tomllib
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .names import Names

VALUE, THING, CLOSE = 0xE000, 0xE400, "\ue800"
SYSTEM = (
    "Answer from the passages. Cite them like [1]. "
    "If they do not hold the answer, say: It is not in the documents."
)
ABSENT = "It is not in the documents."
WORLD: dict[str, Any] = tomllib.loads(Path(__file__).with_name("relations.toml").read_text("utf-8"))
CHAT: list[tuple[tuple[str, ...], str]] = [
    (
        ("Hello", "Hello!", "Hi", "Hi there", "Good morning", "Good day"),
        "Hello! Ask me something about your documents.",
    ),
    (
        ("Who are you?", "What are you?", "What is your name?"),
        "I am the starter model. I answer from your documents and cite them.",
    ),
    (
        ("What can you do?", "How can you help me?", "Help"),
        "I answer questions from your documents and say which passage it was.",
    ),
    (("Thanks", "Thank you", "Thank you!", "Thanks a lot"), "You are welcome."),
    (("Goodbye", "Bye", "See you"), "Goodbye!"),
]


@dataclass
class Thing:
    """A town, ship, house, person or festival; `index` is its mark in the text."""

    index: int
    kind: str
    name: str
    pronoun: str


@dataclass
class Fact:
    """One statement. `relation` is a key of `RELATIONS`; `forward`: the thing stands before the value."""

    index: int
    thing: Thing
    relation: str
    value: str
    statement: str
    passage: int
    forward: bool


@dataclass
class Relation:
    """What can be said and asked of a kind of thing."""

    key: str
    kind: str
    value: str
    forms: dict[str, list[str]]
    role: str = ""


def _relations() -> dict[str, Relation]:
    """All relations by key, e.g. "town.mayor"."""
    found: dict[str, Relation] = {}
    for kind, spec in WORLD["kinds"].items():
        for role in spec["roles"]:
            key = f"{kind}.{role}"
            found[key] = Relation(key, kind, "person", WORLD["roles"], role)
        for entry in spec["relations"]:
            key = f"{kind}.{entry['name']}"
            found[key] = Relation(key, kind, entry["value"], entry)
    return found


RELATIONS = _relations()
RELATION_IDS = {key: index for index, key in enumerate(RELATIONS)}


def withheld(statement: str, question: str) -> bool:
    """Whether this pairing of statement form and question form is kept for evaluation."""
    return zlib.crc32(f"{statement}|{question}".encode()) % 8 == 0


@dataclass
class Scene:
    """The passages of one conversation and what they say."""

    rng: random.Random
    names: Names
    swap: float = 0.22
    passages: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)

    def thing(self, kind: str) -> Thing:
        """A new thing of this kind with a fresh name."""
        spec = WORLD["kinds"][kind]
        form = self.rng.choice(spec["forms"])
        name = form.replace("{n}", self.names.word()).replace("{p}", self.names.person())
        self.things.append(Thing(len(self.things), kind, name, self.rng.choice(spec["it"].split())))
        return self.things[-1]

    def _fill(self, form: str, thing: Thing, relation: Relation | None, value: str) -> str:
        """A form with its gaps filled; a mention at the start gets a capital letter."""
        possessive = {"It": "its", "She": "her", "He": "his"}[thing.pronoun]
        name = thing.name
        if form.startswith("{e}"):
            name = name[0].upper() + name[1:]
        text = (
            form.replace("{It}", thing.pronoun)
            .replace("{Its}", possessive.capitalize())
            .replace("{its}", possessive)
        )
        role = relation.role if relation else ""
        if role[:1] in set("aeiou"):
            text = text.replace(" a {r}", " an {r}")
        text = text.replace("{r}", role)
        for gap in ("{p}", "{q}"):
            if gap in text:
                text = text.replace(gap, self.names.person())
        text = text.replace("{e}", f"{chr(THING + thing.index)}{name}{CLOSE}")
        return text.replace("{v}", f"{chr(VALUE + len(self.facts))}{value}{CLOSE}")

    def state(self, thing: Thing, relation: Relation, known: bool, passage: int) -> str:
        """A sentence for a new fact; `known`: the passage has named the thing, a pronoun may stand."""
        rng = self.rng
        group = "first"
        if known and rng.random() < 0.65:
            group = "follow"
        elif rng.random() < self.swap and relation.forms["swap"]:
            group = "swap"
        form = rng.choice(relation.forms[group])
        value = self.names.value(relation.value)
        if form.startswith("{v}") and relation.value not in ("person", "place"):
            form = rng.choice(relation.forms["first"])
        sentence = self._fill(form, thing, relation, value)
        self.facts.append(
            Fact(
                len(self.facts),
                thing,
                relation.key,
                value,
                form,
                passage,
                form.find("{e}") < form.find("{v}"),
            )
        )
        return sentence

    def add_passage(self, things: list[Thing], keys: list[list[str]], filler: float) -> None:
        """Write one passage on some things, with the given relations of each."""
        rng, number, sentences = self.rng, len(self.passages) + 1, []
        if rng.random() < 0.2:
            sentences.append(self._heading(things[0]))
        for thing, relations in zip(things, keys, strict=True):
            known = False
            if rng.random() < filler:
                sentences.append(self._fill(rng.choice(WORLD["kinds"][thing.kind]["intro"]), thing, None, ""))
                known = True
            for key in relations:
                sentences.append(self.state(thing, RELATIONS[key], known, number))
                known = True
                if rng.random() < filler * 0.5:
                    sentences.append(self._filler())
        self.passages.append(" ".join(sentences))

    def _filler(self) -> str:
        """A sentence that answers nothing, often with names and years in it."""
        text = self.rng.choice(WORLD["fillers"])
        for gap, words in WORLD["words"].items():
            text = text.replace(f"{{{gap}}}", self.rng.choice(words))
        for gap, kind in (("{p}", "person"), ("{q}", "person"), ("{year}", "year"), ("{place}", "place")):
            if gap in text:
                text = text.replace(gap, self.names.value(kind))
        return text

    def _heading(self, thing: Thing) -> str:
        name = thing.name[0].upper() + thing.name[1:]
        mention = f"{chr(THING + thing.index)}{name}{CLOSE}"
        return self.rng.choice(
            (
                f"{mention}.",
                f"# {mention}",
                f"About {mention}.",
                f"{mention} -",
                f"## {mention}",
                f"{mention}:",
            )
        )

    def question(self, fact: Fact, held_out: bool) -> str | None:
        """A question for a fact, in a form that this side of the split may use."""
        forms = RELATIONS[fact.relation].forms["ask"]
        if not held_out:
            forms = [form for form in forms if not withheld(fact.statement, form)]
        return self.ask(self.rng.choice(forms), fact.thing, fact.relation) if forms else None

    def ask(self, form: str, thing: Thing, key: str) -> str:
        """A question form with its gaps filled, now and then written carelessly."""
        text = form.replace("{r}", RELATIONS[key].role)
        text = text.replace("{e}", f"{chr(THING + thing.index)}{thing.name}{CLOSE}")
        chance = self.rng.random()
        if chance < 0.06:
            return text.rstrip("?.")
        return text[0].lower() + text[1:] if chance < 0.1 and text[0].isalpha() else text
