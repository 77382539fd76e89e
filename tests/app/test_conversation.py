"""The conversation as a person uses it: keys, mouse, what is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from app.chat import ChatController
from app.context import AppContext
from app.views.conversation.answer import AnswerView
from app.views.conversation.view import ConversationView
from engine import protocol as p
from tests.app.scripted import ScriptedEngine


@pytest.fixture
def chat(context: AppContext) -> ChatController:
    context.session.set(replace(context.session.value, model_path="/models/tiny"))
    return ChatController(context)


@pytest.fixture
def view(qtbot: QtBot, context: AppContext, chat: ChatController) -> ConversationView:
    view = ConversationView(context, chat)
    view.resize(720, 640)
    qtbot.addWidget(view)
    view.show()
    qtbot.waitExposed(view)
    view.composer.box.setFocus()
    return view


def _type(view: ConversationView, text: str) -> None:
    QTest.keyClicks(view.composer.box, text)


def _answer(view: ConversationView) -> AnswerView:
    answer = view.transcript.views()[-1]
    assert isinstance(answer, AnswerView)
    return answer


def _shown(answer: AnswerView) -> str:
    return "\n".join(text.toPlainText() for text in answer.body.texts())


def test_enter_sends_and_the_answer_streams_in(
    view: ConversationView, context: AppContext, engine: ScriptedEngine
) -> None:
    _type(view, "Who is there?")
    QTest.keyClick(view.composer.box, Qt.Key.Key_Return)
    context.client.drain()
    assert [c.messages[-1].content for c in engine.sent(p.Generate)] == ["Who is there?"]
    assert view.composer.box.toPlainText() == ""
    assert _shown(_answer(view)) == "Hello from the script."


def test_shift_enter_begins_a_line_and_control_enter_sends(
    view: ConversationView, engine: ScriptedEngine
) -> None:
    _type(view, "One")
    QTest.keyClick(view.composer.box, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    _type(view, "two")
    assert not engine.sent(p.Generate)
    QTest.keyClick(view.composer.box, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert engine.sent(p.Generate)[-1].messages[-1].content == "One\ntwo"


def test_without_a_model_what_was_typed_stays(
    view: ConversationView, context: AppContext, engine: ScriptedEngine
) -> None:
    context.session.set(replace(context.session.value, model_path=""))
    _type(view, "Hello")
    QTest.keyClick(view.composer.box, Qt.Key.Key_Return)
    assert view.composer.box.toPlainText() == "Hello"
    assert context.notices.items


def test_send_is_stop_while_an_answer_is_made(
    view: ConversationView, context: AppContext, engine: ScriptedEngine
) -> None:
    engine.hold(p.Generate)
    _type(view, "Hello")
    QTest.mouseClick(view.composer.send, Qt.MouseButton.LeftButton)
    assert view.composer.send.text() == "Stop"
    _type(view, "Next")
    QTest.keyClick(view.composer.box, Qt.Key.Key_Return)
    assert view.composer.box.toPlainText() == "Next"
    QTest.mouseClick(view.composer.send, Qt.MouseButton.LeftButton)
    context.client.drain()
    assert engine.cancelled
    assert view.composer.send.text() == "Send"
    assert "stopped by you" in _labels(_answer(view))


def _labels(answer: AnswerView) -> str:
    return "\n".join(item.text() for item in answer.findChildren(QLabel) if item.isVisibleTo(answer))
