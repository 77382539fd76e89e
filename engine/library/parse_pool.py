"""The parent's side of the parser process: start it, give it one file at a time, restart it when it dies."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engine
from engine.errors import BadInput, EngineError
from engine.library.chunks import Chunk
from engine.library.readers.document import Heading, Page, ParsedDocument

TIME_LIMIT_S = 120.0
# A novel as plain text (3 MB) takes 15 s of a core to cut into chunks; the core may be shared.
_EXTRA_S_PER_MB = 15.0
_MAX_EXTRA_S = 900.0
_PACKAGE_ROOT = Path(engine.__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document with its chunks in reading order, and in how many of them each word occurs."""

    document: ParsedDocument
    chunks: tuple[Chunk, ...]
    terms: Mapping[str, int]


class ParserProcess:
    """One parser process, started at the first file. Not thread-safe: the library thread owns it."""

    def __init__(
        self,
        time_limit_s: float = TIME_LIMIT_S,
        command: tuple[str, ...] = (sys.executable, "-m", "engine.library.parse_worker"),
    ) -> None:
        self._time_limit_s, self._command = time_limit_s, command
        self._process: subprocess.Popen[str] | None = None
        self._replies: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._forwarder = threading.Thread()
        self._path = Path()
        self._deadline_s = 0.0

    def submit(self, path: Path, tokenizer_path: Path) -> None:
        """Begin to parse ``path``; its outcome comes from :meth:`poll`."""
        self._path = path
        self._deadline_s = time.monotonic() + self._time_limit_s + _extra_time_s(path)
        request = json.dumps({"path": str(path), "tokenizer": str(tokenizer_path)}) + "\n"
        try:
            self._write(request)
        except OSError:  # it died while it had nothing to do
            self.close()
            self._write(request)

    def poll(self, timeout_s: float) -> Parsed | EngineError | None:
        """The outcome of the submitted file, or None when it is not there within ``timeout_s``."""
        try:
            line = self._replies.get(timeout=timeout_s)
        except queue.Empty:
            if time.monotonic() < self._deadline_s:
                return None
            self.close()
            return self._too_slow()
        if line is None:
            return self._crashed()
        return _parse_reply(json.loads(line))

    def close(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        self._forwarder.join()
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):  # what was not read by the dead process is lost with it
                if stream is not None:
                    stream.close()

    def _write(self, request: str) -> None:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._start()
        process = self._process
        if process is None or process.stdin is None:
            raise EngineError("The document reader did not start.", "Start Strata again.")
        process.stdin.write(request)
        process.stdin.flush()

    def _start(self) -> None:
        paths = (str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH", ""))
        self._replies = queue.SimpleQueue()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)},
        )
        self._forwarder = threading.Thread(
            target=_forward, args=(self._process, self._replies), name="strata-parser", daemon=True
        )
        self._forwarder.start()

    def _crashed(self) -> BadInput:
        status = self._process.wait() if self._process is not None else None
        self.close()
        return BadInput(
            f"“{self._path.name}” made the document reader crash.",
            "It may be damaged. Open it in its own program, save it anew, and add that copy.",
            f"The parser process ended with status {status}.",
        )

    def _too_slow(self) -> BadInput:
        return BadInput(
            f"“{self._path.name}” takes too long to read; it was left out.",
            "Split it into smaller files and add those.",
        )


def _forward(process: subprocess.Popen[str], replies: queue.SimpleQueue[str | None]) -> None:
    """Lines of the process, then None when it ended."""
    for line in process.stdout or ():
        replies.put(line)
    replies.put(None)


def _extra_time_s(path: Path) -> float:
    size_bytes = path.stat().st_size if path.is_file() else 0
    return min(size_bytes / 1e6 * _EXTRA_S_PER_MB, _MAX_EXTRA_S)


def _parse_reply(reply: dict[str, Any]) -> Parsed | BadInput:
    if "error" in reply:
        return BadInput(**reply["error"])
    document = reply["document"]
    pages = tuple(
        Page(page["number"], page["text"], tuple(Heading(**heading) for heading in page["headings"]))
        for page in document["pages"]
    )
    chunks = tuple(Chunk(**chunk) for chunk in reply["chunks"])
    return Parsed(ParsedDocument(document["kind"], document["title"], pages), chunks, reply["terms"])
