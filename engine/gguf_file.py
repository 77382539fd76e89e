"""The GGUF container: keys and tensor table of an untrusted file, read without mapping it.

Every count and length is checked before it is believed, so a damaged or hostile header costs at most
``MAX_HEADER_BYTES`` of reading. Tensor data stays on disk. Format: ggml/docs/gguf.md.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType

from engine.errors import DamagedFile, UnsupportedInput

MAX_HEADER_BYTES = 256 << 20
MAX_STRINGS = 4_000_000
_MAX_NAME_BYTES = 65_535
_KEPT_ITEMS = 4_096
_CHUNK_BYTES = 1 << 20

_SCALARS: dict[GGUFValueType, str] = {
    GGUFValueType.UINT8: "B",
    GGUFValueType.INT8: "b",
    GGUFValueType.UINT16: "H",
    GGUFValueType.INT16: "h",
    GGUFValueType.UINT32: "I",
    GGUFValueType.INT32: "i",
    GGUFValueType.FLOAT32: "f",
    GGUFValueType.BOOL: "?",
    GGUFValueType.UINT64: "Q",
    GGUFValueType.INT64: "q",
    GGUFValueType.FLOAT64: "d",
}

Scalar = int | float | bool | str


@dataclass(frozen=True, slots=True)
class GgufArray:
    """An array of the header; ``items`` holds its values where they are numbers and few."""

    count: int
    items: tuple[int | float | bool, ...]


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """A row of the tensor table. ``shape`` is in numpy order (the row length last); ``offset`` counts
    from the start of the file."""

    name: str
    shape: tuple[int, ...]
    kind: GGMLQuantizationType
    offset: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class GgufFile:
    """What a GGUF file says before its data."""

    path: Path
    size_bytes: int
    keys: dict[str, Scalar | GgufArray]
    tensors: tuple[GgufTensor, ...]

    def text(self, key: str, default: str = "") -> str:
        """A string key."""
        value = self.keys.get(key)
        return value if isinstance(value, str) else default

    def number(self, key: str, default: int = 0) -> int:
        """A whole-number key; of an array (one value a layer) the largest."""
        value = self.keys.get(key)
        if isinstance(value, GgufArray):
            return int(max(value.items, default=default))
        return int(value) if isinstance(value, int | float) else default


class _Cursor:
    """Reads forward through the header, a chunk of the file at a time."""

    def __init__(self, file: BinaryIO, path: Path, size_bytes: int) -> None:
        self._file = file
        self._name = path.name
        self._buffer = bytearray()
        self._strings = 0
        self.size_bytes = size_bytes
        self.at = 0

    def damaged(self, detail: str) -> DamagedFile:
        return DamagedFile(
            f"The file {self._name} is damaged: its header does not make sense.",
            "Download or copy the file again (in binary mode).",
            f"{detail}, near byte {self.at}",
        )

    def take(self, n_bytes: int) -> bytes:
        end = self.at + n_bytes
        if end > self.size_bytes:
            raise DamagedFile(
                f"The file {self._name} is damaged: it ends inside its own header.",
                "Download or copy the file again (in binary mode).",
                f"{n_bytes} bytes wanted at byte {self.at} of {self.size_bytes}",
            )
        if end > MAX_HEADER_BYTES:
            raise self.damaged(f"the header is larger than {MAX_HEADER_BYTES} bytes")
        while len(self._buffer) < end:
            chunk = self._file.read(_CHUNK_BYTES)
            if not chunk:
                raise self.damaged("the file became shorter while it was read")
            self._buffer += chunk
        data = bytes(self._buffer[self.at : end])
        self.at = end
        return data

    def number(self, code: str) -> int:
        return int(struct.unpack("<" + code, self.take(struct.calcsize(code)))[0])

    def count(self, least_bytes: int, what: str) -> int:
        """A count whose items need at least ``least_bytes`` each: it must fit into what is left."""
        n = self.number("Q")
        if n > (self.size_bytes - self.at) // least_bytes:
            raise self.damaged(f"{n} {what}")
        return n

    def string(self, limit: int | None = None) -> str:
        n_bytes = self.count(1, "bytes in a string")
        if limit is not None and n_bytes > limit:
            raise self.damaged(f"a name of {n_bytes} bytes")
        return self.take(n_bytes).decode("utf-8", errors="replace")

    def skip_string(self) -> None:
        self._strings += 1
        if self._strings > MAX_STRINGS:
            raise self.damaged(f"more than {MAX_STRINGS} strings")
        self.take(self.count(1, "bytes in a string"))

    def value_type(self) -> GGUFValueType:
        number = self.number("I")
        try:
            return GGUFValueType(number)
        except ValueError as error:
            raise self.damaged(f"value type {number}") from error


def read_gguf(path: Path) -> GgufFile:
    """Read keys and tensor table; all tensors must lie inside the file, side by side.

    Raises DamagedFile (says how many bytes are missing from a file cut short) and UnsupportedInput
    (byte order, version, a tensor type this program does not know).
    """
    try:
        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            cursor = _Cursor(file, path, size_bytes)
            _check_magic(cursor, path)
            n_tensors = cursor.count(24, "tensors")
            n_keys = cursor.count(13, "keys")
            keys = dict(_read_key(cursor) for _ in range(n_keys))
            rows = [_read_row(cursor) for _ in range(n_tensors)]
    except OSError as error:
        raise DamagedFile(
            f"The file {path.name} cannot be opened.", "Check that it is there and may be read.", str(error)
        ) from error
    alignment = keys.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20 or alignment & (alignment - 1):
        raise cursor.damaged(f"alignment {alignment}")
    start = -(-cursor.at // alignment) * alignment
    tensors = tuple(GgufTensor(n, s, k, start + o, b) for n, s, k, o, b in rows)
    _check_layout(cursor, tensors, path, alignment)
    return GgufFile(path, size_bytes, keys, tensors)


def _check_magic(cursor: _Cursor, path: Path) -> None:
    if cursor.size_bytes == 0:
        raise DamagedFile(f"The file {path.name} is empty.", "Download it again.")
    magic = cursor.take(min(8, cursor.size_bytes))
    if magic == b"version ":
        raise DamagedFile(
            f"{path.name} is a Git LFS pointer: a note about where the file lies, not the file.",
            "Run 'git lfs pull' where you cloned it, or download the file itself.",
        )
    if magic[:4] != b"GGUF" or len(magic) < 8:
        raise DamagedFile(
            f"{path.name} is not a GGUF file, whatever its name says.",
            "Download the file again, or choose another.",
            f"it begins with {magic!r}",
        )
    version = struct.unpack("<I", magic[4:])[0]
    if version & 0xFFFF == 0:
        raise UnsupportedInput(
            f"{path.name} was written for a big-endian machine.", "Get the usual (little-endian) file."
        )
    if version not in (2, 3):
        raise UnsupportedInput(
            f"{path.name} is GGUF version {version}; versions 2 and 3 can be read.",
            "Convert the model again with a current llama.cpp.",
        )


def _read_key(cursor: _Cursor) -> tuple[str, Scalar | GgufArray]:
    name = cursor.string(_MAX_NAME_BYTES)
    kind = cursor.value_type()
    if kind == GGUFValueType.STRING:
        return name, cursor.string()
    if kind != GGUFValueType.ARRAY:
        return name, struct.unpack("<" + _SCALARS[kind], cursor.take(struct.calcsize(_SCALARS[kind])))[0]
    item = cursor.value_type()
    if item == GGUFValueType.ARRAY:
        raise cursor.damaged("an array of arrays")
    if item == GGUFValueType.STRING:
        count = cursor.count(8, "strings")
        for _ in range(count):
            cursor.skip_string()
        return name, GgufArray(count, ())
    width = struct.calcsize(_SCALARS[item])
    count = cursor.count(width, "numbers")
    data = cursor.take(count * width)
    items = struct.unpack(f"<{count}{_SCALARS[item]}", data) if count <= _KEPT_ITEMS else ()
    return name, GgufArray(count, items)


def _read_row(cursor: _Cursor) -> tuple[str, tuple[int, ...], GGMLQuantizationType, int, int]:
    name = cursor.string(_MAX_NAME_BYTES)
    n_dims = cursor.number("I")
    if not 1 <= n_dims <= 4:
        raise cursor.damaged(f"tensor '{name}' has {n_dims} dimensions")
    dims = tuple(cursor.number("Q") for _ in range(n_dims))
    number, offset = cursor.number("I"), cursor.number("Q")
    try:
        kind = GGMLQuantizationType(number)
    except ValueError as error:
        raise UnsupportedInput(
            f"The tensor '{name}' has type {number}, which this version does not know.",
            "The file may be damaged, or newer than this program.",
        ) from error
    block, block_bytes = GGML_QUANT_SIZES[kind]
    elements = 1
    for dim in dims:
        elements *= dim
    if elements <= 0 or dims[0] % block or elements > 1 << 50:
        raise cursor.damaged(f"tensor '{name}' has the shape {dims}")
    return name, dims[::-1], kind, offset, elements // block * block_bytes


def _check_layout(cursor: _Cursor, tensors: tuple[GgufTensor, ...], path: Path, alignment: int) -> None:
    end = 0
    for tensor in sorted(tensors, key=lambda t: t.offset):
        if tensor.offset < end or tensor.offset % alignment:
            raise cursor.damaged(f"tensor '{tensor.name}' overlaps another or is misplaced")
        end = tensor.offset + tensor.n_bytes
    if end > cursor.size_bytes:
        missing = end - cursor.size_bytes
        raise DamagedFile(
            f"The file {path.name} is cut short: {missing:,} of {end:,} bytes are missing.",
            "The download did not finish; download the file again.",
        )
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise cursor.damaged("two tensors share a name")
