"""The list of chats: find, open, rename in place, delete and take it back."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from app.chat import ChatController
from app.context import AppContext
from app.models.chats import when
from app.views.chat_list import ChatList
from engine import protocol as p
from tests.app.scripted import ScriptedEngine

TITLES = ("Harbour fees", "Who is the mayor?", "Old harbour notes")


@pytest.fixture
def chat(context: AppContext, engine: ScriptedEngine) -> ChatController:
    rows = [
        p.ChatSummary(chat_id=f"k{i}", title=title, updated_at=100.0 - i, n_messages=2)
        for i, title in enumerate(TITLES)
    ]

    def rename(command: p.RenameChat) -> list[p.Event]:
        rows[:] = [replace(r, title=command.title) if r.chat_id == command.chat_id else r for r in rows]
        return [p.Finished(job=command.job)]

    hidden: set[str] = set()

    def delete(command: p.SetChatDeleted) -> list[p.Event]:
        (hidden.add if command.deleted else hidden.discard)(command.chat_id)
        return [p.Finished(job=command.job)]

    def listed(command: p.ListChats) -> list[p.Event]:
        return [p.Finished(job=command.job, result=tuple(r for r in rows if r.chat_id not in hidden))]

    engine.answer(p.RenameChat, rename)
    engine.answer(p.SetChatDeleted, delete)
    engine.answer(p.ListChats, listed)
    chat = ChatController(context)
    chat.start()
    context.client.drain()
    return chat


@pytest.fixture
def chats(qtbot: QtBot, context: AppContext, chat: ChatController) -> ChatList:
    chats = ChatList(context, chat)
    qtbot.addWidget(chats)
    chats.resize(320, 400)
    chats.show()
    return chats


def _titles(chats: ChatList) -> list[object]:
    return [chats.model.index(row).data() for row in range(chats.model.rowCount())]


def test_typing_finds_chats_by_words_of_their_title(chats: ChatList) -> None:
    QTest.keyClicks(chats.search, "harbour")
    assert _titles(chats) == ["Harbour fees", "Old harbour notes"]
    QTest.keyClicks(chats.search, " old")
    assert _titles(chats) == ["Old harbour notes"]


def test_a_click_opens_a_chat(chats: ChatList, engine: ScriptedEngine) -> None:
    place = chats.view.visualRect(chats.model.index(1)).center()
    QTest.mouseClick(chats.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert [c.chat_id for c in engine.sent(p.OpenChat)] == ["k1"]


def test_a_chat_is_renamed_in_its_row_and_that_can_be_undone(
    chats: ChatList, context: AppContext, engine: ScriptedEngine, qtbot: QtBot
) -> None:
    chats.view.setCurrentIndex(chats.model.index(1))
    chats.view.edit(chats.model.index(1))
    editor = chats.view.viewport().findChild(QLineEdit)
    assert isinstance(editor, QLineEdit)
    editor.selectAll()
    QTest.keyClicks(editor, "The mayor")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(engine.sent(p.RenameChat)))
    context.client.drain()
    assert _titles(chats)[1] == "The mayor"
    context.undo.undo()
    context.client.drain()
    assert _titles(chats)[1] == "Who is the mayor?"
    assert [c.title for c in engine.sent(p.RenameChat)] == ["The mayor", "Who is the mayor?"]


def test_delete_takes_a_chat_off_the_list_and_undo_brings_it_back(
    chats: ChatList, context: AppContext
) -> None:
    chats.view.setCurrentIndex(chats.model.index(0))
    QTest.keyClick(chats.view, Qt.Key.Key_Delete)
    context.client.drain()
    assert _titles(chats) == list(TITLES[1:])
    context.undo.undo()
    context.client.drain()
    assert _titles(chats) == list(TITLES)


@pytest.mark.parametrize(
    ("age_s", "words"),
    [(5, "just now"), (86_400, "yesterday"), (30 * 86_400, "15 May"), (400 * 86_400, "10 May 2025")],
)
def test_times_are_said_as_people_say_them(age_s: float, words: str) -> None:

    now = time.mktime((2026, 6, 14, 12, 0, 0, 0, 0, -1))
    assert when(now - age_s, now) == words
