"""Conversations in SQLite (WAL), saved as they happen.

A chat is a tree: answers to the same message are versions of one turn, and nothing is overwritten
by regenerating or by editing. Each thread has a connection of its own.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

from engine.protocol import ChatOpened, ChatSummary, SaveTo, StoredMessage

_SCHEMA = """
create table if not exists chats(
  chat_id text primary key, title text not null, created_at real not null,
  updated_at real not null, active_leaf text, deleted integer not null default 0);
create table if not exists messages(
  message_id text primary key, chat_id text not null references chats, parent_id text,
  role text not null, content text not null, state text not null, created_at real not null,
  meta text not null default '{}');
create index if not exists messages_by_chat on messages(chat_id, created_at);
"""
_TITLE_CHARS = 60


class ChatStore:
    """The chats of one workspace."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self.moved_aside = self._move_aside_if_damaged()
        with self._connection() as db:
            db.executescript(_SCHEMA)

    def _connection(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is None:
            db = sqlite3.connect(self._path, timeout=10.0)
            db.execute("pragma journal_mode=wal")
            db.execute("pragma synchronous=normal")
            self._local.db = db
        return db

    def _move_aside_if_damaged(self) -> Path | None:
        """A damaged file is kept under another name, and a new one begun."""
        try:
            rows = self._connection().execute("pragma quick_check").fetchall()
            if rows == [("ok",)]:
                return None
        except sqlite3.DatabaseError:
            pass  # the same outcome as a failed check: below
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is not None:
            db.close()
            self._local.db = None
        kept = self._path.with_name(f"chats.damaged-{int(time.time())}.sqlite")
        self._path.rename(kept)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        return kept

    def begin_turn(self, save: SaveTo, user_text: str) -> None:
        """Store the user's message (unless it is there already) and an empty partial answer."""
        now = time.time()
        title = " ".join(user_text.split())[:_TITLE_CHARS] or "New conversation"
        with self._connection() as db:
            db.execute(
                "insert into chats values(?,?,?,?,?,0) on conflict(chat_id) do update set "
                "updated_at=excluded.updated_at, active_leaf=excluded.active_leaf",
                (save.chat_id, title, now, now, save.assistant_id),
            )
            parent = save.parent_id
            if save.user_id is not None:
                db.execute(
                    "insert or replace into messages values(?,?,?,'user',?,'complete',?,'{}')",
                    (save.user_id, save.chat_id, parent, user_text, now),
                )
                parent = save.user_id
            db.execute(
                "insert or replace into messages values(?,?,?,'assistant','','partial',?,'{}')",
                (save.assistant_id, save.chat_id, parent, now + 1e-4),
            )

    def update_answer(self, message_id: str, content: str, state: str, meta: str | None = None) -> None:
        """Store what the answer is by now."""
        with self._connection() as db:
            if meta is None:
                db.execute(
                    "update messages set content=?, state=? where message_id=?", (content, state, message_id)
                )
            else:
                db.execute(
                    "update messages set content=?, state=?, meta=? where message_id=?",
                    (content, state, meta, message_id),
                )

    def list_chats(self) -> tuple[ChatSummary, ...]:
        """All chats that are not deleted, newest first."""
        rows = self._connection().execute(
            "select c.chat_id, c.title, c.updated_at, count(m.message_id) from chats c "
            "left join messages m using(chat_id) where not c.deleted group by c.chat_id "
            "order by c.updated_at desc"
        )
        return tuple(
            ChatSummary(chat_id=chat, title=title, updated_at=updated, n_messages=n)
            for chat, title, updated, n in rows
        )

    def open_chat(self, chat_id: str) -> ChatOpened | None:
        """The whole tree of a chat; None if there is no such chat."""
        db = self._connection()
        head = db.execute("select title, active_leaf from chats where chat_id=?", (chat_id,)).fetchone()
        if head is None:
            return None
        rows = db.execute(
            "select message_id, parent_id, role, content, state, created_at, meta from messages "
            "where chat_id=? order by created_at, rowid",
            (chat_id,),
        )
        messages = tuple(
            StoredMessage(
                message_id=row[0], parent_id=row[1], role=row[2], content=row[3], state=row[4],
                created_at=row[5], meta=row[6],
            )
            for row in rows
        )  # fmt: skip
        return ChatOpened(chat_id=chat_id, title=head[0], messages=messages, active_leaf=head[1])

    def set_active_leaf(self, chat_id: str, message_id: str) -> None:
        """Remember which version is shown."""
        with self._connection() as db:
            db.execute("update chats set active_leaf=? where chat_id=?", (message_id, chat_id))

    def rename(self, chat_id: str, title: str) -> None:
        """Give a chat another title."""
        with self._connection() as db:
            db.execute("update chats set title=? where chat_id=?", (title, chat_id))

    def set_deleted(self, chat_id: str, deleted: bool) -> None:
        """Hide a chat, or bring it back."""
        with self._connection() as db:
            db.execute("update chats set deleted=? where chat_id=?", (int(deleted), chat_id))

    def recover(self) -> int:
        """Mark answers that a killed run left unfinished as stopped; how many there were."""
        with self._connection() as db:
            return db.execute("update messages set state='stopped' where state='partial'").rowcount

    def close(self) -> None:
        """Close this thread's connection."""
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is not None:
            db.close()
            self._local.db = None
