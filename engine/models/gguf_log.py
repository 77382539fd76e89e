"""What llama.cpp writes to its log: kept in a ring, and quoted where a call fails.

llama.cpp reports the reason of a failed load only here. Its log is one for the whole process and is
written from several threads.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque

import llama_cpp

_KEPT_LINES = 400
_WARNING, _ERROR = 2, 3

_lock = threading.Lock()
_lines: deque[tuple[int, int, str]] = deque(maxlen=_KEPT_LINES)
_count = 0
_installed = False


def _write(level: int, text: bytes, _user_data: int | None) -> None:
    global _count
    line = text.decode("utf-8", errors="replace").rstrip()
    if not line:
        return
    with _lock:
        _count += 1
        _lines.append((_count, level, line))


_callback = llama_cpp.llama_log_callback(_write)


def install() -> None:
    """Send the log here instead of to stderr, and start the library; once is enough."""
    global _installed
    if not _installed:
        llama_cpp.llama_log_set(_callback, ctypes.c_void_p(None))
        llama_cpp.llama_backend_init()
        _installed = True


def mark() -> int:
    """A place in the log, for :func:`problems_since`."""
    with _lock:
        return _count


def problems_since(place: int) -> str:
    """Warnings and errors written after ``place``, one a line."""
    with _lock:
        kept = [line for number, level, line in _lines if number > place and level in (_WARNING, _ERROR)]
    return "\n".join(kept)
