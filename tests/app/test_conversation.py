"""The conversation as a person uses it: keys, mouse, what is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt, QUrl
from PySide6.QtGui import QAccessible, QDesktopServices, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QLabel,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QTextBrowser,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.chat import ChatController
from app.context import AppContext
from app.views.conversation.answer import AnswerView
from app.views.conversation.view import ConversationView
from app.views.conversation.welcome import Welcome
from engine import protocol as p
from tests.app.scripted import ScriptedEngine, answer_of, say


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


def _labels(part: QWidget) -> str:
    return "\n".join(item.text() for item in part.findChildren(QLabel) if item.isVisibleTo(part))


HIT = p.Hit(
    chunk_id="c1", document_id="d", document="lease.pdf", path="/lease.pdf", page=6, heading="", start=0,
    end=20, text="The tenant may not.", score=1.0,
)  # fmt: skip


def _cited(engine: ScriptedEngine, text: str, matches: bool | None = True) -> None:
    """Make the next answers ``text``, token by word, with citation 1."""

    def reply(command: p.Generate) -> list[p.Event]:
        citation = p.Citation(number=1, hit=HIT, matches_source=matches)
        events: list[p.Event] = [p.Retrieved(job=command.job, hits=(HIT,))]
        events += [event for event in say(command, text) if not isinstance(event, p.Finished)]
        n = len(text.split(" "))
        return [*events, p.Finished(job=command.job, result=answer_of(text, n, (citation,)))]

    engine.answer(p.Generate, reply)


def _ask(view: ConversationView, context: AppContext, question: str = "Who?") -> AnswerView:
    view.composer.box.setPlainText(question)
    QTest.keyClick(view.composer.box, Qt.Key.Key_Return)
    context.client.drain()
    QTest.qWait(20)
    return _answer(view)


def _click_word(answer: AnswerView, word: str) -> None:
    """Click in the middle of a word as it is shown."""
    for text in answer.body.texts():
        at = text.toPlainText().find(word)
        if at >= 0:
            cursor = text.textCursor()
            cursor.setPosition(at + len(word) // 2)
            point = text.cursorRect(cursor).center()
            QTest.mouseClick(text.viewport(), Qt.MouseButton.LeftButton, pos=point + QPoint(2, 0))
            return
    raise AssertionError(f"{word!r} is not shown")


def test_each_state_of_an_answer_is_said(
    view: ConversationView, context: AppContext, engine: ScriptedEngine
) -> None:
    engine.hold(p.Generate)
    answer = _ask(view, context)
    job = engine.sent(p.Generate)[-1].job
    seen = [_labels(answer)]
    for event in (
        p.Progress(job=job, stage="reading the prompt", fraction=0.4),
        p.Retrieved(job=job, hits=(HIT, HIT, HIT)),
        p.ContextTrimmed(job=job, dropped_turns=2, dropped_tokens=9, n_ctx=512),
    ):
        engine.emit(event)
        context.client.drain()
        seen.append(_labels(answer))
    for words, labels in zip(("waiting", "40%", "reading 3 passages", "context 512"), seen, strict=True):
        assert words in labels


def test_a_click_on_a_shown_word_finds_its_token_in_markdown(
    view: ConversationView, context: AppContext, engine: ScriptedEngine
) -> None:
    _cited(engine, "Two **bold words** and\\n\\n- first item\\n- `code here` [1]".replace("\\n", "\n"))
    answer = _ask(view, context)
    seen = []
    view.token_selected.connect(lambda message, index: seen.append((message, index)))
    tokens = view.inspection.panel
    for word, index in (("bold", 1), ("words", 2), ("item", 5), ("here", 7)):
        _click_word(answer, word)
        assert seen[-1] == (answer.node.message_id, index)
        assert tokens.isVisible()


def test_arrow_keys_walk_through_the_tokens_and_escape_closes(
    view: ConversationView, context: AppContext, engine: ScriptedEngine
) -> None:
    answer = _ask(view, context)
    _click_word(answer, "from")
    panel = view.inspection.panel
    seen = []
    view.token_selected.connect(lambda message, index: seen.append(index))
    QTest.keyClick(panel, Qt.Key.Key_Right)
    QTest.keyClick(panel, Qt.Key.Key_Left)
    QTest.keyClick(panel, Qt.Key.Key_Left)
    assert seen == [2, 1, 0]
    QTest.keyClick(panel, Qt.Key.Key_Escape)
    assert seen[-1] == -1
    assert not panel.isVisible()


def test_the_inspector_shows_chances_and_the_levels(
    view: ConversationView, context: AppContext, engine: ScriptedEngine
) -> None:
    answer = _ask(view, context)
    _click_word(answer, "from")
    panel = view.inspection.panel
    assert [(bar.name, bar.number) for bar in panel.alternatives.bars()] == [
        ("␣from", "77.9%"),
        ("␣other", "17.4%"),
    ]
    assert [(bar.name, bar.number) for bar in panel.levels.bars()] == [
        ("foundation", "0.100"),
        ("domain", "0.200"),
        ("swarm", "0.000"),
        ("agent", "0.000"),
        ("context", "0.050"),
    ]


def test_a_citation_opens_its_page_with_the_words_marked(
    view: ConversationView, context: AppContext, engine: ScriptedEngine
) -> None:
    passage = p.Passage(
        document="lease.pdf", path="/lease.pdf", page=6, n_pages=12,
        text="Before. The tenant may not. After.", start=8, end=27, stale=True,
    )  # fmt: skip
    engine.answer(p.OpenPassage, lambda c: [p.Finished(job=c.job, result=passage)])
    _cited(engine, "No [1].", matches=False)
    answer = _ask(view, context)
    chip = answer.chips.findChild(QPushButton)
    assert isinstance(chip, QPushButton)
    assert "lease.pdf · p. 6" in chip.text()
    assert "check" in chip.accessibleName()
    QTest.mouseClick(chip, Qt.MouseButton.LeftButton)
    context.client.drain()
    viewer = view.passages
    assert viewer.isVisible()
    assert viewer.text.extraSelections()[0].cursor.selectedText() == "The tenant may not."
    words = _labels(viewer)
    assert "page 6 of 12" in words
    assert "changed since" in words
    QTest.keyClick(viewer, Qt.Key.Key_Escape)
    assert not viewer.isVisible()


def test_a_passage_that_is_gone_is_shown_as_the_answer_saw_it(
    view: ConversationView, context: AppContext, engine: ScriptedEngine
) -> None:
    error = p.ErrorInfo(text="The document was removed.")
    engine.answer(p.OpenPassage, lambda c: [p.Failed(job=c.job, error=error)])
    _cited(engine, "No [1].")
    answer = _ask(view, context)
    answer.citation_opened.emit(answer.node.message_id, 1)
    context.client.drain()
    assert view.passages.text.toPlainText() == HIT.text
    view.passages.close()


def test_a_failed_answer_says_why_and_can_be_tried_again(
    view: ConversationView, context: AppContext, engine: ScriptedEngine
) -> None:
    engine.hold(p.Generate)
    answer = _ask(view, context)
    error = p.ErrorInfo(text="No room.", hint="Close something.", detail="RuntimeError: 12")
    engine.fail(engine.sent(p.Generate)[-1].job, error)
    context.client.drain()
    buttons = {item.text(): item for item in answer.findChildren(QPushButton) if item.isVisibleTo(answer)}
    assert "No room." in _labels(answer)
    assert "RuntimeError" not in _labels(answer)
    QTest.mouseClick(buttons["Details"], Qt.MouseButton.LeftButton)
    assert "RuntimeError: 12" in _labels(answer)
    QTest.mouseClick(buttons["Copy"], Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "No room.\n\nClose something.\n\nRuntimeError: 12"
    QTest.mouseClick(buttons["Try again"], Qt.MouseButton.LeftButton)
    assert len(engine.sent(p.Generate)) == 2
    assert "No room." not in _labels(answer)


def test_versions_are_turned_by_their_arrows(
    view: ConversationView, context: AppContext, engine: ScriptedEngine
) -> None:
    _ask(view, context)
    engine.answer(p.Generate, lambda c: say(c, "Other words."))
    context.actions.get("chat.regenerate").trigger()
    context.client.drain()
    answer = _answer(view)
    assert "2/2" in _labels(answer)
    back = next(b for b in answer.findChildren(QToolButton) if b.accessibleName() == "Previous version")
    QTest.mouseClick(back, Qt.MouseButton.LeftButton)
    assert _shown(_answer(view)) == "Hello from the script."
    assert "1/2" in _labels(_answer(view))


def test_up_in_an_empty_box_edits_the_last_question(
    view: ConversationView, context: AppContext, engine: ScriptedEngine
) -> None:
    _ask(view, context, "Who is thre?")
    QTest.keyClick(view.composer.box, Qt.Key.Key_Up)
    question = view.transcript.views()[0]
    box = question.findChild(QPlainTextEdit)
    assert isinstance(box, QPlainTextEdit)
    assert box.hasFocus()
    QTest.keyClicks(box, "Who is there?")
    QTest.keyClick(box, Qt.Key.Key_Return)
    assert engine.sent(p.Generate)[-1].messages[-1].content == "Who is there?"
    assert "2/2" in "".join(item.text() for item in view.transcript.views()[0].findChildren(QLabel))


def test_a_suggested_question_is_asked_with_a_click(
    view: ConversationView, engine: ScriptedEngine, qtbot: QtBot
) -> None:
    welcome = Welcome(("Who is the mayor?",))
    qtbot.addWidget(welcome)
    welcome.asked.connect(view.composer.ask)
    chip = welcome.findChild(QPushButton)
    assert isinstance(chip, QPushButton)
    QTest.mouseClick(chip, Qt.MouseButton.LeftButton)
    assert engine.sent(p.Generate)[-1].messages[-1].content == "Who is the mayor?"


def test_documents_are_switched_off_by_their_chip(
    view: ConversationView, context: AppContext, engine: ScriptedEngine
) -> None:
    QTest.mouseClick(view.composer.documents, Qt.MouseButton.LeftButton)
    assert not context.session.value.use_documents
    assert view.composer.documents.text() == "Documents: off"


def test_each_chat_keeps_its_own_draft(
    view: ConversationView, chat: ChatController, context: AppContext
) -> None:
    _ask(view, context)
    first = chat.chat_id
    _type(view, "half a thought")
    chat.new_chat()
    assert view.composer.box.toPlainText() == ""
    assert view.welcome.isVisible()
    chat.open_chat(first)
    context.client.drain()
    assert view.composer.box.toPlainText() == "half a thought"


def test_the_transcript_follows_the_answer_until_the_person_scrolls_away(
    view: ConversationView, context: AppContext, engine: ScriptedEngine
) -> None:
    engine.hold(p.Generate)
    _ask(view, context)
    job = engine.sent(p.Generate)[-1].job
    bar = view.transcript.verticalScrollBar()

    def grow() -> None:
        engine.emit(p.TextDelta(job=job, text="A line of words.\n\n" * 30))
        context.client.drain()
        QTest.qWait(160)

    grow()
    assert bar.maximum() > 0
    assert bar.value() == bar.maximum()
    bar.setValue(0)
    grow()
    assert bar.value() == 0
    later = next(b for b in view.transcript.findChildren(QPushButton) if b.text().startswith("Jump"))
    assert later.isVisible()
    QTest.mouseClick(later, Qt.MouseButton.LeftButton)
    assert bar.value() == bar.maximum()
    assert not later.isVisible()


def test_a_long_chat_builds_only_its_end_until_one_scrolls_up(
    view: ConversationView,
    chat: ChatController,
    engine: ScriptedEngine,
    context: AppContext,
    qtbot: QtBot,
) -> None:
    messages = tuple(
        p.StoredMessage(
            message_id=f"m{i}", parent_id=f"m{i - 1}" if i else None, role="assistant" if i % 2 else "user",
            content=f"Message {i}", state="complete", created_at=float(i),
        )
        for i in range(300)
    )  # fmt: skip
    opened = p.ChatOpened(chat_id="long", title="Long", messages=messages, active_leaf="m299")
    engine.answer(p.OpenChat, lambda c: [p.Finished(job=c.job, result=opened)])
    chat.open_chat("long")
    context.client.drain()
    assert len(chat.path) == 300
    assert 0 < len(view.transcript.views()) < 60
    before = len(view.transcript.views())
    QTest.qWait(50)
    view.transcript.verticalScrollBar().setValue(0)
    qtbot.waitUntil(lambda: view.transcript.verticalScrollBar().value() > 0)
    assert len(view.transcript.views()) > before


def test_every_control_has_a_name(
    view: ConversationView, context: AppContext, engine: ScriptedEngine
) -> None:
    _cited(engine, "No [1].")
    _ask(view, context)
    controls = (QPushButton, QToolButton, QPlainTextEdit, QTextBrowser)
    for kind in controls:
        for control in view.findChildren(kind):
            assert QAccessible.queryAccessibleInterface(control).text(QAccessible.Text.Name), control


def test_a_link_opens_only_after_the_person_agreed(
    view: ConversationView, context: AppContext, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    engine.answer(p.Generate, lambda c: say(c, "See https://a.example/x now."))
    answer = _ask(view, context)
    answer.body.texts()[0].anchorClicked.emit(QUrl("https://a.example/x"))
    box = view.findChild(QMessageBox)
    assert isinstance(box, QMessageBox)
    assert "https://a.example/x" in box.informativeText()
    assert not opened
    QTest.mouseClick(box.button(QMessageBox.StandardButton.Open), Qt.MouseButton.LeftButton)
    assert opened == ["https://a.example/x"]


def test_what_was_written_but_not_sent_survives_a_restart(
    view: ConversationView, context: AppContext, chat: ChatController, qtbot: QtBot
) -> None:
    _type(view, "half a thought")
    qtbot.waitUntil(lambda: context.session.value.draft == "half a thought")
    later = AppContext(
        client=context.client, session=context.session, undo=context.undo, notices=context.notices,
        theme=context.theme, actions=type(context.actions)(context.theme),
    )  # fmt: skip
    again = ConversationView(later, ChatController(later))
    qtbot.addWidget(again)
    assert again.composer.box.toPlainText() == "half a thought"


def test_a_gain_edit_in_mid_answer_is_marked_where_it_holds(
    view: ConversationView, context: AppContext, engine: ScriptedEngine
) -> None:
    def reply(command: p.Generate) -> list[p.Event]:
        events = list(say(command, "One two three four."))
        gains = (1.0, 0.4, 1.0, 1.0, 1.0)
        return [*events[:5], p.GainsChanged(job=command.job, index=2, revision=2, gains=gains), *events[5:]]

    engine.answer(p.Generate, reply)
    answer = _ask(view, context)
    assert "from “three four.…” on: domain 0.40" in _labels(answer)
    view.inspect(1)
    assert "domain 1.00" in _labels(view.inspection.panel)
    view.inspect(2)
    assert "domain 0.40" in _labels(view.inspection.panel)


def test_a_pasted_book_is_shown_short_until_asked_for(
    view: ConversationView, context: AppContext, engine: ScriptedEngine
) -> None:
    engine.hold(p.Generate)
    _ask(view, context, "word " * 4000)
    question = view.transcript.views()[0]
    text = question.findChild(QTextBrowser)
    assert isinstance(text, QTextBrowser)
    assert len(text.toPlainText()) < 4000
    whole = next(b for b in question.findChildren(QPushButton) if b.text() == "Show all")
    QTest.mouseClick(whole, Qt.MouseButton.LeftButton)
    assert len(text.toPlainText()) > 19_000
