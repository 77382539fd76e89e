"""Safetensors files looked at before anything trusts them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open

from engine.errors import BadInput, DamagedFile

_LFS_MARK = b"version https://git-lfs"


@contextmanager
def open_safetensors(path: Path) -> Iterator[safe_open]:
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
            yield tensors
    except SafetensorError as error:
        raise DamagedFile(
            f'"{path.name}" is damaged: it is cut short or not a safetensors file.',
            "Download or copy it again.",
            f"{path}: {error}",
        ) from error
