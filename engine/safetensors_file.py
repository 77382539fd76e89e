"""Safetensors files looked at before anything trusts them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

import torch
from safetensors import SafetensorError, safe_open

from engine.errors import BadInput, DamagedFile

_LFS_MARK = b"version https://git-lfs"


class TensorSlice(Protocol):
    """A tensor's header."""

    def get_shape(self) -> Sequence[int]:
        """Its shape."""
        ...

    def get_dtype(self) -> str:
        """Its dtype as safetensors spells it (F32, BF16 ...)."""
        ...


class TensorFile(Protocol):
    """What is used of an open safetensors file (the library carries no types)."""

    def keys(self) -> Sequence[str]:
        """Names of the tensors."""
        ...

    def get_slice(self, name: str) -> TensorSlice:
        """A tensor's header, without its numbers."""
        ...

    def get_tensor(self, name: str) -> torch.Tensor:
        """A tensor, mapped from the file."""
        ...


@contextmanager
def open_safetensors(path: Path) -> Iterator[TensorFile]:
    """Open a safetensors file for torch.

    Raises DamagedFile for a Git LFS pointer, a truncated or corrupt file; BadInput when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_LFS_MARK))
    except OSError as error:
        raise BadInput(
            f'"{path.name}" cannot be read.', "Check that it exists and may be read.", str(error)
        ) from error
    if start == _LFS_MARK:
        raise DamagedFile(
            f'"{path.name}" is a Git LFS pointer, not the weights themselves.',
            "Run 'git lfs pull' in the folder it came from, or download the file again.",
            str(path),
        )
    try:
        with safe_open(path, framework="pt") as tensors:
            yield cast(TensorFile, tensors)
    except SafetensorError as error:
        raise DamagedFile(
            f'"{path.name}" is damaged: it is cut short or not a safetensors file.',
            "Download or copy it again.",
            f"{path}: {error}",
        ) from error
