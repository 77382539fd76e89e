"""Notices: nothing is lost, nothing is modal."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPlainTextEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.notices import KEPT, Notices
from app.theme import Theme
from app.views.notices import SHOWN, NoticeStack
from engine.protocol import ErrorInfo

ERROR = ErrorInfo(text="It failed.", hint="Try again.", detail="Traceback: deep inside")


@pytest.fixture
def window(qtbot: QtBot) -> QWidget:
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(900, 700)
    window.show()
    return window


def press(qtbot: QtBot, stack: NoticeStack, text: str) -> None:
    found = [b for b in stack.findChildren(QPushButton) if b.text() == text]
    qtbot.mouseClick(found[-1], Qt.MouseButton.LeftButton)


def test_what_was_said_before_the_view_exists_is_shown(window: QWidget, theme: Theme) -> None:
    notices = Notices()
    notices.show_error(ERROR)
    stack = NoticeStack(notices, theme, window)
    assert [card.item.text for card in stack.cards] == ["It failed."]


def test_the_detail_unfolds(qtbot: QtBot, window: QWidget, theme: Theme) -> None:
    notices = Notices()
    stack = NoticeStack(notices, theme, window)
    notices.show_error(ERROR)
    detail = stack.cards[0].findChild(QPlainTextEdit)
    assert isinstance(detail, QPlainTextEdit)
    assert not detail.isVisible()
    press(qtbot, stack, "Details")
    assert detail.isVisible()
    assert detail.toPlainText() == ERROR.detail


def test_copy_takes_everything(qtbot: QtBot, window: QWidget, theme: Theme) -> None:
    notices = Notices()
    stack = NoticeStack(notices, theme, window)
    notices.show_error(ERROR)
    press(qtbot, stack, "Copy")
    assert QGuiApplication.clipboard().text() == "It failed.\n\nTry again.\n\nTraceback: deep inside"


def test_an_action_runs_and_closes_its_notice(qtbot: QtBot, window: QWidget, theme: Theme) -> None:
    notices, done = Notices(), []
    stack = NoticeStack(notices, theme, window)
    notices.show("warning", "It will not fit.", actions=(("Load anyway", lambda: done.append(1)),))
    press(qtbot, stack, "Load anyway")
    assert done == [1]
    assert notices.items == ()


def test_an_info_fades_and_an_error_stays(qtbot: QtBot, window: QWidget, theme: Theme) -> None:
    notices = Notices()
    stack = NoticeStack(notices, theme, window)
    notices.show("info", "Done.")
    notices.show_error(ERROR)
    stack.cards[0].fade.timeout.emit()
    assert [item.severity for item in notices.items] == ["error"]


def test_the_same_words_again_are_one_notice() -> None:
    notices = Notices()
    for _ in range(3):
        notices.show_error(ERROR)
    assert len(notices.items) == 1


def test_old_notices_leave_when_there_are_too_many() -> None:
    notices = Notices()
    for number in range(KEPT + 5):
        notices.show("error", f"error {number}")
    assert len(notices.items) == KEPT
    assert notices.items[-1].text == f"error {KEPT + 4}"


def test_many_notices_leave_the_window_usable(qtbot: QtBot, window: QWidget, theme: Theme) -> None:
    notices = Notices()
    stack = NoticeStack(notices, theme, window)
    for number in range(SHOWN + 3):
        notices.show("error", f"error {number}", "hint", "detail")
    assert sum(card.isVisible() for card in stack.cards) == SHOWN
    assert window.rect().contains(stack.geometry())
    assert window.childAt(QPoint(100, 100)) is None
