"""Just enough of ggml to read and write tensors that llama.cpp shows to its eval callback.

A tensor is its address. The offsets are those of ``struct ggml_tensor`` (ggml.h); :func:`layout_is_known`
compares them with what the library's own functions say before anything relies on them.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import llama_cpp
import numpy as np
from llama_cpp._ctypes_extensions import load_shared_library

_TYPE, _NE, _OP, _SRC, _DATA, _NAME = 0, 16, 80, 152, 248, 256
_NAME_BYTES = 64

_ggml = load_shared_library("ggml-base", Path(llama_cpp.__file__).parent / "lib")
_ggml.ggml_op_name.restype = ctypes.c_char_p
_ggml.ggml_op_name.argtypes = [ctypes.c_int]
for _function in (_ggml.ggml_get_name, _ggml.ggml_get_data):
    _function.restype = ctypes.c_void_p
    _function.argtypes = [ctypes.c_void_p]
for _function in (_ggml.ggml_nelements, _ggml.ggml_nbytes):
    _function.restype = ctypes.c_size_t
    _function.argtypes = [ctypes.c_void_p]
for _function in (_ggml.ggml_backend_tensor_set, _ggml.ggml_backend_tensor_get):
    _function.restype = None
    _function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]

_int32 = ctypes.c_int32.from_address
_address = ctypes.c_void_p.from_address
_dims = (ctypes.c_int64 * 4).from_address


def _op_number(name: bytes) -> int:
    return next(i for i in range(200) if _ggml.ggml_op_name(i) == name)


ADD, SCALE, MUL_MAT = (_op_number(name) for name in (b"ADD", b"SCALE", b"MUL_MAT"))
F32 = 0


def layout_is_known(tensor: int) -> bool:
    """Whether the offsets used here are those of the library that is loaded."""
    size = 1
    for dim in shape(tensor):
        size *= dim
    said = (_ggml.ggml_get_name(tensor), _ggml.ggml_get_data(tensor), _ggml.ggml_nelements(tensor))
    return said == (tensor + _NAME, data(tensor), size)


def op(tensor: int) -> int:
    """The operation that makes the tensor: one of the constants above, or another number."""
    return _int32(tensor + _OP).value


def source(tensor: int, index: int) -> int:
    """The ``index``-th operand; 0 where there is none."""
    return _address(tensor + _SRC + 8 * index).value or 0


def kind(tensor: int) -> int:
    """The number of its type (0 is float32)."""
    return _int32(tensor + _TYPE).value


def shape(tensor: int) -> tuple[int, int, int, int]:
    """ggml's order: the row length first."""
    first, second, third, fourth = _dims(tensor + _NE)
    return first, second, third, fourth


def data(tensor: int) -> int:
    """Address of the data (of the device, where it lies on one)."""
    return _address(tensor + _DATA).value or 0


def name(tensor: int) -> str:
    """The tensor's name in the model or adapter file."""
    return ctypes.string_at(tensor + _NAME, _NAME_BYTES).split(b"\0", 1)[0].decode("utf-8", "replace")


def overlap(first: int, second: int) -> bool:
    """Whether two tensors share memory."""
    a, b = data(first), data(second)
    return a < b + int(_ggml.ggml_nbytes(second)) and b < a + int(_ggml.ggml_nbytes(first))


def read(tensor: int, offset_bytes: int, into: np.ndarray) -> None:
    """Copy from the tensor into a contiguous array."""
    _ggml.ggml_backend_tensor_get(tensor, into.ctypes.data, offset_bytes, into.nbytes)


def write(tensor: int, offset_bytes: int, values: np.ndarray) -> None:
    """Copy a contiguous array into the tensor, wherever it lies. Raises ValueError beyond its end."""
    if not values.flags.c_contiguous or offset_bytes + values.nbytes > _ggml.ggml_nbytes(tensor):
        raise ValueError(f"{values.nbytes} bytes at {offset_bytes} do not fit into {name(tensor)}")
    _ggml.ggml_backend_tensor_set(tensor, values.ctypes.data, offset_bytes, values.nbytes)
