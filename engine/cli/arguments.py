"""The arguments of every verb."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from engine.errors import BadInput
from engine.protocol import GAIN_MAX, GAIN_MIN, LEVELS, LoadSettings, Sampling
from engine.workspace import default_path

STARTER = Path(__file__).parents[2] / "resources" / "starter" / "hf"


@dataclass(frozen=True, slots=True)
class LevelArgument:
    """One ``--level NAME=PATH[:GAIN]``."""

    level: str
    path: str
    gain: float


def parse_level(text: str) -> LevelArgument:
    """``domain=adapters/law:0.8``; without a gain it is 1. Raises BadInput."""
    name, found, rest = text.partition("=")
    path, colon, number = rest.rpartition(":")
    gain = 1.0
    try:
        gain = float(number) if colon else 1.0
    except ValueError:
        path = ""
    path = path or rest
    if not found or name not in LEVELS or not path:
        raise BadInput(
            f"'{text}' is not a level.",
            f"Write LEVEL=PATH or LEVEL=PATH:GAIN, with LEVEL one of {', '.join(LEVELS)}.",
        )
    if not GAIN_MIN <= gain <= GAIN_MAX:
        raise BadInput(f"The gain {gain:g} of {name} is out of range.", f"Use {GAIN_MIN:g} to {GAIN_MAX:g}.")
    return LevelArgument(name, path, gain)


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``strata VERB``."""
    parser = argparse.ArgumentParser(
        prog="strata",
        description="A workbench for a local model under five live LoRA levels. "
        "Without a verb the window opens.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _chat(verbs.add_parser("chat", help="ask a model once"))
    _ask(verbs.add_parser("ask", help="ask your documents; the answer carries citations"))
    _ingest(verbs.add_parser("ingest", help="read files and folders into the library"))
    _search(verbs.add_parser("search", help="search the library"))
    _levels(verbs.add_parser("levels", help="check adapters against a model and describe them"))
    _plan(verbs.add_parser("plan", help="what a model will take in memory, before loading it"))
    _bench(verbs.add_parser("bench", help="run a benchmark of the source checkout"))
    _output(verbs.add_parser("doctor", help="what is installed, which devices, what is missing"))
    return parser


def load_settings(args: argparse.Namespace) -> LoadSettings:
    """LoadSettings from the options of :func:`_model`."""
    return LoadSettings(
        backend=args.backend,
        n_ctx=args.ctx,
        n_gpu_layers=args.gpu_layers,
        kv_type=args.kv_type,
        flash_attention=args.flash_attention,
        dtype=args.dtype,
        device=args.device,
        threads=args.threads,
    )


def sampling(args: argparse.Namespace) -> Sampling:
    """Sampling from the options of :func:`_generation`. Raises BadInput."""
    checks = (
        (args.temperature >= 0, "--temperature must be 0 or more."),
        (args.top_k >= 0, "--top-k must be 0 (off) or more."),
        (0 < args.top_p <= 1, "--top-p must be above 0 and at most 1."),
        (0 <= args.min_p <= 1, "--min-p must be from 0 to 1."),
        (args.repetition_penalty > 0, "--repetition-penalty must be above 0."),
        (args.max_tokens >= 1, "--max-tokens must be 1 or more."),
    )
    for holds, text in checks:
        if not holds:
            raise BadInput(text, "See strata chat --help.")
    return Sampling(
        temperature=args.temperature,
        top_k=args.top_k,
        top_p=args.top_p,
        min_p=args.min_p,
        repetition_penalty=args.repetition_penalty,
        max_tokens=args.max_tokens,
        seed=args.seed,
        stop=tuple(args.stop),
    )


def _output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default=str(STARTER), help="model folder or .gguf (the starter)")
    _loading(parser)
    parser.add_argument(
        "--level", action="append", default=[], metavar="NAME=PATH[:GAIN]", help="lay an adapter on a level"
    )


def _loading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", choices=("auto", "hf", "gguf"), default="auto")
    parser.add_argument("--ctx", type=int, help="context in tokens")
    parser.add_argument("--gpu-layers", type=int, default=-1, help="layers on the GPU (-1: all that can be)")
    parser.add_argument("--kv-type", choices=("auto", "f32", "f16", "q8_0", "q4_0"), default="auto")
    parser.add_argument("--flash-attention", action=argparse.BooleanOptionalAction, default=None)
    parser.add_argument("--dtype", choices=("auto", "float32", "bfloat16", "float16"), default="auto")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--threads", type=int)


def _generation(parser: argparse.ArgumentParser, temperature: float) -> None:
    off = Sampling()
    parser.add_argument("--temperature", type=float, default=temperature, help="0 is greedy")
    parser.add_argument("--top-k", type=int, default=off.top_k, help="0 is off")
    parser.add_argument("--top-p", type=float, default=off.top_p)
    parser.add_argument("--min-p", type=float, default=off.min_p)
    parser.add_argument("--repetition-penalty", type=float, default=off.repetition_penalty)
    parser.add_argument("--max-tokens", type=int, default=off.max_tokens)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--stop", action="append", default=[], metavar="TEXT")


def _library(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workspace", type=Path, default=default_path(), help="folder (default: yours)")
    parser.add_argument("--collection", default="library")


def _chat(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompt", required=True, help="the message; - reads standard input")
    parser.add_argument("--system", help="a system message")
    _model(parser)
    _generation(parser, Sampling().temperature)
    _output(parser)


def _ask(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("question")
    _library(parser)
    parser.add_argument("--passages", type=int, default=3, metavar="K", help="how many go into the prompt")
    _model(parser)
    _generation(parser, 0.0)
    _output(parser)


def _ingest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH")
    _library(parser)
    _output(parser)


def _search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query")
    _library(parser)
    parser.add_argument("-k", type=int, default=10, help="how many hits")
    _output(parser)


def _levels(parser: argparse.ArgumentParser) -> None:
    _model(parser)
    _output(parser)


def _plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="model folder or .gguf")
    _loading(parser)
    parser.add_argument("--level", action="append", default=[], metavar="NAME=PATH[:GAIN]")
    _output(parser)


def _bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="list", help="which one (none: list them)")
    parser.add_argument("arguments", nargs="*", help="passed to the benchmark")
    parser.add_argument("--out", type=Path, help="where its JSON goes")
    _output(parser)
