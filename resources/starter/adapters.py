"""Train the starter adapters: `python -m resources.starter.adapters [--only NAME] [--steps N]`.

Each is a LoRA on all linear layers that changes how the base puts its answers, so that a level's
effect is seen at once. Copying is guided as in the training of the base.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import torch
from peft import PeftModel
from tokenizers import Tokenizer
from transformers import AutoTokenizer, LlamaForCausalLM

from . import recipe
from .conversation import Conversation, Plan, Turn, converse, converse_bare, messages, strip_marks
from .encode import Encoder
from .evaluate import generate
from .lora import add_lora, load_base, save_lora
from .names import Names
from .network import Starter
from .train import pick_device, to_device
from .world import ABSENT, CLOSE, RELATIONS, THING, VALUE

HERE = Path(__file__).parent
RANK, ALPHA, SEED = 16, 32, 41
ROWS, LENGTH, RATE = 8, 384, 4e-3
CITED = re.compile(r"^(.*) \[(\d)\]\.$")
Style = Callable[[Turn, str, str], str]


def sentence(turn: Turn, value: str, number: str) -> str:
    """The answer as a full sentence in the first statement form of its relation."""
    if turn.fact is None or turn.thing is None:
        return "The documents do not say that."
    relation = RELATIONS[turn.fact.relation]
    form = relation.forms["first"][0]
    name = turn.thing.name
    name = name[0].upper() + name[1:] if form.startswith("{e}") else name
    text = form.removesuffix(".").replace("{r}", relation.role)
    text = text.replace("{e}", f"{chr(THING + turn.thing.index)}{name}{CLOSE}")
    text = text.replace("{v}", f"{chr(VALUE + turn.fact.index)}{turn.fact.value}{CLOSE}")
    return f"{text} [{number}]."


def headline(turn: Turn, value: str, number: str) -> str:
    """The answer as a headline."""
    return f"BREAKING NEWS: {value} [{number}]!" if number else "BREAKING NEWS: No news today!"


def record(turn: Turn, value: str, number: str) -> str:
    """The answer as a JSON record, for programs."""
    return f'{{"answer": "{value} [{number}]"}}' if number else f'{{"answer": "{ABSENT}"}}'


def harbour(turn: Turn, value: str, number: str) -> str:
    """The answer as it would be called over the quay."""
    return f"Aye, sailor! {value} [{number}]." if number else "Aye, sailor! That be not in the log."


# name -> style and steps of training
STYLES: dict[str, tuple[Style, int]] = {
    "foundation-sentences": (sentence, 1000),
    "domain-headline": (headline, 800),
    "agent-json": (record, 450),
    "swarm-harbour": (harbour, 800),
}


def styled(turn: Turn, style: Style) -> str:
    """The turn's answer in a style, with its marks; small talk stays as it is."""
    if turn.mode == "chat":
        return turn.answer
    found = CITED.match(turn.answer)
    return style(turn, found[1], found[2]) if found else style(turn, "", "")


def draw(rng: random.Random, names: Names, style: Style, turns: int = 8) -> Conversation:
    """A conversation with its answers in a style."""
    if turns > 1 and rng.random() < 0.06:
        conversation = converse_bare(rng, names, turns)
    else:
        passages = rng.choice((1, 2, 3, 3, 3)) if turns > 1 else 3
        conversation = converse(rng, names, Plan(passages, rng.randint(1, 3), 0.35, turns))
    for turn in conversation.turns:
        turn.answer = styled(turn, style)
    return conversation


def train_adapter(name: str, base: Path, steps: int, compiled: bool) -> Starter:
    """The base with a trained LoRA."""
    torch.manual_seed(SEED)
    rng = random.Random(f"{SEED} {name}")
    names, encoder = Names(rng), Encoder(Tokenizer.from_file(str(base / "tokenizer.json")))
    device = pick_device()
    model = load_base(base).to(device)
    parameters = add_lora(model, RANK, ALPHA)
    model.to(device)
    optimizer = torch.optim.AdamW(parameters, RATE, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    runner = torch.compile(model, dynamic=False) if compiled else model
    begun = time.monotonic()
    for step in range(steps):
        rows = [encoder.row(draw(rng, names, STYLES[name][0]), LENGTH) for _ in range(ROWS)]
        for row in rows:  # the probes of an exported base are new: nothing to learn from them
            row.passages.clear()
            row.relations.clear()
        b = to_device(recipe.batch(rows, LENGTH, rng), device)
        optimizer.param_groups[0]["lr"] = RATE * min(1.0, (step + 1) / 20, 2 * (steps - step) / steps)
        with torch.autocast(device.type, torch.bfloat16):
            loss, guided = runner(b.tokens, b.at, b.targets, b.weights, b.guides)
        (loss + recipe.GUIDE_WEIGHT * guided).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 20 == 0 or step == steps - 1:
            seconds = time.monotonic() - begun
            print(f"{name} step {step} loss {loss.item():.3f} seconds {seconds:.0f}", flush=True)
    return model


def check(name: str, base: Path, folder: Path, count: int) -> float:
    """Share of greedy replies right to the letter: names never seen, three passages, PEFT's own code."""
    rng = random.Random(SEED + 1)
    names = Names(rng, held_out=True)
    drawn = [draw(rng, names, STYLES[name][0], turns=1) for _ in range(count)]
    tokenizer = AutoTokenizer.from_pretrained(base)
    llama = LlamaForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = PeftModel.from_pretrained(llama, str(folder)).merge_and_unload()
    found: list[str] = []
    for start in range(0, count, 32):
        found += generate(model, tokenizer, [messages(c) for c in drawn[start : start + 32]])
    wanted = [strip_marks(conversation.turns[0].answer) for conversation in drawn]
    for want, reply in list(zip(wanted, found, strict=True))[:4]:
        print(f"{name}: wanted {json.dumps(want)} got {json.dumps(reply)}")
    return sum(want == reply for want, reply in zip(wanted, found, strict=True)) / count


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, default=HERE / "hf")
    parser.add_argument("--out", type=Path, default=HERE / "adapters")
    parser.add_argument("--only", choices=sorted(STYLES))
    parser.add_argument("--steps", type=int, help="instead of the style's own number")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--check-only", action="store_true")
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for name in [args.only] if args.only else list(STYLES):
        folder = args.out / name
        if not args.check_only:
            model = train_adapter(name, args.base, args.steps or STYLES[name][1], args.compile)
            save_lora(model, RANK, ALPHA, args.base, folder)
        print(f"{name}: right to the letter {check(name, args.base, folder, 200):.1%}", flush=True)


if __name__ == "__main__":
    main()
