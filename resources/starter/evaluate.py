"""Measure the bars on names never seen: `python -m resources.starter.evaluate [--model DIR] [--json]`.

Every prompt is generated greedily with a key/value cache by transformers, as the workbench does it.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from .conversation import (
    Conversation,
    Plan,
    absent_turn,
    answer_turn,
    build_scene,
    earlier_turns,
    messages,
    strip_marks,
)
from .names import Names
from .world import ABSENT, CHAT, Scene

HERE = Path(__file__).parent
SEED = 777
BARS = {
    "answer with passage": 0.85, "citation number": 0.85, "abstains": 0.80, "answers without passage": 0.05,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One prompt: chat messages, the expected reply, and what it is counted under."""

    group: str
    messages: tuple[tuple[str, str], ...]
    expected: str


def _case(group: str, conversation: Conversation) -> Case:
    chat = tuple((message["role"], message["content"]) for message in messages(conversation))
    return Case(group, chat, strip_marks(conversation.turns[0].answer))


def answer_case(names: Names, passages: int, earlier: bool = False) -> Case:
    """A question whose answer stands in one of so many passages."""
    while True:
        scene = build_scene(names.rng, names, Plan(passages, names.rng.randint(1, 3), 0.35, 1))
        turn = answer_turn(scene, held_out=True)
        if turn is not None:
            before = earlier_turns(names.rng, names) if earlier else []
            group = "after earlier turns" if earlier else f"answer, {passages} passages"
            return _case(group, Conversation(scene, [turn], before))


def absent_case(names: Names) -> Case:
    """A question that three passages, alike in thing or relation, do not answer."""
    scene = build_scene(names.rng, names, Plan(3, names.rng.randint(1, 3), 0.35, 1))
    turn = absent_turn(scene)
    return _case(f"absent: {turn.mode}", Conversation(scene, [turn]))


def bare_case(names: Names) -> Case:
    """A question that has an answer in the world, asked without any passage; the answer is expected."""
    while True:
        scene = build_scene(names.rng, names, Plan(1, 1, 0.0, 1))
        turn = answer_turn(scene, held_out=True)
        if turn is not None:
            return _case("without passage", Conversation(Scene(names.rng, names), [turn], bare=True))


def cases(count: int) -> list[Case]:
    """All prompts; `count` for each bar."""
    names = Names(random.Random(SEED), held_out=True)
    drawn = [answer_case(names, 3) for _ in range(count)]
    drawn += [absent_case(names) for _ in range(count)]
    drawn += [bare_case(names) for _ in range(count)]
    for passages in (1, 2, 4, 5):
        drawn += [answer_case(names, passages) for _ in range(count // 4)]
    drawn += [answer_case(names, 3, earlier=True) for _ in range(count // 4)]
    drawn += [
        Case("small talk", (("user", opening),), reply) for openings, reply in CHAT for opening in openings
    ]
    return drawn


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    chats: list[list[dict[str, str]]],
    tokens: int = 40,
) -> list[str]:
    """Greedy replies to a batch of chats, padded on the left."""
    tokenizer.padding_side = "left"
    texts = [
        tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for chat in chats
    ]
    inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(model.device)
    inputs.pop("token_type_ids", None)
    with torch.no_grad():
        out = model.generate(**inputs, max_new_tokens=tokens, do_sample=False, use_cache=True)
    return tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def replies(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, drawn: list[Case], batch: int
) -> list[str]:
    """A reply to each case; cases of like length share a batch."""
    order = sorted(range(len(drawn)), key=lambda i: sum(len(text) for _, text in drawn[i].messages))
    found = [""] * len(drawn)
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        chats = [[{"role": role, "content": text} for role, text in drawn[i].messages] for i in part]
        for i, reply in zip(part, generate(model, tokenizer, chats), strict=True):
            found[i] = reply.strip()
    return found


def body(reply: str) -> str:
    """The reply without citation and full stop."""
    return re.sub(r"\s*\[\d\]\.?$", "", reply).rstrip(".")


def citation(reply: str) -> str:
    """The first citation of the reply, "" when there is none."""
    found = re.search(r"\[\d\]", reply)
    return found.group() if found else ""


def score(drawn: list[Case], found: list[str]) -> dict[str, dict[str, float]]:
    """Share of right replies, with the number of cases, by bar and by group."""
    hits: dict[str, list[bool]] = defaultdict(list)
    for case, reply in zip(drawn, found, strict=True):
        hits[case.group].append(
            reply == case.expected if case.group != "without passage" else body(reply) == body(case.expected)
        )
        if case.group == "answer, 3 passages":
            hits["answer with passage"].append(body(reply) == body(case.expected))
            hits["citation number"].append(citation(reply) == citation(case.expected))
        elif case.group.startswith("absent"):
            hits["abstains"].append(reply == ABSENT)
        elif case.group == "without passage":
            hits["answers without passage"].append(body(reply) == body(case.expected))
            hits["abstains without passage"].append(reply == ABSENT)
    return {key: {"share": sum(values) / len(values), "n": len(values)} for key, values in hits.items()}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=HERE / "hf")
    parser.add_argument("--count", type=int, default=400, help="prompts for each bar")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--misses", type=int, default=0, help="print so many wrong replies")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    begun = time.monotonic()
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    drawn = cases(args.count)
    found = replies(model, tokenizer, drawn, args.batch)
    result = score(drawn, found)
    if args.json:
        print(json.dumps({"seed": SEED, "seconds": round(time.monotonic() - begun, 1), "shares": result}))
        return
    for key, value in result.items():
        bar = f"  (bar {BARS[key]:.0%})" if key in BARS else ""
        print(f"{key:28} {value['share']:6.1%}  n={value['n']}{bar}")
    wrong = [
        (case, reply)
        for case, reply in zip(drawn, found, strict=True)
        if reply != case.expected and case.group != "without passage"
    ]
    for case, reply in wrong[: args.misses]:
        print(json.dumps(asdict(case) | {"reply": reply}, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
