"""Conversations survive: as they happen, as versions, after a kill, after damage."""

import threading
from pathlib import Path

import pytest

from engine.chats import ChatStore
from engine.protocol import SaveTo


@pytest.fixture
def store(tmp_path: Path):
    store = ChatStore(tmp_path / "chats.sqlite")
    yield store
    store.close()


def _save(assistant: str = "a1", user: str | None = "u1", parent: str | None = None) -> SaveTo:
    return SaveTo(chat_id="c", parent_id=parent, user_id=user, assistant_id=assistant)


def test_a_turn_is_there_before_its_answer_is_complete(store: ChatStore) -> None:
    store.begin_turn(_save(), "Who keeps the lamp?")
    store.update_answer("a1", "The kee", "partial")
    chat = store.open_chat("c")
    assert chat is not None and chat.title == "Who keeps the lamp?" and chat.active_leaf == "a1"
    assert [(m.role, m.content, m.state) for m in chat.messages] == [
        ("user", "Who keeps the lamp?", "complete"),
        ("assistant", "The kee", "partial"),
    ]
    assert chat.messages[1].parent_id == "u1"


def test_regenerating_adds_a_version_and_keeps_the_first(store: ChatStore) -> None:
    store.begin_turn(_save(), "q")
    store.update_answer("a1", "one", "complete", '{"n": 1}')
    store.begin_turn(_save(assistant="a2", user=None, parent="u1"), "q")
    chat = store.open_chat("c")
    assert chat is not None
    assert [m.message_id for m in chat.messages if m.parent_id == "u1"] == ["a1", "a2"]
    assert chat.messages[1].meta == '{"n": 1}'
    store.set_active_leaf("c", "a1")
    reopened = store.open_chat("c")
    assert reopened is not None and reopened.active_leaf == "a1"


def test_a_killed_answer_is_kept_as_stopped(tmp_path: Path) -> None:
    first = ChatStore(tmp_path / "chats.sqlite")
    first.begin_turn(_save(), "q")
    first.update_answer("a1", "half", "partial")
    second = ChatStore(tmp_path / "chats.sqlite")  # the first is never closed, as after a kill
    assert second.recover() == 1
    chat = second.open_chat("c")
    assert chat is not None and (chat.messages[1].content, chat.messages[1].state) == ("half", "stopped")
    first.close()
    second.close()


def test_a_deleted_chat_leaves_the_list_and_can_come_back(store: ChatStore) -> None:
    store.begin_turn(_save(), "q")
    store.rename("c", "Lamps")
    assert [chat.title for chat in store.list_chats()] == ["Lamps"]
    store.set_deleted("c", True)
    assert store.list_chats() == ()
    store.set_deleted("c", False)
    assert store.list_chats()[0].n_messages == 2


def test_two_threads_write_side_by_side(store: ChatStore) -> None:
    store.begin_turn(_save(), "q")

    def rename() -> None:
        for n in range(20):
            store.rename("c", f"title {n}")
        store.close()

    thread = threading.Thread(target=rename)
    thread.start()
    for n in range(20):
        store.update_answer("a1", f"text {n}", "partial")
    thread.join()
    chat = store.open_chat("c")
    assert chat is not None and (chat.title, chat.messages[1].content) == ("title 19", "text 19")


def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    path = tmp_path / "chats.sqlite"
    path.write_bytes(b"this is not a database, and was never one" * 40)
    store = ChatStore(path)
    assert store.list_chats() == ()
    assert store.moved_aside is not None and store.moved_aside.read_bytes().startswith(b"this is not")
    store.close()


def test_an_unknown_chat_is_none(store: ChatStore) -> None:
    assert store.open_chat("nowhere") is None
