"""Decode speed of the llama.cpp side, in one interleaved run on one thread.

Times are the process's own (CPU) seconds, so that other programs on the machine do not count.

1. Our loop without levels against a bare llama.cpp loop (bar: 0.95).
2. The base, five separate adapters, and one concatenated adapter with and without measuring activity.

    python -m tests.bench.gguf [--model FILE.gguf] [--d-model 1024] [--layers 8] [--rounds 7] [--tokens 32]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import llama_cpp
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from engine.cancel import CancelToken
from engine.levels.adapter import Adapter, LoraPair
from engine.levels.gguf_adapter import concatenate, load_adapter, set_adapters
from engine.levels.gguf_stack import ACTIVITY_BUDGET, GgufStack
from engine.models.gguf import GgufBackend
from engine.models.gguf_export import export_gguf
from engine.protocol import LEVELS, LoadSettings, Sampling
from tests.unit.tiny_hf import save_tokenizer

RANKS = (64, 32, 16, 8, 4)
PROMPT = list(range(10, 42))
GREEDY = Sampling(temperature=0.0)
NEVER = 1e-9


def main(argv: Sequence[str] = ()) -> dict[str, object]:
    """Run the benchmark; returns tokens per second (medians over rounds) and ratios."""
    options = _options(argv)
    with tempfile.TemporaryDirectory() as folder:
        path = options.model or _random_model(Path(folder), options.d_model, options.layers)
        return {
            "model": path.name
            if options.model
            else f"random d={options.d_model} layers={options.layers} q8_0",
            **_loops(path, options.rounds, options.tokens),
            **_adapters(path, options.rounds, options.tokens),
        }


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--d-model", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=32)
    return parser.parse_args(argv)


def random_folder(folder: Path, d_model: int, n_layers: int) -> Path:
    """Write a random Llama with a tokenizer into ``folder``; returns it."""
    config = LlamaConfig(
        hidden_size=d_model,
        intermediate_size=d_model * 11 // 4 // 32 * 32,
        num_hidden_layers=n_layers,
        num_attention_heads=d_model // 64,
        num_key_value_heads=d_model // 128,
        vocab_size=8192,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        eos_token_id=0,
        bos_token_id=None,
    )
    AutoModelForCausalLM.from_config(config).half().save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def _random_model(folder: Path, d_model: int, n_layers: int) -> Path:
    export_gguf(random_folder(folder, d_model, n_layers), folder / "random.gguf", "q8_0")
    return folder / "random.gguf"


def _load(path: Path) -> GgufBackend:
    backend = GgufBackend.load(
        path, LoadSettings(n_ctx=1024, threads=1), lambda stage, done: None, CancelToken()
    )
    backend._vocabulary.end_tokens = frozenset()  # every run decodes the same number of tokens
    return backend


class _Bare:
    """The shortest loop llama.cpp allows: decode, sample, repeat."""

    def __init__(self, backend: GgufBackend) -> None:
        self._handle = backend.handle
        self._chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        llama_cpp.llama_sampler_chain_add(self._chain, llama_cpp.llama_sampler_init_greedy())

    def run(self, n_tokens: int) -> float:
        self._handle.crop(0)
        self._handle.evaluate(PROMPT, True)
        context = self._handle.context
        started = time.process_time()
        for _ in range(n_tokens):
            token = llama_cpp.llama_sampler_sample(self._chain, context, -1)
            array = (llama_cpp.llama_token * 1)(token)
            llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(array, 1))
        return n_tokens / (time.process_time() - started)


def _ours(backend: GgufBackend, stack: GgufStack, n_tokens: int) -> float:
    """Tokens per second of our loop."""
    cancel = CancelToken()
    backend.prefill(PROMPT, stack, cancel)
    started = time.process_time()
    n = sum(1 for _ in islice(backend.decode(GREEDY, stack, cancel), n_tokens + 1)) - 1
    return n / (time.process_time() - started)


def _interleaved(runs: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Median of each over ``rounds``, taken in turn so that a busy machine hits all alike."""
    for run in runs.values():
        run()
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            samples[name].append(run())
    return {name: statistics.median(values) for name, values in samples.items()}


