"""The folder of one person: library, stacks, chats, settings; one writer at a time."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from engine.errors import BadInput, Busy


def default_path() -> Path:
    """Where a workspace lies when nobody says otherwise."""
    return Path(os.environ.get("STRATA_WORKSPACE") or user_data_path("strata", appauthor=False))


def atomic_write(path: Path, data: bytes) -> None:
    """Write ``data`` so that a reader (or a kill at any instant) sees the old file or the new one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@dataclass(slots=True)
class Workspace:
    """An open workspace. ``ended_abruptly`` says that the last writer never closed it."""

    path: Path
    ended_abruptly: bool = False
    _lock: FileLock | None = field(default=None, repr=False)

    @classmethod
    def open(cls, path: Path, *, write: bool = True) -> Workspace:
        """Make the folder if need be; with ``write`` take its lock.

        Raises Busy when another process holds it, BadInput when the folder cannot be used. Opening
        it twice in one process is one lock, counted.
        """
        path = path.expanduser().absolute()
        try:
            path.mkdir(parents=True, exist_ok=True)
            if write:
                atomic_write(path / ".writable", b"")
        except OSError as error:
            raise BadInput(
                f"The workspace folder {path} cannot be used: {error.strerror or error}.",
                "Choose another folder with --workspace, or change its permissions.",
                repr(error),
            ) from error
        if not write:
            return cls(path)
        lock = FileLock(path / "lock", timeout=0, is_singleton=True)
        try:
            lock.acquire()
        except Timeout as error:
            raise Busy(
                f"Strata is already open on the workspace {path}.",
                "Use that window, or start with another folder: strata --workspace DIR.",
            ) from error
        workspace = cls(path, (path / "running").exists() and lock.lock_counter == 1, lock)
        (path / "running").write_text(str(os.getpid()))
        return workspace

    @property
    def writable(self) -> bool:
        """Whether this process holds the lock."""
        return self._lock is not None

    @property
    def library_path(self) -> Path:
        """LanceDB and document rows."""
        return self.path / "library"

    @property
    def chats_path(self) -> Path:
        """The SQLite file of all conversations."""
        return self.path / "chats.sqlite"

    def close(self) -> None:
        """Give the lock back; the last one to do so marks an orderly end."""
        if self._lock is None or not self._lock.is_locked:
            return
        if self._lock.lock_counter == 1:
            (self.path / "running").unlink(missing_ok=True)
        self._lock.release()
