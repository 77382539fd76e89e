"""What each verb does: commands to the engine, a dict for ``--json``, plain lines otherwise."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import cast

from engine.cli.arguments import LevelArgument, load_settings, parse_level, sampling
from engine.cli.bench import bench
from engine.cli.doctor import doctor
from engine.cli.runner import Runner
from engine.errors import BadInput
from engine.protocol import (
    LEVELS,
    Answer,
    DocumentChanged,
    DocumentRow,
    Documents,
    Event,
    Generate,
    Hit,
    Ingest,
    LevelInfo,
    LoadLevel,
    LoadModel,
    Message,
    ModelInfo,
    Plan,
    PlanModel,
    Search,
    SetGains,
    TextDelta,
)

__all__ = ["ask", "bench", "chat", "doctor", "ingest", "levels", "plan", "search"]


def _load(runner: Runner, args: argparse.Namespace) -> tuple[ModelInfo, list[LevelInfo]]:
    """Load the model, lay the levels, set the gains."""
    specs: list[LevelArgument] = [parse_level(text) for text in args.level]
    info = runner.run(LoadModel(path=args.model, settings=load_settings(args)))
    infos = [runner.run(LoadLevel(level=spec.level, path=spec.path)) for spec in specs]
    gains = {spec.level: spec.gain for spec in specs}
    runner.run(SetGains(gains=tuple(gains.get(level, 1.0) for level in LEVELS)))
    return cast(ModelInfo, info), cast(list[LevelInfo], infos)


def _stream_to_terminal(event: Event) -> None:
    if isinstance(event, TextDelta):
        print(event.text, end="", flush=True)


def _generate(runner: Runner, command: Generate, quiet: bool) -> Answer:
    answer = cast(Answer, runner.run(command, None if quiet else _stream_to_terminal))
    if not quiet:
        print()
    return answer


def chat(args: argparse.Namespace) -> dict[str, object]:
    """One message, one answer, with its tokens and what the levels did."""
    prompt = sys.stdin.read() if args.prompt == "-" else args.prompt
    messages = [Message(role="user", content=prompt)]
    if args.system:
        messages.insert(0, Message(role="system", content=args.system))
    drawn = sampling(args)
    with Runner(None) as runner:
        info, _ = _load(runner, args)
        answer = _generate(runner, Generate(messages=tuple(messages), sampling=drawn), args.json)
    return {
        "model": asdict(info),
        "text": answer.text,
        "token_ids": answer.token_ids,
        "logprobs": answer.logprobs,
        "mean_activity": dict(zip(LEVELS, answer.mean_activity, strict=True)),
        "finish_reason": answer.finish_reason,
        "timings": asdict(answer.timings),
    }


def ask(args: argparse.Namespace) -> dict[str, object]:
    """A question to the documents."""
    drawn = sampling(args)
    _check_count("--passages", args.passages)
    with Runner(args.workspace, write=False) as runner:
        _load(runner, args)
        command = Generate(
            messages=(Message(role="user", content=args.question),),
            sampling=drawn,
            documents=Documents(collection=args.collection, k=args.passages),
        )
        answer = _generate(runner, command, args.json)
    if not args.json:
        for citation in answer.citations:
            print(f"  [{citation.number}] {_place(citation.hit)}: {citation.hit.text}")
    return {
        "answer": answer.text,
        "citations": [
            {
                "number": citation.number,
                "document": citation.hit.document,
                "path": citation.hit.path,
                "page": citation.hit.page,
                "span": [citation.hit.start, citation.hit.end],
                "text": citation.hit.text,
                "matches_source": citation.matches_source,
            }
            for citation in answer.citations
        ],
        "finish_reason": answer.finish_reason,
        "timings": asdict(answer.timings),
    }


def ingest(args: argparse.Namespace) -> dict[str, object]:
    """Read files and folders; one failed file does not stop the others."""

    def show(event: Event) -> None:
        if isinstance(event, DocumentChanged) and event.row.state in ("ready", "failed"):
            row = event.row
            why = f": {row.error.text} {row.error.hint}" if row.error else f", {row.n_chunks} chunks"
            print(f"{row.state:7} {row.name}{why}")

    with Runner(args.workspace) as runner:
        paths = tuple(str(Path(path).absolute()) for path in args.paths)
        command = Ingest(paths=paths, collection=args.collection)
        rows = cast(tuple[DocumentRow, ...], runner.run(command, None if args.json else show))
    failed = sum(row.state == "failed" for row in rows)
    return {"ok": not rows or failed < len(rows), "failed": failed, "documents": [asdict(r) for r in rows]}


def search(args: argparse.Namespace) -> dict[str, object]:
    """The best hits."""
    _check_count("-k", args.k)
    with Runner(args.workspace, write=False) as runner:
        hits = cast(
            tuple[Hit, ...], runner.run(Search(query=args.query, collection=args.collection, k=args.k))
        )
    if not args.json:
        for hit in hits:
            print(f"{hit.score:6.3f}  {_place(hit)}\n        {hit.text}")
    return {"query": args.query, "hits": [asdict(hit) for hit in hits]}


def levels(args: argparse.Namespace) -> dict[str, object]:
    """Check adapters against a model and say what they are."""
    with Runner(None) as runner:
        info, loaded = _load(runner, args)
    if not args.json:
        print(f"{info.name}: {info.architecture}, {info.n_layers} layers, width {info.d_model}")
        for level in loaded:
            print(
                f"{level.level:10} {level.adapter}: rank {level.rank}, {level.n_modules} modules, "
                f"{level.n_params:,} parameters, {level.bytes / 1e6:.2f} MB"
            )
    return {"model": asdict(info), "levels": [asdict(level) for level in loaded]}


def plan(args: argparse.Namespace) -> dict[str, object]:
    """What a model will take, before it is loaded."""
    paths = tuple(parse_level(text).path for text in args.level)
    with Runner(None) as runner:
        command = PlanModel(path=args.model, settings=load_settings(args), level_paths=paths)
        made = cast(Plan, runner.run(command))
    if not args.json:
        for part in made.parts:
            print(f"{part.owner:16} {part.bytes / 1e6:12,.1f} MB")
        print(f"{'in all':16} {made.total_bytes / 1e6:12,.1f} MB of {made.free_bytes / 1e6:,.1f} MB free")
        print("\n".join((made.verdict, *made.proposals)))
    return asdict(made)


def _place(hit: Hit) -> str:
    page = "" if hit.page is None else f", page {hit.page}"
    return f"{hit.document}{page}"


def _check_count(option: str, number: int) -> None:
    if number < 1:
        raise BadInput(f"{option} must be 1 or more.", f"You gave {number}.")
