"""From the start of the process to the first painted frame of the window, torch not yet imported.

    python -m tests.bench.first_paint [--runs 5]

Every run is a process of its own on a workspace of its own, without a screen; the window prints one
line when it has painted. The figure that counts is wall-clock time, so nothing else may keep the
machine busy; the CPU time beside it shows what a busy machine added.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).parents[2]
BAR_S = 0.8
LIMIT_S = 60


def main(argv: Sequence[str]) -> dict[str, object]:
    """Run, print a line, return the runs, their median and whether the bar is met."""
    parser = argparse.ArgumentParser(prog="first_paint", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = [start_once() for _ in range(parser.parse_args(argv).runs)]
    seconds = [float(str(run["first_paint_s"])) for run in runs]
    median_s = statistics.median(seconds)
    light = not any(run["torch_imported"] for run in runs)
    cpu_s = statistics.median(float(str(run["cpu_s"])) for run in runs)
    print(
        f"first paint: median {median_s:.2f} s of {seconds} ({cpu_s:.2f} s of CPU), bar {BAR_S} s, "
        f"torch imported: {not light}"
    )
    return {
        "first_paint_s": seconds,
        "median_s": median_s,
        "median_cpu_s": cpu_s,
        "torch_imported": not light,
        "load_average": os.getloadavg()[0],
        "bar_s": BAR_S,
        "pass": median_s <= BAR_S and light,
    }


def start_once() -> dict[str, object]:
    """Open the window, wait for its line, end it. RuntimeError when the window ends without the line."""
    environment = os.environ | {"STRATA_TRACE_START": "1", "QT_QPA_PLATFORM": "offscreen"}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as workspace:
        command = [sys.executable, "-m", "app", "--workspace", workspace]
        pipe = subprocess.PIPE
        began = time.perf_counter()
        window = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdout=pipe, stderr=pipe, text=True
        )
        try:
            said = _read_line(window)
            return said | {"first_paint_s": round(time.perf_counter() - began, 3)}
        finally:
            window.kill()  # the workspace goes with it: there is nothing to save
            window.communicate(timeout=LIMIT_S)


def _read_line(window: subprocess.Popen[str]) -> dict[str, object]:
    assert window.stdout is not None
    for line in window.stdout:
        if line.startswith('{"painted"'):
            used = psutil.Process(window.pid).cpu_times()
            return json.loads(line) | {"cpu_s": round(used.user + used.system, 2)}
    _, said = window.communicate(timeout=LIMIT_S)
    raise RuntimeError(f"the window ended before it painted:\n{said}")


if __name__ == "__main__":
    main(sys.argv[1:])