def _loops(path: Path, rounds: int, n_tokens: int) -> dict[str, object]:
    backend, other = _load(path), _load(path)
    stack, bare = GgufStack(backend.handle), _Bare(other)
    speed = _interleaved(
        {"bare": lambda: bare.run(n_tokens), "ours": lambda: _ours(backend, stack, n_tokens)}, rounds
    )
    backend.close()
    other.close()
    return {
        "bare_tokens_per_s": round(speed["bare"], 2),
        "ours_tokens_per_s": round(speed["ours"], 2),
        "ours_of_bare": round(speed["ours"] / speed["bare"], 4),
        "bar": 0.95,
    }


def _adapters(path: Path, rounds: int, n_tokens: int) -> dict[str, object]:
    """Four contexts over the same file: base, five separate adapters, concatenated without and with
    activity. Ratios are time per token over the base's."""
    backends = {name: _load(path) for name in ("base", "separate", "concatenated", "with_activity")}
    stacks = {
        name: GgufStack(backend.handle, activity_budget=ACTIVITY_BUDGET if name == "with_activity" else NEVER)
        for name, backend in backends.items()
    }
    levels = _levels(stacks["base"])
    for name in ("concatenated", "with_activity"):
        for level, adapter in zip(LEVELS, levels, strict=True):
            stacks[name].set_level(level, adapter)
    _set_separate(backends["separate"], levels)
    speed = _interleaved(
        {name: lambda name=name: _ours(backends[name], stacks[name], n_tokens) for name in backends}, rounds
    )
    edit_ms = _edit_ms(stacks["concatenated"])
    for backend in backends.values():
        backend.close()
    times = {f"{name}_time_of_base": round(speed["base"] / value, 3) for name, value in speed.items()}
    return times | {
        "base_tokens_per_s": round(speed["base"], 2),
        "activity_cost": round(speed["concatenated"] / speed["with_activity"] - 1, 4),
        "gain_edit_ms": round(edit_ms, 2),
    }


def _levels(stack: GgufStack) -> list[Adapter]:
    linears = stack.base_modules().linears
    return [
        Adapter(
            f"rank {rank}",
            "",
            {
                m: LoraPair(torch.randn(rank, i) / i, torch.randn(o, rank) / rank, 1.0)
                for m, (i, o) in linears.items()
            },
        )
        for rank in RANKS
    ]


def _set_separate(backend: GgufBackend, levels: Sequence[Adapter]) -> None:
    names = {m: f"{_tensor(m)}" for m in levels[0].pairs}
    pointers = [
        load_adapter(
            backend.handle.model,
            backend.info.architecture,
            [concatenate(names[m], {0: pair}) for m, pair in level.pairs.items()],
            (1.0,),
            torch.float16,
        )
        for level in levels
    ]
    set_adapters(backend.handle.context, pointers, [1.0] * len(pointers))


def _tensor(module: str) -> str:
    """blk.3.attn_q for model.layers.3.self_attn.q_proj."""
    short = {"o": "attn_output", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down"}
    layer, part = module.split(".")[2], module.rsplit(".", 1)[1].removesuffix("_proj")
    return f"blk.{layer}.{short.get(part, f'attn_{part}')}"


def _edit_ms(stack: GgufStack) -> float:
    """Median time of an edit of the widest level's gain."""
    times = []
    for i in range(11):
        started = time.process_time()
        stack.set_gains((0.5 + i / 100, 1.0, 1.0, 1.0, 1.0))
        times.append((time.process_time() - started) * 1e3)
    return statistics.median(times)


if __name__ == "__main__":
    json.dump(main(sys.argv[1:]), sys.stdout, indent=1)
    print()
