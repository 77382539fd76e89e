"""A conversation as a tree: answers to one message, or edits of one message, are versions of it.

Nothing is overwritten. The active path is what a person sees; each message remembers which of its
children was shown last.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from app.chat_record import Record, read_record, stored_error
from engine.protocol import ErrorInfo, Message, Role, StoredMessage

State = Literal["waiting", "retrieving", "streaming", "complete", "stopped", "failed"]
RUNNING: tuple[State, ...] = ("waiting", "retrieving", "streaming")


def new_id() -> str:
    """A fresh id for a chat or a message."""
    return uuid.uuid4().hex


@dataclass(slots=True, eq=False)
class Node:
    """One message. ``record`` of a stored answer is read from ``meta`` when first asked for: a long
    chat opens without parsing every token of it. ``stored``: the engine has it; ``restored``: it came
    from there."""

    message_id: str
    parent_id: str | None
    role: Role
    text: str = ""
    state: State = "complete"
    error: ErrorInfo | None = None
    stage: str = ""
    progress: float | None = None
    stored: bool = False
    restored: bool = False
    meta: str = ""
    _record: Record | None = field(default=None, repr=False)

    @property
    def record(self) -> Record:
        """Citations, timings, tokens and gain edits of an answer."""
        if self._record is None:
            self._record, self.meta = read_record(self.meta or "{}", self.text), ""
        return self._record

    def forget_record(self) -> None:
        """Begin an empty record."""
        self._record, self.meta = Record(), ""

    @property
    def running(self) -> bool:
        """Whether the engine still works on it."""
        return self.state in RUNNING


class ChatTree:
    """The messages of one chat and which of them are shown."""

    def __init__(self, chat_id: str) -> None:
        self.chat_id = chat_id
        self._nodes: dict[str, Node] = {}
        self._children: dict[str | None, list[str]] = {None: []}
        self._shown: dict[str | None, str] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, message_id: object) -> bool:
        return message_id in self._nodes

    def get(self, message_id: str) -> Node:
        """The message with this id; KeyError if there is none."""
        return self._nodes[message_id]

    def add(self, node: Node) -> Node:
        """Add a message below its parent and show it. ValueError for an id that is taken; KeyError
        for a parent that is not there."""
        if node.message_id in self._nodes:
            raise ValueError(f"message {node.message_id} is in this chat already")
        self._children[node.parent_id].append(node.message_id)
        self._nodes[node.message_id] = node
        self._children[node.message_id] = []
        self._shown[node.parent_id] = node.message_id
        return node

    def path(self) -> list[Node]:
        """The messages that are shown, oldest first."""
        out: list[Node] = []
        at: str | None = None
        while at in self._shown:
            at = self._shown[at]
            out.append(self._nodes[at])
        return out

    @property
    def leaf(self) -> Node | None:
        """The last message that is shown."""
        path = self.path()
        return path[-1] if path else None

    def take_up_again(self, message_id: str) -> Node:
        """Empty an answer that failed before its first word, to be answered again under its id."""
        node = self._nodes[message_id]
        node.text, node.state, node.error, node.stage, node.progress = "", "waiting", None, "", None
        node.restored = False
        node.forget_record()
        return node

    def versions(self, message_id: str) -> tuple[int, int]:
        """Which version this message is, from 1, and how many there are."""
        siblings = self._children[self._nodes[message_id].parent_id]
        return siblings.index(message_id) + 1, len(siblings)

    def show_version(self, message_id: str, delta: int) -> str:
        """Show the version ``delta`` places further (ends are ends) and return its id."""
        parent = self._nodes[message_id].parent_id
        siblings = self._children[parent]
        at = max(0, min(len(siblings) - 1, siblings.index(message_id) + delta))
        self._shown[parent] = siblings[at]
        return siblings[at]

    def show(self, message_id: str) -> None:
        """Make the active path go through this message."""
        at: str | None = message_id
        while at is not None:
            parent = self._nodes[at].parent_id
            self._shown[parent] = at
            at = parent

    def prompt(self, user_id: str) -> tuple[Message, ...]:
        """What the engine gets to answer the user's message ``user_id``: the turns above it and the
        message itself. A turn whose answer holds no text (it failed) is left out."""
        line = self._line(user_id)
        turns = list(zip(line[:-1:2], line[1:-1:2], strict=True))
        kept = [node for question, answer in turns if answer.text.strip() for node in (question, answer)]
        return tuple(Message(role=node.role, content=node.text) for node in [*kept, line[-1]])

    def _line(self, message_id: str) -> list[Node]:
        """From the first message down to this one."""
        line: list[Node] = []
        at: str | None = message_id
        while at is not None:
            line.append(self._nodes[at])
            at = self._nodes[at].parent_id
        return line[::-1]


def tree_of(chat_id: str, messages: Iterable[StoredMessage], leaf: str | None) -> ChatTree:
    """The tree of a stored chat. A message whose parent is gone is left out with what hangs below
    it; an answer that no one finished counts as stopped."""
    tree = ChatTree(chat_id)
    for message in messages:
        if message.message_id in tree or (message.parent_id is not None and message.parent_id not in tree):
            continue
        tree.add(
            Node(
                message.message_id,
                message.parent_id,
                message.role,
                message.content,
                "stopped" if message.state == "partial" else message.state,
                stored_error(message.meta) if message.state == "failed" else None,
                stored=True,
                restored=True,
                meta=message.meta,
            )
        )
    if leaf is not None and leaf in tree:
        tree.show(leaf)
    return tree
