"""One error base for everything a person may have to read.

Every error says what happened and why (``text``), and what to do about it (``hint``); ``detail``
holds what a developer wants (a library's own message, a path, a shape).
"""

from __future__ import annotations


class EngineError(Exception):
    """An error in the user's words."""

    exit_code = 1

    def __init__(self, text: str, hint: str = "", detail: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint
        self.detail = detail


class BadInput(EngineError):
    """What the user gave cannot be used: a file, a folder, a number. Exit code 2."""

    exit_code = 2


class DamagedFile(BadInput):
    """The file is truncated, corrupt or not what its name says."""


class UnsupportedInput(BadInput):
    """The file is fine, but Strata cannot use this kind of thing."""


class AdapterMismatch(BadInput):
    """The adapter does not fit the loaded model; ``mismatches`` names every difference at once."""

    def __init__(self, text: str, mismatches: tuple[str, ...], hint: str = "") -> None:
        super().__init__(text, hint, "\n".join(mismatches))
        self.mismatches = mismatches


class MissingDependency(EngineError):
    """A part of the installation is not there."""


class OutOfMemory(EngineError):
    """The device or the machine has no room for this."""


class Busy(EngineError):
    """Something else holds what is needed (a second window on the same workspace)."""

    exit_code = 2


class JobCancelled(Exception):  # noqa: N818 - a signal, not an error
    """Raised inside a job when its cancel token is set; ends the job in ``Cancelled``.

    ``result`` is what there was by then, if that is worth keeping."""

    def __init__(self, result: object = None) -> None:
        super().__init__("cancelled")
        self.result = result
