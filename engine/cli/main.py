"""``strata VERB``: exit code 0, 1 for a failure, 2 for bad input."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from engine.cli import verbs
from engine.cli.arguments import build_parser
from engine.errors import EngineError

Verb = Callable[[argparse.Namespace], dict[str, object]]
VERBS: dict[str, Verb] = {
    "chat": verbs.chat,
    "ask": verbs.ask,
    "ingest": verbs.ingest,
    "search": verbs.search,
    "levels": verbs.levels,
    "plan": verbs.plan,
    "bench": verbs.bench,
    "doctor": verbs.doctor,
}


def main(argv: list[str]) -> int:
    """Run one verb; the exit code. ``--json`` prints exactly one JSON object, errors included."""
    args, unknown = build_parser().parse_known_args(argv)
    if unknown and args.verb == "bench":
        args.arguments += unknown
    elif unknown:
        build_parser().error("unrecognized arguments: " + " ".join(unknown))
    try:
        result = VERBS[args.verb](args)
    except EngineError as error:
        _tell(error, args.json)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    if args.json:
        print(json.dumps(result, ensure_ascii=False))
    return 0 if result.get("ok", True) else 1


def _tell(error: EngineError, as_json: bool) -> None:
    if as_json:
        words = {"text": error.text, "hint": error.hint, "detail": error.detail}
        print(json.dumps({"error": words}, ensure_ascii=False))
        return
    for line in (error.text, error.hint, error.detail):
        if line:
            print(line, file=sys.stderr)
