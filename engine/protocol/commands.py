"""What a client may ask. Each docstring names the result that ``Finished`` carries."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

from engine.protocol.base import Lane, value
from engine.protocol.values import LoadSettings, Message, Sampling


@value
class Command:
    """Base of all commands; ``lane`` says which thread runs it."""

    lane: ClassVar[Lane] = "engine"
    job: int = 0


@value
class LoadModel(Command):
    """Result: ModelInfo."""

    path: str
    settings: LoadSettings = field(default_factory=LoadSettings)
    force: bool = False


@value
class UnloadModel(Command):
    """Result: None."""


@value
class LoadLevel(Command):
    """Lay an adapter (PEFT folder or GGUF file) on a level. Result: LevelInfo."""

    level: str
    path: str


@value
class UnloadLevel(Command):
    """Result: LevelInfo (empty)."""

    level: str


@value
class SetGains(Command):
    """Latest wins; read between tokens. Result: GainsApplied."""

    gains: tuple[float, ...]


@value
class Documents:
    """Answer from documents: which collection, how many passages."""

    collection: str = "library"
    k: int = 3


@value
class SaveTo:
    """Where a generation is kept. ``user_id`` None regenerates below an existing user message
    (``parent_id`` is then that message)."""

    chat_id: str
    parent_id: str | None
    user_id: str | None
    assistant_id: str


@value
class Generate(Command):
    """Answer the last user message. Result: Answer."""

    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    documents: Documents | None = None
    save: SaveTo | None = None


@value
class Ingest(Command):
    """Read files and folders into a collection. Result: tuple of DocumentRow."""

    lane: ClassVar[Lane] = "library"
    paths: tuple[str, ...]
    collection: str = "library"


@value
class ListDocuments(Command):
    """Result: tuple of DocumentRow."""

    lane: ClassVar[Lane] = "library"
    collection: str = "library"


@value
class RemoveDocuments(Command):
    """Result: tuple of removed document ids."""

    lane: ClassVar[Lane] = "library"
    document_ids: tuple[str, ...]
    collection: str = "library"


@value
class Search(Command):
    """Result: tuple of Hit."""

    lane: ClassVar[Lane] = "library"
    query: str
    collection: str = "library"
    k: int = 10


@value
class OpenPassage(Command):
    """Result: Passage."""

    lane: ClassVar[Lane] = "library"
    chunk_id: str
    collection: str = "library"


@value
class ScanModels(Command):
    """Look through the usual folders and ``folders``. Result: tuple of FoundModel."""

    lane: ClassVar[Lane] = "library"
    folders: tuple[str, ...] = ()


@value
class PlanModel(Command):
    """Result: Plan."""

    lane: ClassVar[Lane] = "library"
    path: str
    settings: LoadSettings = field(default_factory=LoadSettings)
    level_paths: tuple[str, ...] = ()


@value
class ListChats(Command):
    """Result: tuple of ChatSummary."""

    lane: ClassVar[Lane] = "library"


@value
class OpenChat(Command):
    """Result: ChatOpened."""

    lane: ClassVar[Lane] = "library"
    chat_id: str


@value
class SetActiveLeaf(Command):
    """Remember which version of a chat is shown. Result: None."""

    lane: ClassVar[Lane] = "library"
    chat_id: str
    message_id: str


@value
class RenameChat(Command):
    """Result: None."""

    lane: ClassVar[Lane] = "library"
    chat_id: str
    title: str


@value
class SetChatDeleted(Command):
    """Delete a chat, or take that back. Result: None."""

    lane: ClassVar[Lane] = "library"
    chat_id: str
    deleted: bool
