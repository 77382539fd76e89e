"""The parser process: ``python -m engine.library.parse_worker``. Requests and replies are JSON lines.

A process of its own, so that a parser's crash, hang or appetite costs one document; a fresh
interpreter instead of ``multiprocessing``, so that the window's main module is not imported again.
JSON and not pickle: what a subverted parser writes must not run in the parent.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from engine.errors import BadInput, EngineError
from engine.library.chunks import Chunker, count_terms
from engine.library.readers.reader import read

MEMORY_LIMIT_BYTES = 4 * 1024**3


def main() -> int:
    """Answer requests until standard input closes."""
    _limit_memory()
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not mix with the replies
    chunkers: dict[str, Chunker] = {}
    for line in sys.stdin:
        request = json.loads(line)
        tokenizer = request["tokenizer"]
        if tokenizer not in chunkers:
            chunkers[tokenizer] = Chunker(Path(tokenizer))
        replies.write(json.dumps(_answer(Path(request["path"]), chunkers[tokenizer])) + "\n")
        replies.flush()
    return 0


def _answer(path: Path, chunker: Chunker) -> dict[str, object]:
    try:
        document = read(path)
        chunks = chunker.split(document)
        return {
            "document": asdict(document),
            "chunks": [asdict(chunk) for chunk in chunks],
            "terms": count_terms(document, chunks),
        }
    except EngineError as error:
        return _refusal(error)
    except MemoryError as error:
        return _refusal(_too_much_memory(path.name, repr(error)))
    except Exception as error:  # noqa: BLE001 - a parser may raise anything; it costs this file
        return _refusal(_unreadable(path.name, f"{type(error).__name__}: {error}"))


def _refusal(error: EngineError) -> dict[str, object]:
    return {"error": {"text": error.text, "hint": error.hint, "detail": error.detail}}


def _unreadable(name: str, detail: str) -> BadInput:
    return BadInput(
        f"“{name}” cannot be read: it is damaged, or not what its ending says.",
        "Open it in its own program, save it anew, and add that copy.",
        detail,
    )


def _too_much_memory(name: str, detail: str) -> BadInput:
    return BadInput(
        f"“{name}” needs more than {MEMORY_LIMIT_BYTES // 1024**3} GB of memory to be read.",
        "Split it into smaller files and add those.",
        detail,
    )


def _limit_memory() -> None:
    if sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = MEMORY_LIMIT_BYTES if hard == resource.RLIM_INFINITY else min(hard, MEMORY_LIMIT_BYTES)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


if __name__ == "__main__":
    sys.exit(main())
