"""What five levels cost per decoded token, beside the base, a merged model and PEFT in the same run.

    python -m tests.bench.levels [--widths 1024 256] [--dtypes float32 bfloat16] [--rounds 30]

Every round times one step of each variant in turn, in CPU time of the one thread; ratios are medians over
rounds of step over base. Pin it to one core (taskset -c 0) for figures that repeat. The bundled starter
model is measured with the same ranks when it is there.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from engine.levels.adapter import Adapter, BaseModules, LoraPair
from engine.levels.stack import LevelStack
from engine.protocol import LEVELS

RANKS = (64, 32, 16, 8, 4)
LAYERS = 8
STARTER = Path(__file__).parents[2] / "resources" / "starter" / "hf"
CONTEXT_TOKENS = 64
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
BAR = 1.2

Step = Callable[[], object]


def main(argv: Sequence[str]) -> dict[str, object]:
    """Run, print a table, return {'rows': [...], 'bar': ..., 'pass': ...}."""
    parser = argparse.ArgumentParser(prog="levels", description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[1024, 256])
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--rounds", type=int, default=30)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    rows = []
    for dtype in args.dtypes:
        rows += [measure(f"d={d}", _random_model(d), dtype, args.rounds) for d in args.widths]
        if STARTER.is_dir():
            rows.append(measure("starter", LlamaForCausalLM.from_pretrained(STARTER), dtype, args.rounds))
    _print(rows)
    judged = [row for row in rows if row["model"] == "d=1024"]
    return {"rows": rows, "bar": BAR, "pass": all(float(str(row["ours / floor"])) <= BAR for row in judged)}


def measure(name: str, model: LlamaForCausalLM, dtype: str, rounds: int) -> dict[str, object]:
    """One row: medians in ms and ratios to the base."""
    model = model.to(getattr(torch, dtype)).eval().requires_grad_(False)
    merged, wrapped = copy.deepcopy(model), _with_peft(copy.deepcopy(model))
    stack = LevelStack(model)
    floor = _floor(stack.base_modules())
    for level, rank in zip(LEVELS, RANKS, strict=True):
        stack.set_level(level, _adapter(stack.base_modules(), rank))
    step, on, off = _stepper(model), (1.0,) * len(LEVELS), (0.0,) * len(LEVELS)
    variants: dict[str, tuple[Step, tuple[float, ...]]] = {
        "base": (step, off),
        "merged": (_stepper(merged), off),
        "peft": (_stepper(wrapped), off),
        "ours": (step, on),
        "ours + activity": (lambda: (step(), stack.activity()), on),
    }
    times = _interleave(variants, stack, rounds)
    base = times["base"]
    row: dict[str, object] = {"model": name, "dtype": dtype, "base ms": statistics.median(base) * 1e3}
    for variant in ("merged", "peft", "ours", "ours + activity"):
        row[variant] = statistics.median(t / b for t, b in zip(times[variant], base, strict=True))
    row["floor"] = floor
    row["ours / floor"] = float(str(row["ours"])) / floor
    return row


def _interleave(
    variants: dict[str, tuple[Step, tuple[float, ...]]], stack: LevelStack, rounds: int
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in variants}
    with torch.inference_mode():
        for number in range(rounds + 3):
            for name, (step, gains) in variants.items():
                stack.set_gains(gains)
                step()
                started = time.process_time()
                step()
                if number >= 3:
                    times[name].append(time.process_time() - started)
    return times


def _random_model(d: int) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=d,
        intermediate_size=d * 11 // 4,
        num_hidden_layers=LAYERS,
        num_attention_heads=d // 64,
        num_key_value_heads=d // 64,
        vocab_size=1024,
        max_position_embeddings=256,
    )
    return LlamaForCausalLM(config)


def _adapter(base: BaseModules, rank: int) -> Adapter:
    pairs = {
        path: LoraPair(torch.randn(rank, d_in) * 0.02, torch.randn(d_out, rank) * 0.02, 1.0)
        for path, (d_in, d_out) in base.linears.items()
    }
    return Adapter(f"rank {rank}", "", pairs)


def _with_peft(model: LlamaForCausalLM) -> PeftModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        configs = [
            LoraConfig(r=r, lora_alpha=r, target_modules=TARGETS, task_type="CAUSAL_LM") for r in RANKS
        ]
        wrapped = get_peft_model(model, configs[0], adapter_name=LEVELS[0], autocast_adapter_dtype=False)
        for level, config in zip(LEVELS[1:], configs[1:], strict=True):
            wrapped.add_adapter(level, config, autocast_adapter_dtype=False)
    wrapped.base_model.set_adapter(list(LEVELS))
    return wrapped.to(model.dtype).eval().requires_grad_(False)


def _stepper(model: torch.nn.Module) -> Step:
    """One decode step over a context whose length stays the same."""
    cache = DynamicCache(config=model.config)
    token = torch.ones(1, 1, dtype=torch.long)
    with torch.inference_mode():
        model(input_ids=token.expand(1, CONTEXT_TOKENS), past_key_values=cache, use_cache=True)

    def step() -> object:
        output = model(input_ids=token, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.crop(-1)
        return output

    return step


def _floor(base: BaseModules) -> float:
    rank = sum(RANKS)
    return statistics.mean(1 + rank * (i + o) / (i * o) for i, o in base.linears.values())


def _print(rows: Sequence[dict[str, object]]) -> None:
    names = list(rows[0])
    print("  ".join(f"{name:>15}" for name in names))
    for row in rows:
        print("  ".join(f"{v:15.3f}" if isinstance(v, float) else f"{v!s:>15}" for v in row.values()))


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
