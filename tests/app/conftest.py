"""A window without a screen and an engine that plays a script."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtGui import QUndoStack
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.actions import ActionRegistry
from app.client import EngineClient
from app.context import AppContext
from app.notices import Notices
from app.session import SessionStore
from app.theme import Theme
from tests.app.scripted import ScriptedEngine


@pytest.fixture
def engine() -> ScriptedEngine:
    """Set its replies before or during the test."""
    return ScriptedEngine()


@pytest.fixture
def theme(qapp: QApplication) -> Theme:
    theme = Theme("light")
    theme.apply(qapp)
    return theme


@pytest.fixture
def context(qtbot: QtBot, tmp_path: Path, engine: ScriptedEngine, theme: Theme) -> Iterator[AppContext]:
    """What every part of the window is given; call ``context.client.drain()`` to deliver events."""
    client = EngineClient(tmp_path, make_engine=engine.start)
    yield AppContext(
        client=client,
        session=SessionStore(),
        undo=QUndoStack(),
        actions=ActionRegistry(theme),
        notices=Notices(),
        theme=theme,
    )
    client.close()
    # widgets that qtbot deletes later would otherwise live on and follow every theme change
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
