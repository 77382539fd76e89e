"""Open torch's large libraries without holding the interpreter.

``import torch`` opens them with Python's lock held: 150 to 240 ms in which the window stands still
(measured, CPU build). The same ``dlopen``, called through ctypes, gives the lock away; the import then
finds them open.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from pathlib import Path

_LIBRARIES = ("libc10", "libtorch_cpu", "libtorch_cuda", "libtorch", "libtorch_python")


def open_torch_libraries() -> int:
    """How many libraries are open now. One that cannot be opened is left to the import, which says why."""
    found = importlib.util.find_spec("torch")
    if os.name != "posix" or found is None or found.origin is None:
        return 0
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.restype, dlopen.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
    suffix = ".dylib" if sys.platform == "darwin" else ".so"
    folder = Path(found.origin).parent / "lib"
    files = [folder / f"{name}{suffix}" for name in _LIBRARIES]
    return sum(dlopen(os.fsencode(file), os.RTLD_LAZY) is not None for file in files if file.is_file())
