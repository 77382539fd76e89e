"""``strata bench NAME``: runs a benchmark of the source checkout and keeps its JSON."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path

from engine.errors import BadInput, MissingDependency
from engine.workspace import atomic_write

BENCH_FOLDER = Path(__file__).parents[2] / "tests" / "bench"


def bench(args: argparse.Namespace) -> dict[str, object]:
    """Run ``tests/bench/NAME.py``'s ``main(arguments) -> dict``; the dict is printed or stored."""
    names = available()
    if args.name == "list":
        if not args.json:
            print("\n".join(names))
        return {"benches": names}
    if args.name not in names:
        raise BadInput(f"There is no benchmark named '{args.name}'.", "There are: " + ", ".join(names) + ".")
    with contextlib.redirect_stdout(sys.stderr if args.json else sys.stdout):
        result = _load_main(args.name)([word for word in args.arguments if word != "--"])
    out: Path = args.out or BENCH_FOLDER / "results" / f"{args.name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(out, json.dumps(result, indent=2).encode())
    return {"bench": args.name, "result": result, "written": str(out)}


def available() -> list[str]:
    """Names of the benchmarks in the checkout."""
    if not BENCH_FOLDER.is_dir():
        raise MissingDependency(
            "The benchmarks are not part of an installed Strata.",
            "Run strata bench from a source checkout (packaging/run sets one up).",
        )
    return sorted(path.stem for path in BENCH_FOLDER.glob("[a-z]*.py"))


def _load_main(name: str) -> Callable[[list[str]], dict[str, object]]:
    root = str(BENCH_FOLDER.parents[1])
    if root not in sys.path:
        sys.path.insert(0, root)  # a bench may import its siblings as tests.bench.X
    spec = importlib.util.spec_from_file_location(f"tests.bench.{name}", BENCH_FOLDER / f"{name}.py")
    if spec is None or spec.loader is None:
        raise BadInput(f"The benchmark {name} cannot be read.", "Check the file in tests/bench.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    main: Callable[[list[str]], dict[str, object]] = module.main
    return main
