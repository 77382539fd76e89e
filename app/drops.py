"""What a dropped path is, told from file names and a few bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from PySide6.QtCore import QMimeData

Kind = Literal["model", "adapter", "documents", "nothing"]
_MAGIC = b"GGUF"
_TYPE_KEY = b"general.type"
_STRING = 8  # GGUF's number for a string value
_MAX_PAIRS, _MAX_STRING_BYTES = 64, 1 << 16
_SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


@dataclass(frozen=True, slots=True)
class Dropped:
    """What would happen, and the words for it."""

    kind: Kind
    paths: tuple[str, ...]
    title: str
    explanation: str = ""


def dropped(mime: QMimeData) -> Dropped:
    """What dropping ``mime`` on the window would do."""
    paths = tuple(url.toLocalFile() for url in mime.urls() if url.isLocalFile())
    if not paths:
        return Dropped("nothing", (), "This cannot be dropped here", "Drop files or folders of this machine.")
    kinds = [path_kind(Path(path)) for path in paths]
    if len(set(kinds) & {"model", "adapter"}) and len(paths) > 1:
        return Dropped("nothing", paths, "One at a time", "Drop one model or one adapter, or only documents.")
    name = Path(paths[0]).name
    if kinds[0] == "model":
        return Dropped("model", paths, f"Load the model {name}", "It replaces the one that is loaded.")
    if kinds[0] == "adapter":
        return Dropped("adapter", paths, f"Lay {name} on a level", "Drop it on the level you want.")
    what = name if len(paths) == 1 else f"{len(paths)} files and folders"
    return Dropped("documents", paths, f"Add {what} to the library", "It stays on this machine.")


def path_kind(path: Path) -> Kind:
    """A folder with ``config.json`` or a GGUF file is a model, one with ``adapter_config.json`` or a
    GGUF file that says so an adapter; everything else may be a document."""
    if path.is_dir():
        if (path / "adapter_config.json").is_file():
            return "adapter"
        return "model" if (path / "config.json").is_file() else "documents"
    if path.suffix.lower() != ".gguf":
        return "documents"
    return "adapter" if gguf_type(path) == "adapter" else "model"


def gguf_type(path: Path) -> str:
    """``general.type`` of a GGUF file, read from its first pairs; '' when it is not said there (the
    engine checks the file before it is loaded)."""
    try:
        with path.open("rb") as file:
            return _read_type(file)
    except (OSError, struct.error):
        return ""


def _read_type(file: BinaryIO) -> str:
    if file.read(4) != _MAGIC:
        return ""
    _version, _tensors, pairs = struct.unpack("<IQQ", file.read(20))
    for _ in range(min(pairs, _MAX_PAIRS)):
        key = _read_string(file)
        (kind,) = struct.unpack("<I", file.read(4))
        if kind == _STRING:
            text = _read_string(file)
            if key == _TYPE_KEY:
                return text.decode("utf-8", "replace")
        elif kind in _SCALAR_BYTES:
            file.read(_SCALAR_BYTES[kind])
        else:
            return ""  # an array: what matters comes before the vocabulary
    return ""


def _read_string(file: BinaryIO) -> bytes:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _MAX_STRING_BYTES:
        raise struct.error("no string of a file's head is that long")
    return file.read(length)
