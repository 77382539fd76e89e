"""Conversations over scenes: which passages stand beside each other, what is asked, what is right."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from .names import Names
from .world import (
    ABSENT,
    CHAT,
    CLOSE,
    RELATIONS,
    SYSTEM,
    THING,
    VALUE,
    WORLD,
    Fact,
    Scene,
    Thing,
)  # fmt: skip

KIND_NOUNS = {"town": "town", "ship": "ship", "house": "place", "person": "person", "festival": "festival"}


@dataclass
class Turn:
    """One question and its right answer. `fact` is None when there is nothing to find.

    `inverse`: the value is asked from and the thing is the answer. `mode` names the case for counts.
    """

    question: str
    answer: str
    fact: Fact | None = None
    thing: Thing | None = None
    inverse: bool = False
    mode: str = "answer"


@dataclass
class Conversation:
    """Earlier turns (not supervised), passages, and the turns over them."""

    scene: Scene
    turns: list[Turn]
    earlier: list[tuple[str, str]] = field(default_factory=list)
    bare: bool = False


@dataclass(frozen=True)
class Plan:
    """How hard a conversation is: number of passages, most facts in each, chance of filler.

    `swap` is the chance that a statement with a name has its value first.
    """

    passages: int
    facts: int
    filler: float
    turns: int
    swap: float = 0.22


def build_scene(rng: random.Random, names: Names, plan: Plan) -> Scene:
    """Passages whose things or relations resemble each other, so that both must be read."""
    scene = Scene(rng, names, swap=plan.swap)
    kind = rng.choice(list(WORLD["kinds"]))
    keys = [key for key, relation in RELATIONS.items() if relation.kind == kind]
    pool = rng.sample(keys, min(len(keys), rng.randint(2, 5) if plan.passages > 1 else 6))
    shared: Thing | None = None
    used: dict[int, set[str]] = {}
    spread = rng.random()
    for _ in range(plan.passages):
        if spread > 0.88:
            kind = rng.choice(list(WORLD["kinds"]))
            pool = [key for key, relation in RELATIONS.items() if relation.kind == kind]
        things = [scene.thing(kind)]
        if spread < 0.3 and shared is not None and rng.random() < 0.6:
            things = [shared]
        elif plan.passages > 1 and rng.random() < 0.12:
            things.append(scene.thing(kind))
        shared = shared or things[0]
        chosen: list[list[str]] = []
        for thing in things:
            taken = used.setdefault(thing.index, set())
            free = [key for key in pool if key not in taken] or [key for key in keys if key not in taken]
            picks = rng.sample(free, min(len(free), rng.randint(1, max(1, plan.facts // len(things)))))
            taken.update(picks)
            chosen.append(picks)
        scene.add_passage(things, chosen, plan.filler)
    return scene


def answer_turn(scene: Scene, held_out: bool) -> Turn | None:
    """A question whose answer stands in a passage."""
    fact = scene.rng.choice(scene.facts)
    if RELATIONS[fact.relation].role and scene.rng.random() < 0.12:
        return inverse_turn(scene, fact)
    question = scene.question(fact, held_out)
    if question is None:
        return None
    answer = f"{chr(VALUE + fact.index)}{fact.value}{CLOSE} [{fact.passage}]."
    return Turn(question, answer, fact, fact.thing)


def inverse_turn(scene: Scene, fact: Fact) -> Turn | None:
    """A question from the person of a role to the thing."""
    if sum(fact.value == other.value for other in scene.facts) > 1 or fact.thing.kind == "person":
        return None
    form = scene.rng.choice(WORLD["roles"]["inverse"]).replace("{k}", KIND_NOUNS[fact.thing.kind])
    form = form.replace("{r}", RELATIONS[fact.relation].role)
    question = form.replace("{v}", f"{chr(VALUE + fact.index)}{fact.value}{CLOSE}")
    answer = f"{chr(THING + fact.thing.index)}{fact.thing.name}{CLOSE} [{fact.passage}]."
    return Turn(question, answer, fact, fact.thing, inverse=True)


def absent_turn(scene: Scene) -> Turn:
    """A question that the passages do not answer: an unknown thing, or a relation not told of it."""
    rng = scene.rng
    fact = rng.choice(scene.facts)
    kind = fact.thing.kind
    told = {other.relation for other in scene.facts if other.thing is fact.thing}
    every = {key for key, relation in RELATIONS.items() if relation.kind == kind} - told
    if rng.random() < 0.5 or not every:
        stranger = scene.thing(kind)
        form = rng.choice(RELATIONS[fact.relation].forms["ask"])
        return Turn(scene.ask(form, stranger, fact.relation), ABSENT, None, None, mode="unknown thing")
    others = {other.relation for other in scene.facts if other.thing.kind == kind} - told
    key = rng.choice(sorted(others) if others and rng.random() < 0.6 else sorted(every))
    form = rng.choice(RELATIONS[key].forms["ask"])
    return Turn(scene.ask(form, fact.thing, key), ABSENT, None, fact.thing, mode="untold relation")


def chat_turn(rng: random.Random) -> Turn:
    """Small talk."""
    openings, reply = rng.choice(CHAT)
    return Turn(rng.choice(openings), reply, mode="chat")


def strip_marks(text: str) -> str:
    """The text as people see it."""
    return "".join(letter for letter in text if not "\ue000" <= letter <= CLOSE)


def earlier_turns(rng: random.Random, names: Names) -> list[tuple[str, str]]:
    """Turns from before whose passages are no longer shown."""
    turns: list[tuple[str, str]] = []
    for _ in range(rng.choice((1, 1, 2))):
        scene = build_scene(rng, names, Plan(1, 1, 0.0, 1))
        turn = answer_turn(scene, True)
        if turn is None or rng.random() < 0.25:
            turn = chat_turn(rng) if rng.random() < 0.3 else absent_turn(scene)
        answer = strip_marks(turn.answer).replace("[1]", f"[{rng.randint(1, 3)}]")
        turns.append((strip_marks(turn.question), answer))
    return turns


def converse(rng: random.Random, names: Names, plan: Plan, absent_share: float = 0.25) -> Conversation:
    """A conversation over passages with `plan.turns` questions."""
    held_out = names.held_out
    scene = build_scene(rng, names, plan)
    turns: list[Turn] = []
    asked: set[str] = set()
    for _ in range(plan.turns * 2):
        draw = rng.random()
        turn = (
            chat_turn(rng)
            if draw < 0.01
            else absent_turn(scene)
            if draw < absent_share
            else answer_turn(scene, held_out)
        )
        if turn is not None and turn.question not in asked and len(turns) < plan.turns:
            asked.add(turn.question)
            turns.append(turn)
    turns = turns or [absent_turn(scene)]
    earlier = earlier_turns(rng, names) if rng.random() < 0.1 else []
    return Conversation(scene, turns, earlier)


def converse_bare(rng: random.Random, names: Names, turns: int) -> Conversation:
    """A conversation without passages: small talk, or questions that nothing answers."""
    drawn: list[Turn] = []
    for _ in range(turns):
        scene = build_scene(rng, names, Plan(1, 2, 0.0, 1))
        drawn.append(chat_turn(rng) if rng.random() < 0.4 else absent_turn(scene))
        drawn[-1].thing = None
    return Conversation(Scene(rng, names), drawn, bare=True)


def user_content(conversation: Conversation, index: int) -> str:
    """The content of the user message of turn `index`, as the workbench writes it."""
    question = conversation.turns[index].question
    if conversation.bare:
        return question
    passages = conversation.scene.passages if index == 0 else []
    lines = [f"[{number}] {text}\n" for number, text in enumerate(passages, 1)]
    return "".join(lines) + ("\n" if lines else "") + f"Question: {question}"


def messages(conversation: Conversation, index: int = 0) -> list[dict[str, str]]:
    """Chat messages up to the question of turn `index`, without marks, for evaluation."""
    found: list[dict[str, str]] = [] if conversation.bare else [{"role": "system", "content": SYSTEM}]
    for question, answer in conversation.earlier:
        found += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    for step in range(index + 1):
        found.append({"role": "user", "content": strip_marks(user_content(conversation, step))})
        if step < index:
            found.append({"role": "assistant", "content": strip_marks(conversation.turns[step].answer)})
    return found
