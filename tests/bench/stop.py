"""How long a stop takes: from cancelling to the job's final event, while a prompt is read and while
tokens come.

    python -m tests.bench.stop [--stops 12] [--d-model 1024]

A random Llama of 8 layers in both backends; the prompt is long, and the stop comes at a random moment.
"""

from __future__ import annotations

import argparse
import json
import queue
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.models.gguf_export import export_gguf
from engine.protocol import (
    FINAL,
    Cancelled,
    Command,
    Event,
    Generate,
    LoadModel,
    LoadSettings,
    Message,
    PromptReady,
    Sampling,
)
from engine.worker import Engine
from tests.bench.gguf import random_folder

BAR_MS = 100.0
WORDS = 700


class Bench:
    """One engine and its events."""

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.engine = Engine(None, self.events.put)
        self._job = 0

    def send(self, command: Command) -> int:
        """Submit under a fresh job number."""
        self._job += 1
        self.engine.submit(replace(command, job=self._job))
        return self._job

    def until_final(self, job: int) -> Event:
        """Wait for a job's end."""
        while not isinstance(event := self.events.get(), FINAL) or event.job != job:
            pass
        return event

    def stop_ms(self, rng: random.Random, decoding: bool) -> float:
        """Start an answer, stop it while its prompt is read or while it is decoded."""
        words = " ".join(rng.choice("abcdefgh") * rng.randint(1, 4) for _ in range(WORDS))
        drawn = Sampling(temperature=1.0, max_tokens=400)
        job = self.send(Generate(messages=(Message(role="user", content=words),), sampling=drawn))
        while decoding and not isinstance(self.events.get(), PromptReady):
            pass
        time.sleep(rng.uniform(0.05, 0.4))
        began = time.perf_counter()
        self.engine.cancel(job)
        end = self.until_final(job)
        if not isinstance(end, Cancelled):
            raise RuntimeError(f"the answer was not stopped but ended: {end}")
        return (time.perf_counter() - began) * 1e3


def main(argv: Sequence[str]) -> dict[str, object]:
    """Both backends; prints a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stops", type=int, default=12)
    parser.add_argument("--d-model", type=int, default=1024)
    args = parser.parse_args(argv)
    rows: dict[str, object] = {"bar_ms": BAR_MS}
    with tempfile.TemporaryDirectory() as folder:
        hf = random_folder(Path(folder), args.d_model, 8)
        export_gguf(hf, Path(folder) / "model.gguf", "q8_0")
        for name, path in (("hf", hf), ("gguf", Path(folder) / "model.gguf")):
            rows[name] = _stops(name, path, args.stops)
    return rows


def _stops(name: str, path: Path, count: int) -> dict[str, float]:
    bench, rng, row = Bench(), random.Random(0), {}
    bench.until_final(bench.send(LoadModel(path=str(path), settings=LoadSettings(n_ctx=4096))))
    for phase in ("prefill", "decode"):
        found = [bench.stop_ms(rng, phase == "decode") for _ in range(count)]
        row[f"{phase}_median_ms"] = round(statistics.median(found), 1)
        row[f"{phase}_max_ms"] = round(max(found), 1)
        print(f"{name:5} {phase:8} median {statistics.median(found):6.1f} ms, longest {max(found):6.1f} ms")
    bench.engine.close()
    return row


if __name__ == "__main__":
    import sys

    print(json.dumps(main(sys.argv[1:])))
