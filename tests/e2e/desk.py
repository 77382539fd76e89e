"""A person at the real window: finds controls by the names a screen reader says, clicks and types."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QEventLoop, QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QPainter, QPixmap
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPlainTextEdit, QSlider, QWidget

from app import application
from engine.protocol import GAIN_MAX, GAIN_MIN, DocumentRow

W = TypeVar("W", bound=QWidget)
WIDTH_PX, HEIGHT_PX = 1440, 900


def live(milliseconds: int) -> None:
    """Let the window live. Not QTest.qWait: it keeps the interpreter to itself, and the engine's
    threads stand still."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


class Desk:
    """The window on one workspace, with the real engine behind it."""

    def __init__(self, workspace: Path, theme: str = "light") -> None:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        self.parts = application.open_window(app, workspace, theme)
        self.window = self.parts.window
        self.window.resize(WIDTH_PX, HEIGHT_PX)
        self.window.show()

    @property
    def chat(self):
        """The conversation's controller."""
        return self.parts.controllers.chat

    def close(self) -> None:
        """As a person closes the window."""
        self.window.close()
        application.close_window(self.parts)
        self.window.deleteLater()
        live(10)

    def wait(self, holds: Callable[[], object], seconds: float, what: str) -> None:
        """Let the window live until ``holds``; AssertionError names ``what`` did not come."""
        end = time.monotonic() + seconds
        while not holds():
            notices = [item.text for item in self.parts.context.notices.items]
            assert time.monotonic() < end, f"{what} did not come within {seconds} s; notices: {notices}"
            live(20)

    def named(self, name: str, kind: type[W] = QWidget) -> W:
        """The visible control with this accessible name."""
        found = [w for w in self.window.findChildren(kind) if w.accessibleName() == name and w.isVisible()]
        assert found, f"no visible control is named '{name}'"
        return found[0]

    def starting_with(self, words: str) -> list[QWidget]:
        """The visible controls whose accessible name begins so."""
        every = self.window.findChildren(QWidget)
        return [w for w in every if w.accessibleName().startswith(words) and w.isVisible()]

    def press(self, control: QWidget) -> None:
        """Click a control with the mouse."""
        QTest.mouseClick(control, Qt.MouseButton.LeftButton)

    def click(self, name: str) -> None:
        """Click the control with this accessible name."""
        self.press(self.named(name))

    def ask(self, text: str) -> None:
        """Type a question and press Enter."""
        box = self.named("Message")
        box.setFocus()
        QTest.keyClicks(box, text)
        QTest.keyClick(box, Qt.Key.Key_Return)

    def wait_for_model(self) -> None:
        """Until the model and the levels' adapters are there."""
        self.wait(lambda: self.parts.controllers.models.model, 180, "the model")
        self.wait(lambda: not self.parts.context.client.busy, 180, "quiet")

    def wait_for_answer(self) -> str:
        """Until the answer is complete; its text."""
        self.wait(lambda: not self.chat.streaming, 90, "the answer")
        return self.last_answer()

    def last_answer(self) -> str:
        """The newest answer's text."""
        return self.chat.path[-1].text

    def rows(self) -> tuple[DocumentRow, ...]:
        """The library's table."""
        return self.parts.controllers.library.rows

    def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key where the focus is; a window manager would give it back to the window."""
        if QApplication.activeWindow() is None:
            self.window.activateWindow()
            live(50)
        QTest.keyClick(QApplication.focusWidget() or self.window, key, modifiers)

    def wait_for_passage(self) -> QPlainTextEdit:
        """Until the passage viewer shows a page."""

        def shown() -> list[QPlainTextEdit]:
            found = QApplication.allWidgets()
            return [
                w
                for w in found
                if isinstance(w, QPlainTextEdit)
                and w.accessibleName() == "Text of the page"
                and w.isVisible()
                and w.toPlainText()
            ]

        self.wait(shown, 20, "the passage")
        return shown()[0]

    def drag_slider(self, level: str, gain: float) -> None:
        """Move a level's slider with the mouse, in one drag."""
        slider = self.named(f"{level} gain", QSlider)
        start, end = _on_slider(slider, slider.value() / 100), _on_slider(slider, gain)
        QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=start)
        for step in range(1, 5):
            QTest.mouseMove(slider, start + (end - start) * step / 4)
        QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=end)
        live(50)  # edits are sent once a turn of the event loop

    def drop(self, target: QWidget, paths: list[Path]) -> None:
        """Drop files on a widget; over the window itself the overlay that comes up takes them."""
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        at = QPoint(target.width() // 2, target.height() // 2)
        buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        copy = Qt.DropAction.CopyAction
        QApplication.sendEvent(target, QDragEnterEvent(at, copy, mime, buttons, keys))
        if target is self.window:
            live(30)
            target = self.window.overlay
            assert target.isVisible(), "no overlay says what a drop would do"
            QApplication.sendEvent(target, QDragEnterEvent(at, copy, mime, buttons, keys))
        QApplication.sendEvent(target, QDropEvent(QPointF(at), copy, mime, buttons, keys))

    def picture(self, path: Path) -> None:
        """Save what the window shows."""
        live(60)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = self.window.grab()
        self._add_popups(picture)
        assert picture.save(str(path))

    def _add_popups(self, picture: QPixmap) -> None:
        """Paint what lies above the window as windows of their own: dialogs and popovers."""
        painter = QPainter(picture)
        origin = self.window.mapToGlobal(QPoint(0, 0))
        for other in QApplication.topLevelWidgets():
            if other is not self.window and other.isVisible() and other.width() > 40:
                painter.drawPixmap(other.mapToGlobal(QPoint(0, 0)) - origin, other.grab())
        painter.end()


def _on_slider(slider: QSlider, gain: float) -> QPoint:
    """Where the handle stands at ``gain``."""
    margin = 9
    share = (gain - GAIN_MIN) / (GAIN_MAX - GAIN_MIN)
    return QPoint(round(margin + share * (slider.width() - 2 * margin)), slider.height() // 2)
