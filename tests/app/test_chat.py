"""The chat behind the view: what is sent, what comes back, what is kept."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace

import pytest

from app.chat import ChatController
from app.context import AppContext
from engine import protocol as p
from tests.app.scripted import ScriptedEngine, answer_of, say, token


@pytest.fixture
def chat(context: AppContext) -> ChatController:
    context.session.set(replace(context.session.value, model_path="/models/tiny"))
    return ChatController(context)


def _last(engine: ScriptedEngine) -> p.Generate:
    return engine.sent(p.Generate)[-1]


def test_sending_asks_with_the_whole_path_and_says_where_it_is_kept(
    chat: ChatController, context: AppContext, engine: ScriptedEngine
) -> None:
    assert chat.send("One?")
    context.client.drain()
    assert chat.send("Two?")
    context.client.drain()
    first, second = engine.sent(p.Generate)
    assert [m.content for m in second.messages] == ["One?", "Hello from the script.", "Two?"]
    assert first.save is not None
    assert second.save is not None
    assert second.save.parent_id == first.save.assistant_id
    assert second.documents == p.Documents(k=3)
    assert [node.state for node in chat.path] == ["complete"] * 4
    assert context.session.value.chat_id == chat.chat_id == second.save.chat_id


def test_documents_are_left_out_when_they_are_off(
    chat: ChatController, context: AppContext, engine: ScriptedEngine
) -> None:
    context.session.set(replace(context.session.value, use_documents=False))
    chat.send("Hello")
    assert _last(engine).documents is None


def test_without_a_model_nothing_is_sent_and_a_notice_says_so(
    context: AppContext, engine: ScriptedEngine
) -> None:
    chat = ChatController(context)
    assert not chat.send("Hello")
    assert not engine.sent(p.Generate)
    assert "no model" in context.notices.items[-1].text


def test_a_second_question_waits_until_the_answer_is_there(
    chat: ChatController, context: AppContext, engine: ScriptedEngine
) -> None:
    engine.hold(p.Generate)
    assert chat.send("One?")
    assert not chat.send("Two?")
    assert len(engine.sent(p.Generate)) == 1


def test_the_states_of_an_answer_follow_the_events(
    chat: ChatController, context: AppContext, engine: ScriptedEngine
) -> None:
    engine.hold(p.Generate)
    chat.send("One?")
    job, node = _last(engine).job, chat.path[-1]
    seen = [node.state]
    for event in (
        p.Progress(job=job, stage="searching documents"),
        p.ContextTrimmed(job=job, dropped_turns=2, dropped_tokens=90, n_ctx=512),
        p.PromptReady(job=job, prompt_tokens=40, reused_tokens=8, n_ctx=512, prefill_ms=3.0),
    ):
        engine.emit(event)
        context.client.drain()
        seen.append(node.state)
    assert seen == ["waiting", "retrieving", "retrieving", "streaming"]
    engine.emit(p.TextDelta(job=job, text="So"))
    engine.emit(token(job, 0, "So", 0))
    engine.emit(p.GainsChanged(job=job, index=1, revision=2, gains=(1.0, 0.4, 1.0, 1.0, 1.0)))
    context.client.drain()
    assert chat.context_use == (41, 512)
    assert (node.text, node.record.dropped_turns, node.record.gain_marks[0].index) == ("So", 2, 1)
    assert [stats.text for stats in chat.token_stats(node.message_id)] == ["So"]


def test_stopping_keeps_what_was_written(
    chat: ChatController, context: AppContext, engine: ScriptedEngine
) -> None:
    engine.hold(p.Generate)
    chat.send("One?")
    chat.stop()
    assert engine.cancelled == [_last(engine).job]
    context.client.drain()
    assert chat.path[-1].state == "stopped"
    assert not chat.streaming


def test_regenerating_makes_a_version_and_the_old_one_can_be_shown_again(
    chat: ChatController, context: AppContext, engine: ScriptedEngine
) -> None:
    chat.send("One?")
    context.client.drain()
    old = chat.path[-1]
    engine.answer(p.Generate, lambda c: say(c, "Other words."))
    assert chat.regenerate()
    context.client.drain()
    assert _last(engine).save == p.SaveTo(
        chat_id=chat.chat_id,
        parent_id=chat.path[0].message_id,
        user_id=None,
        assistant_id=chat.path[-1].message_id,
    )
    assert chat.path[-1].text == "Other words."
    assert chat.tree.versions(chat.path[-1].message_id) == (2, 2)
    chat.show_version(chat.path[-1].message_id, -1)
    assert chat.path[-1] is old
    assert engine.sent(p.SetActiveLeaf)[-1].message_id == old.message_id


def test_an_edited_question_is_a_version_beside_the_old_one(
    chat: ChatController, context: AppContext, engine: ScriptedEngine
) -> None:
    chat.send("One?")
    context.client.drain()
    old = chat.path[0]
    assert chat.edit_and_resend(old.message_id, "Uno?")
    context.client.drain()
    assert [m.content for m in _last(engine).messages] == ["Uno?"]
    assert chat.tree.versions(chat.path[0].message_id) == (2, 2)
    assert chat.path[0].text == "Uno?"
    assert old.text == "One?"


def test_a_failed_answer_is_tried_again_under_its_own_id_and_left_out_of_the_prompt(
    chat: ChatController, context: AppContext, engine: ScriptedEngine
) -> None:
    engine.hold(p.Generate)
    chat.send("One?")
    engine.fail(_last(engine).job, p.ErrorInfo(text="No room.", hint="Close something."))
    context.client.drain()
    failed = chat.path[-1]
    assert failed.error is not None
    assert failed.error.text == "No room."
    chat.send("Two?")
    assert [m.content for m in _last(engine).messages] == ["Two?"]
    engine.stop(_last(engine).job)
    context.client.drain()
    assert chat.regenerate(failed.message_id)
    assert _last(engine).save is not None
    assert _last(engine).save.assistant_id == failed.message_id  # type: ignore[union-attr]
    assert failed.state == "waiting"
    assert failed.error is None


def _message(
    message_id: str,
    parent_id: str | None,
    role: p.Role,
    content: str,
    state: str = "complete",
    meta: str = "{}",
) -> p.StoredMessage:
    return p.StoredMessage(
        message_id=message_id, parent_id=parent_id, role=role, content=content,
        state=state, created_at=1.0, meta=meta,  # type: ignore[arg-type]
    )  # fmt: skip


def _stored(engine: ScriptedEngine) -> None:
    hit = p.Hit(
        chunk_id="c", document_id="d", document="a.pdf", path="/a.pdf", page=3, heading="", start=0, end=4,
        text="Four", score=1.0,
    )  # fmt: skip
    meta = {
        "citations": [asdict(p.Citation(number=1, hit=hit, matches_source=True))],
        "timings": asdict(answer_of("", 2).timings),
        "tokens": [
            {
                "start": 0,
                "end": 3,
                "id": 5,
                "logprob": -0.5,
                "alternatives": [["Yes", -0.5]],
                "activity": [[1, 3]],
            },
            {"start": 3, "end": 7, "id": 6, "logprob": -0.1, "alternatives": [], "activity": None},
        ],
        "gain_marks": [{"index": 1, "gains": [1, 0.4, 1, 1, 1]}],
        "dropped_turns": 2,
        "finish_reason": "stop",
    }
    messages = (
        _message("u", None, "user", "Q"),
        _message("a", "u", "assistant", "Yes [1]", meta=json.dumps(meta)),
        _message("b", "u", "assistant", "Ye", "partial", meta="not json"),
        _message("x", "gone", "user", "?"),
    )

    def opened(command: p.OpenChat) -> Iterable[p.Event]:
        result = p.ChatOpened(chat_id=command.chat_id, title="Q", messages=messages, active_leaf="a")
        yield p.Finished(job=command.job, result=result)

    engine.answer(p.OpenChat, opened)


def test_a_chat_comes_back_with_citations_tokens_and_versions(
    context: AppContext, engine: ScriptedEngine
) -> None:
    _stored(engine)
    context.session.set(replace(context.session.value, chat_id="kept"))
    chat = ChatController(context)
    chat.start()
    context.client.drain()
    assert [node.message_id for node in chat.path] == ["u", "a"]
    record = chat.path[-1].record
    assert (record.citations[0].hit.page, record.citations[0].matches_source) == (3, True)
    assert [stats.text for stats in record.tokens] == ["Yes", " [1]"]
    assert (record.tokens[0].n_layers, len(record.tokens[0].activity)) == (2, 8)
    assert (record.dropped_turns, record.gain_marks[0].gains[1]) == (2, 0.4)
    chat.show_version("a", 1)
    assert (chat.path[-1].text, chat.path[-1].state, chat.path[-1].record.tokens) == ("Ye", "stopped", [])


def test_deleting_a_chat_can_be_undone(
    chat: ChatController, context: AppContext, engine: ScriptedEngine
) -> None:
    chat.send("One?")
    context.client.drain()
    summary = p.ChatSummary(chat_id=chat.chat_id, title="One?", updated_at=1.0, n_messages=2)
    engine.answer(p.ListChats, lambda c: [p.Finished(job=c.job, result=(summary,))])
    chat.shelf.refresh()
    context.client.drain()
    gone = chat.chat_id
    chat.delete_chat(gone)
    assert not chat.path
    context.undo.undo()
    context.client.drain()
    assert [c.deleted for c in engine.sent(p.SetChatDeleted)] == [True, False]
    assert [c.chat_id for c in chat.shelf.chats] == [gone]


def test_an_answer_goes_on_while_another_chat_is_open(
    chat: ChatController, context: AppContext, engine: ScriptedEngine
) -> None:
    engine.hold(p.Generate)
    chat.send("One?")
    first, job = chat.chat_id, _last(engine).job
    chat.new_chat()
    assert not chat.path
    engine.emit(p.TextDelta(job=job, text="Still here"))
    context.client.drain()
    chat.open_chat(first)
    assert chat.path[-1].text == "Still here"
    assert not engine.sent(p.OpenChat)
