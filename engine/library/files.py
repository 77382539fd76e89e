"""Files to read: folders walked, contents hashed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.errors import BadInput
from engine.library.chunks import CHUNKER_VERSION
from engine.library.documents import FileVersion
from engine.library.readers.kinds import is_supported

# A change of what readers give: documents read before it are read anew when they are added again.
READER_VERSION = 1
_BLOCK_BYTES = 1024 * 1024
_ID_DIGITS = 32


def walk(paths: Iterable[str]) -> Iterator[Path | tuple[Path, BadInput]]:
    """Every file named directly, and every supported, visible file in the folders named; with an
    error where one cannot be had. Links to folders are not followed."""
    for name in paths:
        path = Path(os.path.abspath(Path(name).expanduser()))
        if not _is_text(path):
            yield _unnamable(path)
        elif not path.exists():
            yield path, BadInput(f"There is no “{path.name}” in {path.parent}.", "Check the name.", str(path))
        elif path.is_dir():
            yield from _walk_folder(path)
        elif path.is_file():
            yield path
        else:
            yield path, BadInput(f"“{path.name}” is neither a file nor a folder.", "Leave it out.", str(path))


def _walk_folder(folder: Path) -> Iterator[Path | tuple[Path, BadInput]]:
    refused: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=refused.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith((".", "~$")) and is_supported(path) and path.is_file():
                yield path if _is_text(path) else _unnamable(path)
    for error in refused:
        path = Path(error.filename or folder)
        yield (
            path,
            BadInput(
                f"The folder “{path.name}” may not be read: {error.strerror or error}.",
                "Change its permissions, or add a folder of yours.",
                str(error),
            ),
        )


def _is_text(path: Path) -> bool:
    """Whether a name is more than bytes of an unknown encoding (POSIX allows any)."""
    return str(path) == os.fsencode(path).decode("utf-8", "replace")


def _unnamable(path: Path) -> tuple[Path, BadInput]:
    shown = Path(os.fsencode(path).decode("utf-8", "replace"))
    return shown, BadInput(
        f"The name of “{shown.name}” is not valid text (UTF-8).", "Rename it, then add it again.", repr(path)
    )


def file_version(path: Path) -> FileVersion:
    """The file as it is now. Raises OSError."""
    status = path.stat()
    return FileVersion(str(path), path.name, status.st_size, status.st_mtime_ns)


def document_id(path: Path) -> str:
    """Names the content: SHA-256 of the bytes, the name's ending (it chooses the reader) and the
    versions of reader and chunker. Raises OSError."""
    digest = hashlib.sha256(f"{READER_VERSION} {CHUNKER_VERSION} {path.suffix.lower()}\n".encode())
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()[:_ID_DIGITS]


def unread_id(path: Path) -> str:
    """Names a file whose content cannot be had."""
    return hashlib.sha256(b"unread\n" + os.fsencode(path)).hexdigest()[:_ID_DIGITS]
