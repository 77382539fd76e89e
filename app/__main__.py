"""``strata``: a verb runs on the command line, without one the window opens."""

from __future__ import annotations

import os
import sys
from pathlib import Path

USAGE = """\
usage: strata [--workspace DIR]         open the window
       strata VERB ... [--json]         work on the command line

verbs: chat, ask, ingest, search, levels, plan, bench, doctor (strata VERB --help tells more)

--workspace DIR   the folder that holds library, chats and settings (else $STRATA_WORKSPACE, else
                  the usual data folder of this user)
--version         print the version"""
VERBS = ("chat", "ask", "ingest", "search", "levels", "plan", "bench", "doctor")


def main(argv: list[str] | None = None) -> int:
    """Exit code 0, 1 for a failure, 2 for bad input or a machine without a screen."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and arguments[0] in VERBS:
        from engine.cli import main as command_line

        return command_line(arguments)
    if arguments in (["--help"], ["-h"]):
        print(USAGE)
        return 0
    if arguments == ["--version"]:
        from importlib.metadata import version

        print(f"strata {version('strata')}")
        return 0
    return _window(arguments)


def _window(arguments: list[str]) -> int:
    from app.preflight import problem
    from engine.workspace import default_path

    workspace = default_path()
    if len(arguments) == 2 and arguments[0] == "--workspace":
        workspace = Path(arguments[1])
    elif arguments:
        print(f"strata does not know {' '.join(arguments)!r}.\n\n{USAGE}", file=sys.stderr)
        return 2
    trouble = problem(os.environ)
    if trouble:
        print(trouble, file=sys.stderr)
        return 2
    from app.application import run

    return run(workspace)


if __name__ == "__main__":
    sys.exit(main())
