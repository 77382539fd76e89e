"""What every part of the window is given: one value instead of globals."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QUndoStack

from app.actions import ActionRegistry
from app.client import EngineClient
from app.notices import Notices
from app.session import SessionStore
from app.theme import Theme


@dataclass(frozen=True, slots=True)
class AppContext:
    """The window's shared objects."""

    client: EngineClient
    session: SessionStore
    undo: QUndoStack
    actions: ActionRegistry
    notices: Notices
    theme: Theme
