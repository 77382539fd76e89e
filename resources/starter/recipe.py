"""What is trained on when, and how fast: the curriculum, the rates, the batches.

All stages are mixed and their shares shift with the step; nothing changes abruptly.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from .conversation import Plan, converse, converse_bare
from .encode import Encoder, Row
from .names import Names
from .network import GUIDE_KINDS, Guides

SEED = 20
VOCABULARY = 2560
STEPS = 3700
WARM_UP_STEPS = 60
DECAY_SHARE = 0.4  # of the steps, at the end, the rates fall linearly to zero
MUON_RATE = 0.012
ADAM_RATE = 2e-3
GUIDE_WEIGHT = 0.25
PASSAGE_TOKEN_WEIGHT = 0.04
SUPERVISED_SHARE = 0.22  # positions whose logits are computed, of all positions of a batch
GUIDED_PAIRS = 64  # per row and head; what is over is left out
SWAP_SHARE = 0.4  # more than in evaluation: value first is the hardest order to learn
SHORT, LONG = (16, 384), (10, 640)  # rows, tokens
# (step, shares of 1, 2, 3, 4, 5 passages, most facts in a passage, chance of filler)
STAGES: tuple[tuple[int, tuple[float, ...], int, float], ...] = (
    (0, (0.80, 0.20, 0.00, 0.00, 0.00), 2, 0.1),
    (250, (0.50, 0.35, 0.15, 0.00, 0.00), 3, 0.2),
    (700, (0.20, 0.30, 0.50, 0.00, 0.00), 3, 0.3),
    (1400, (0.08, 0.17, 0.75, 0.00, 0.00), 4, 0.35),
)
LONG_FROM_STEP, LONG_SHARE = 1200, 0.12


@dataclass
class Batch:
    """Tensors of one step; see `Starter.forward` for their shapes."""

    tokens: Tensor
    at: Tensor
    targets: Tensor
    weights: Tensor
    guides: Guides


def plan(rng: random.Random, step: int, long: bool) -> Plan:
    """The difficulty of one conversation at this step, between the two stages around it."""
    earlier = [stage for stage in STAGES if stage[0] <= step]
    later = [stage for stage in STAGES if stage[0] > step]
    stage = earlier[-1]
    if later and rng.random() < (step - stage[0]) / (later[0][0] - stage[0]):
        stage = later[0]
    passages = rng.choice((4, 5)) if long else rng.choices(range(1, 6), stage[1])[0]
    most = stage[2] if passages > 1 else stage[2] + 1
    return Plan(passages, rng.randint(1, most), stage[3], 12, SWAP_SHARE)


def draw_rows(rng: random.Random, names: Names, encoder: Encoder, step: int) -> tuple[list[Row], int]:
    """The rows of one step and their length in tokens."""
    long = step >= LONG_FROM_STEP and rng.random() < LONG_SHARE
    count, length = LONG if long else SHORT
    rows = []
    for _ in range(count):
        if rng.random() < 0.03:
            conversation = converse_bare(rng, names, 10)
        else:
            conversation = converse(rng, names, plan(rng, step, long))
        rows.append(encoder.row(conversation, length))
    return rows, length


def batch(rows: list[Row], length: int, rng: random.Random) -> Batch:
    """Rows as tensors. Answers weigh 1; a sample of the other positions fills up with a small weight."""
    tokens = torch.zeros(len(rows), length, dtype=torch.long)
    passages, relations = torch.full_like(tokens, -1), torch.full_like(tokens, -1)
    queries = torch.zeros(GUIDE_KINDS, len(rows), GUIDED_PAIRS, dtype=torch.long)
    keys = torch.full_like(queries, -1)
    wanted: list[tuple[int, int, float]] = []
    others: list[tuple[int, int, float]] = []
    for b, row in enumerate(rows):
        size = len(row.tokens)
        tokens[b, :size] = torch.tensor(row.tokens)
        for table, target in ((row.passages, passages), (row.relations, relations)):
            for position, value in table.items():
                if position < size:
                    target[b, position] = value
        used = [0] * GUIDE_KINDS
        for head, query, key in row.pairs:
            if query < size and used[head] < GUIDED_PAIRS:
                queries[head, b, used[head]], keys[head, b, used[head]] = query, key
                used[head] += 1
        answered = {p for start, end in row.answers for p in range(start, min(end, size))}
        wanted += [(b * length + p - 1, row.tokens[p], 1.0) for p in answered]
        others += [
            (b * length + p - 1, row.tokens[p], PASSAGE_TOKEN_WEIGHT)
            for p in range(1, size)
            if p not in answered
        ]
    total = int(len(rows) * length * SUPERVISED_SHARE)
    chosen = (wanted + rng.sample(others, max(0, min(len(others), total - len(wanted)))))[:total]
    chosen += [(0, 0, 0.0)] * (total - len(chosen))
    at, targets, weights = zip(*chosen, strict=True)
    guides = Guides(list(queries), list(keys), passages, relations)
    return Batch(tokens, torch.tensor(at), torch.tensor(targets), torch.tensor(weights), guides)


def rate_factor(step: int, steps: int) -> float:
    """Share of the full rate at this step: warm-up, flat, then linear to zero."""
    decay_steps = max(1, int(steps * DECAY_SHARE))
    return min(1.0, (step + 1) / WARM_UP_STEPS, max(0.0, (steps - step) / decay_steps))
