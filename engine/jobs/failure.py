"""Any exception becomes an error in the user's words."""

from __future__ import annotations

import errno
import sqlite3
import traceback

from engine.errors import EngineError
from engine.protocol import ErrorInfo


def error_info(error: BaseException) -> ErrorInfo:
    """The words for ``error``; an unexpected one carries its traceback as detail."""
    if isinstance(error, EngineError):
        return ErrorInfo(
            text=error.text, hint=error.hint, detail=error.detail, bad_input=error.exit_code == 2
        )
    detail = "".join(traceback.format_exception(error))
    if _disk_is_full(error):
        return ErrorInfo(
            text="The disk is full: the last write did not happen; everything before it is kept.",
            hint="Free some space, then try again.",
            detail=detail,
        )
    if isinstance(error, PermissionError):
        return ErrorInfo(
            text=f"Not allowed to open {error.filename or 'a file'}.",
            hint="Change its permissions, or choose another place.",
            detail=detail,
            bad_input=True,
        )
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return ErrorInfo(
            text="There was not enough memory for this step; the model is still loaded.",
            hint="Use a smaller context or a smaller model, or close other programs.",
            detail=detail,
        )
    return ErrorInfo(
        text=f"Something unexpected went wrong: {error or type(error).__name__}.",
        hint="Copy the detail into a bug report; the rest goes on working.",
        detail=detail,
    )


def _disk_is_full(error: BaseException) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
