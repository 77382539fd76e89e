"""Train the base model: `python -m resources.starter.train [--steps N] [--minutes M] [--resume]`.

Uses a GPU when there is one. Checkpoints go to `checkpoints/`; the run is seeded.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer

from . import recipe
from .conversation import Plan, converse
from .encode import Encoder, Row
from .muon import Muon
from .names import Names
from .network import Shape, Starter
from .tokenizer import train_tokenizer
from .world import RELATIONS

HERE = Path(__file__).parent
CHECKPOINTS = HERE / "checkpoints"


def pick_device() -> torch.device:
    """A GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of this run, trained at its start."""
    path = folder / "tokenizer.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        train_tokenizer(recipe.SEED, recipe.VOCABULARY).save(str(path))
    return Tokenizer.from_file(str(path))


def to_device(batch: recipe.Batch, device: torch.device) -> recipe.Batch:
    """The batch on the device."""
    guides = batch.guides
    guides.queries = [tensor.to(device) for tensor in guides.queries]
    guides.keys = [tensor.to(device) for tensor in guides.keys]
    guides.passages, guides.relations = guides.passages.to(device), guides.relations.to(device)
    moved = (part.to(device) for part in (batch.tokens, batch.at, batch.targets, batch.weights))
    return recipe.Batch(*moved, guides)


def optimizers(model: Starter) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for the rest."""
    matrices = [p for p in model.layers.parameters() if p.dim() == 2]
    taken = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in taken]
    return [
        Muon(matrices, recipe.MUON_RATE),
        torch.optim.AdamW(rest, recipe.ADAM_RATE, betas=(0.9, 0.95), weight_decay=0.01, fused=True),
    ]


@torch.no_grad()
def quick_check(model: Starter, encoder: Encoder, device: torch.device, count: int = 128) -> dict[str, float]:
    """Shares of right answers on held-out names, three passages, one question.

    Every token of the answer must be the most likely one after the right tokens before it, which is
    the same as a greedy answer being right.
    """
    rng = random.Random(recipe.SEED + 1)
    names, right = Names(rng, held_out=True), {"answer": [0, 0], "name": [0, 0], "absent": [0, 0]}
    for _ in range(count // 16):
        rows: list[tuple[Row, str]] = []
        while len(rows) < 16:
            conversation = converse(rng, names, Plan(3, 3, 0.3, 1))
            if conversation.turns[0].mode != "chat" and not conversation.earlier:
                rows.append((encoder.row(conversation, 384), conversation.turns[0].mode))
        tokens = torch.zeros(16, 384, dtype=torch.long)
        for b, (row, _) in enumerate(rows):
            tokens[b, : len(row.tokens)] = torch.tensor(row.tokens)
        with torch.autocast(device.type, torch.bfloat16):
            best = model.logits(tokens.to(device)).argmax(-1).cpu()
        for b, (row, mode) in enumerate(rows):
            if not row.answers:
                continue
            start, end = row.answers[0]
            hits = [int(best[b, p - 1]) == row.tokens[p] for p in range(start, min(end, 384))]
            if mode == "answer":
                right["name"][0] += all(hits[:-3])
                right["name"][1] += 1
            key = "answer" if mode == "answer" else "absent"
            right[key][0] += all(hits)
            right[key][1] += 1
    return {key: good / max(1, of) for key, (good, of) in right.items()}


def train(args: argparse.Namespace) -> None:
    """The whole run, or its continuation."""
    torch.manual_seed(recipe.SEED)
    device, folder = pick_device(), args.folder
    encoder = Encoder(load_tokenizer(folder))
    model = Starter(Shape(vocabulary=encoder.tokenizer.get_vocab_size()), len(RELATIONS)).to(device)
    opts, step, spent, seen = optimizers(model), 0, 0.0, 0
    if args.resume:
        saved = torch.load(args.resume, map_location=device, weights_only=True)
        model.load_state_dict(saved["model"])
        for opt, state in zip(opts, saved["optimizers"], strict=True):
            opt.load_state_dict(state)
        step, spent, seen = saved["step"], saved["seconds"], saved["tokens"]
    runner = torch.compile(model, dynamic=False) if args.compile else model
    begun = checked = time.monotonic()
    mean: dict[str, float] = {}
    while step < args.steps and (time.monotonic() - begun) / 60 < args.minutes:
        rng = random.Random(f"{recipe.SEED} {step}")
        rows, length = recipe.draw_rows(rng, Names(rng), encoder, step)
        b = to_device(recipe.batch(rows, length, rng), device)
        factor = recipe.rate_factor(step, args.steps)
        with torch.autocast(device.type, torch.bfloat16):
            loss, guided = runner(b.tokens, b.at, b.targets, b.weights, b.guides)
        (loss + recipe.GUIDE_WEIGHT * guided).backward()
        for opt, rate in zip(opts, (recipe.MUON_RATE, recipe.ADAM_RATE), strict=True):
            opt.param_groups[0]["lr"] = rate * factor
            opt.step()
            opt.zero_grad()
        step, seen = step + 1, seen + b.tokens.numel()
        for key, value in (("answer", loss), ("guides", guided)):
            mean[key] = 0.95 * mean.get(key, value.item()) + 0.05 * value.item()
        if step % 20 == 0:
            seconds = spent + time.monotonic() - begun
            means = " ".join(f"{key} {value:.3f}" for key, value in mean.items())
            print(f"step {step} tokens {seen} {means} seconds {seconds:.0f}", flush=True)
        last = step >= args.steps or (time.monotonic() - begun) / 60 >= args.minutes
        if last or time.monotonic() - checked > args.check_every:
            checked = time.monotonic()
            shares = quick_check(model, encoder, device)
            print("check", step, json.dumps({k: round(v, 3) for k, v in shares.items()}), flush=True)
            state = {
                "model": model.state_dict(), "optimizers": [opt.state_dict() for opt in opts],
                "step": step, "seconds": spent + time.monotonic() - begun, "tokens": seen,
                "shape": model.shape.as_dict(),
            }  # fmt: skip
            torch.save(state, folder / "last.pt")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=recipe.STEPS)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so many minutes")
    parser.add_argument("--resume", type=Path, help="a checkpoint to go on from")
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--check-every", type=float, default=240.0, help="seconds")
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    train(args)


if __name__ == "__main__":
    main()
