"""If the process dies in native code, the next start says so and shows where."""

from __future__ import annotations

import faulthandler
from pathlib import Path
from typing import TextIO

from app.notices import Notices

NAME, LAST_NAME = "crash.log", "crash.last.log"
_MAX_CHARS = 20_000


class CrashReport:
    """Keeps the file open into which Python writes the stacks of all threads when it is killed."""

    def __init__(self, folder: Path) -> None:
        self._path, self._last = folder / NAME, folder / LAST_NAME
        self._file: TextIO | None = None

    def start(self, notices: Notices, ended_abruptly: bool) -> None:
        """Tell of the last run's end, if it was a bad one, and watch over this one. A workspace on a
        full disk goes without."""
        text = self._take_last()
        if text:
            notices.show(
                "warning",
                "Strata crashed the last time.",
                "Your chats, documents and settings were saved as they happened. If it happens again, "
                "please report it with the details.",
                text,
            )
        elif ended_abruptly:
            notices.show(
                "info", "Strata was ended in the middle of its work the last time; what was saved is here."
            )
        try:
            self._file = self._path.open("w", encoding="utf-8")
        except OSError as error:
            notices.show(
                "info", "Crashes cannot be recorded: the workspace cannot be written.", "", repr(error)
            )
            return
        faulthandler.enable(self._file)

    def _take_last(self) -> str:
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")[:_MAX_CHARS].strip()
            if text:
                self._path.replace(self._last)
        except OSError:  # none there, which is the usual case
            return ""
        return text

    def stop(self) -> None:
        """An orderly end leaves no file."""
        if self._file is not None:
            faulthandler.disable()
            self._file.close()
            self._path.unlink(missing_ok=True)
