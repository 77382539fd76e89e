"""How late the window's event loop is while a model loads, generates and documents are read at once.

    python -m tests.bench.smoothness [--seconds 30] [--documents 60]

The real window with the real engine on a workspace of its own, without a screen, plots at 20 Hz. A
timer of 5 ms notes by how much each tick is late, and the window's own share of that in CPU time (the
rest is waiting: for Python's lock, or for a core that another process holds). The two starter models
are loaded in turn, each answers questions, and a folder of documents is read all the while.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtWidgets import QApplication

from app.application import Parts, close_window, open_window
from app.garbage import GarbageCollector

STARTER = Path(__file__).parents[2] / "resources" / "starter"
MODELS = (STARTER / "hf", STARTER / "gguf" / "starter-f16.gguf")
QUESTIONS = ("Who is the mayor of Belvaro?", "Tell me about the harbour.", "What is celebrated in spring?")
ANSWERS_PER_LOAD = 3
TICK_MS = 5
P99_BAR_MS, STALL_BAR_MS = 33.0, 250.0
PARAGRAPH = (
    "The {n}th ship of the harbour is called Marivel {n}. Her captain is Ansa Orlen, who has sailed her for "
    "{n} years. She carries salt, wool and lamp oil, and her home is the quay below the old mill. "
)


class Tick(NamedTuple):
    """One tick: seconds since the start, by how much late, the window's CPU time, what went on."""

    at_s: float
    late_ms: float
    own_ms: float
    state: str


class Watch(QObject):
    """Notes the lateness of every tick and what went on meanwhile."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self._parts = parts
        self._began = self._last = time.perf_counter()
        self._last_own = time.thread_time()
        self.ticks: list[Tick] = []
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)

    def _tick(self) -> None:
        now, own = time.perf_counter(), time.thread_time()
        late_ms = max(0.0, (now - self._last) * 1000 - TICK_MS)
        own_ms = (own - self._last_own) * 1000
        self.ticks.append(Tick(now - self._began, late_ms, own_ms, _state(self._parts)))
        self._last, self._last_own = now, own

    def stop(self) -> None:
        """No more ticks."""
        self._timer.stop()


class Driver(QObject):
    """Keeps the engine at work: a load, some answers, the other model, and so on."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self._models, self._chat = parts.controllers.models, parts.controllers.chat
        self.loads = self.answers = 0
        self._models.loaded.connect(self._loaded)
        self._chat.streaming_changed.connect(self._streaming)

    def load(self) -> None:
        """Load the next model."""
        self._models.load(str(MODELS[self.loads % len(MODELS)]))

    def _loaded(self) -> None:
        self.loads += 1
        self._ask()

    def _ask(self) -> None:
        self._chat.send(QUESTIONS[self.answers % len(QUESTIONS)])

    def _streaming(self, streaming: bool) -> None:
        if streaming:
            return
        self.answers += 1
        again = self.answers % ANSWERS_PER_LOAD
        QTimer.singleShot(0, self._ask if again else self.load)


def main(argv: Sequence[str]) -> dict[str, object]:
    """Run, print a table, return the figures and whether the bars are met."""
    parser = argparse.ArgumentParser(prog="smoothness", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--documents", type=int, default=60)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        documents = Path(folder) / "documents"
        write_documents(documents, args.documents)
        figures = _run(Path(folder) / "workspace", documents, args.seconds)
    _print(figures)
    return figures


def _run(workspace: Path, documents: Path, seconds: float) -> dict[str, object]:
    workspace.mkdir()
    app = QApplication.instance() or QApplication(["strata"])
    assert isinstance(app, QApplication)
    parts = open_window(app, workspace, "light")
    collector = GarbageCollector(lambda: parts.context.client.busy)
    driver, watch = Driver(parts), Watch(parts)
    library = parts.controllers.library
    parts.window.painted.connect(lambda: library.add_paths([str(documents)]))
    parts.window.show()
    QTimer.singleShot(int(seconds * 1000), app.quit)
    app.exec()
    watch.stop()
    ready = sum(row.state == "ready" for row in library.rows)
    notices = [notice.text for notice in parts.context.notices.items]
    close_window(parts)
    collector.stop()
    parts.window.close()
    return _figures(watch.ticks) | {
        "loads": driver.loads,
        "answers": driver.answers,
        "documents_ready": ready,
        "notices": notices,
    }


def _figures(ticks: Sequence[Tick]) -> dict[str, object]:
    states = sorted({tick.state for tick in ticks})
    whole = _summary(ticks)
    worst = sorted(ticks, key=lambda tick: -tick.late_ms)[:8]
    return {
        "all": whole,
        "by_state": {state: _summary([t for t in ticks if t.state == state]) for state in states},
        "longest": [tick._asdict() for tick in worst],
        "load_average": os.getloadavg()[0],
        "bars_ms": {"p99": P99_BAR_MS, "max": STALL_BAR_MS},
        "pass": whole["p99_ms"] <= P99_BAR_MS and whole["max_ms"] <= STALL_BAR_MS,
    }


def _summary(ticks: Sequence[Tick]) -> dict[str, float]:
    late, own = (np.array([getattr(tick, name) for tick in ticks]) for name in ("late_ms", "own_ms"))
    return {
        "ticks": len(ticks),
        "p50_ms": round(float(np.percentile(late, 50)), 2),
        "p99_ms": round(float(np.percentile(late, 99)), 2),
        "max_ms": round(float(late.max()), 1),
        "own_p99_ms": round(float(np.percentile(own, 99)), 2),
        "own_max_ms": round(float(own.max()), 1),
    }


def _state(parts: Parts) -> str:
    """What goes on, in words joined by +."""
    controllers = parts.controllers
    going_on = {
        "loading": controllers.models.loading,
        "generating": controllers.chat.streaming,
        "reading": controllers.library.busy,
    }
    return "+".join(word for word, on in going_on.items() if on) or "idle"


def write_documents(folder: Path, number: int) -> None:
    """``number`` Markdown files of about 8 kB."""
    folder.mkdir(parents=True)
    for n in range(number):
        text = "".join(f"\n\n## Part {i}\n\n{PARAGRAPH.format(n=n * 40 + i)}" for i in range(40))
        (folder / f"ships-{n:03}.md").write_text(f"# Ships {n}{text}", encoding="utf-8")


def _print(figures: dict[str, object]) -> None:
    by_state = figures["by_state"]
    assert isinstance(by_state, dict)
    columns = ("ticks", "p50_ms", "p99_ms", "max_ms", "own_p99_ms", "own_max_ms")
    print(" " * 28 + "".join(f"{column:>12}" for column in columns))
    for name, row in [*by_state.items(), ("all", figures["all"])]:
        print(f"{name:28}" + "".join(f"{row[column]:12}" for column in columns))
    print(*(f"{key}: {figures[key]}" for key in ("loads", "answers", "documents_ready", "load_average")))


if __name__ == "__main__":
    main(sys.argv[1:])
