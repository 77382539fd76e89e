"""How soon a gain edit is felt while the model talks: tokens and milliseconds from sending to effect.

    python -m tests.bench.gain_edit [--edits 30]

The starter rambles at a high temperature with its adapters on; every few tokens another gain is sent
through the engine's mailbox, as the window sends it. 1 means that the next token is made under the new
gain; 2, that the next one was being decoded already when the edit came.
"""

from __future__ import annotations

import argparse
import json
import queue
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.protocol import (
    FINAL,
    LEVELS,
    Command,
    Event,
    GainsChanged,
    Generate,
    LoadLevel,
    LoadModel,
    Message,
    Sampling,
    SetGains,
    TokenStats,
)
from engine.worker import Engine

STARTER = Path(__file__).parents[2] / "resources" / "starter"
MODELS = {"hf": STARTER / "hf", "gguf": STARTER / "gguf" / "starter-f16.gguf"}
EVERY_TOKENS = 5


class Bench:
    """One engine, and the events it sends."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._engine = Engine(None, self._events.put)
        self._job = 0

    def send(self, command: Command) -> int:
        """Submit under a fresh job number."""
        self._job += 1
        self._engine.submit(replace(command, job=self._job))
        return self._job

    def run(self, command: Command) -> None:
        """Submit and wait for the end."""
        job = self.send(command)
        while not isinstance(event := self._events.get(), FINAL) or event.job != job:
            pass

    def edits(self, count: int) -> list[tuple[int, float]]:
        """(tokens, ms) from sending an edit to its effect, for ``count`` edits in one answer."""
        wild = Sampling(temperature=9.0, top_k=0, top_p=1.0, max_tokens=(count + 2) * EVERY_TOKENS, seed=1)
        job = self.send(Generate(messages=(Message(role="user", content="Hello"),), sampling=wild))
        found: list[tuple[int, float]] = []
        sent: tuple[int, float] | None = None
        while True:
            event = self._events.get()
            if isinstance(event, FINAL) and event.job == job:
                return found
            if isinstance(event, TokenStats) and sent is None and event.index % EVERY_TOKENS == 0:
                sent = event.index, time.perf_counter()
                self.send(SetGains(gains=(1.0 if len(found) % 2 else 0.5,) * len(LEVELS)))
            elif isinstance(event, GainsChanged) and sent is not None:
                found.append((event.index - sent[0], (time.perf_counter() - sent[1]) * 1e3))
                sent = None

    def close(self) -> None:
        """Stop the engine."""
        self._engine.close()


def main(argv: Sequence[str]) -> dict[str, object]:
    """Both backends; prints a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=30)
    args = parser.parse_args(argv)
    rows: dict[str, object] = {}
    for name, path in MODELS.items():
        bench = Bench()
        bench.run(LoadModel(path=str(path)))
        for folder in sorted(path for path in (STARTER / "adapters").iterdir() if path.is_dir()):
            bench.run(LoadLevel(level=folder.name.split("-")[0], path=str(folder)))
        found: list[tuple[int, float]] = []
        while len(found) < args.edits:
            found += bench.edits(args.edits - len(found))
        bench.close()
        tokens = [n for n, _ in found]
        median_ms = statistics.median(ms for _, ms in found)
        rows[name] = {"edits": len(found), "tokens_max": max(tokens), "median_ms": round(median_ms, 2)}
        print(
            f"{name:5} {len(found)} edits, felt {max(tokens)} tokens later at most, median {median_ms:.1f} ms"
        )
    return rows


if __name__ == "__main__":
    import sys

    print(json.dumps(main(sys.argv[1:])))
