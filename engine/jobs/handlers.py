"""All commands and what runs them; made once, on the first lane that starts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property

from engine.cancel import CancelToken
from engine.chats import ChatStore
from engine.errors import BadInput
from engine.jobs.answering import Answering
from engine.jobs.documents import DocumentRoom
from engine.jobs.loaded import Loaded
from engine.jobs.models import ModelRoom
from engine.lane import Steps
from engine.mailbox import GainMailbox
from engine.memory.ledger import Ledger
from engine.protocol import (
    ChatOpened,
    ChatSummary,
    Command,
    ErrorInfo,
    Event,
    Generate,
    Ingest,
    Lane,
    LedgerSample,
    ListChats,
    ListDocuments,
    LoadLevel,
    LoadModel,
    Notice,
    OpenChat,
    OpenPassage,
    PlanModel,
    RemoveDocuments,
    RenameChat,
    ScanModels,
    Search,
    SetActiveLeaf,
    SetChatDeleted,
    UnloadLevel,
    UnloadModel,
)
from engine.workspace import Workspace

EventSink = Callable[[Event], None]
Handler = Callable[..., object]


class EngineHandlers:
    """The composition of the rooms. ``finish`` ends the jobs of gain edits."""

    def __init__(
        self, workspace: Workspace | None, emit: EventSink, finish: EventSink, mailbox: GainMailbox
    ) -> None:
        self._workspace, self._emit = workspace, emit
        self._chats_lock = threading.Lock()
        self._loaded = Loaded(finish, mailbox)
        self._documents = DocumentRoom(None if workspace is None else workspace.library_path, emit)
        self._ledger = Ledger()
        self._ledger.set_owner("embedder", self._documents.embedder_bytes, "host")
        self._models = ModelRoom(self._loaded, self._ledger, emit)
        self._table = self._handlers()

    @cached_property
    def _chats(self) -> ChatStore | None:
        if self._workspace is None or not self._workspace.writable:
            return None
        return ChatStore(self._workspace.chats_path)

    @cached_property
    def _answering(self) -> Answering:
        return Answering(self._loaded, self._documents, self._chats, self._emit)

    def _handlers(self) -> dict[type[Command], Handler]:
        documents, models = self._documents, self._models
        return {
            LoadModel: models.load,
            UnloadModel: models.unload,
            LoadLevel: models.load_level,
            UnloadLevel: models.unload_level,
            ScanModels: models.scan,
            PlanModel: models.plan,
            Generate: self._generate,
            Ingest: documents.ingest,
            ListDocuments: documents.list_documents,
            RemoveDocuments: documents.remove,
            Search: documents.search,
            OpenPassage: documents.passage,
            ListChats: self._list_chats,
            OpenChat: self._open_chat,
            SetActiveLeaf: self._set_active_leaf,
            RenameChat: self._rename_chat,
            SetChatDeleted: self._set_chat_deleted,
        }

    def handle(self, command: Command, token: CancelToken) -> object:
        """Run a command: its result, or a generator of steps."""
        if not isinstance(command, Generate):  # a question is stored even if its answer is not wanted
            token.check()
        return self._table[type(command)](command, token)

    def apply_mail(self) -> None:
        """Apply waiting gain edits."""
        self._loaded.apply_mail()

    def ledger_sample(self) -> LedgerSample:
        """Measured memory by owner, now."""
        return self._ledger.sample()

    def about_to_close(self) -> None:
        """The program ends: unread files wait for the next start."""
        self._documents.keep_queue()

    def start_lane(self, lane: Lane) -> Steps | None:
        """Say what a killed run left behind, and go on where it was."""
        if lane != "library" or self._workspace is None or not self._workspace.writable:
            return None
        self._recover_chats(self._workspace)
        return self._documents.resume()

    def _recover_chats(self, workspace: Workspace) -> None:
        with self._chats_lock:
            chats = self._chats
        assert chats is not None
        if chats.moved_aside is not None:
            self._tell(
                "warning",
                f"The file of conversations was damaged; it is kept as {chats.moved_aside.name}, "
                "and a new one was begun.",
            )
        if recovered := chats.recover():
            answers = "answer" if recovered == 1 else "answers"
            self._tell("info", f"Kept from the last run: {recovered} unfinished {answers}.")

    def close_lane(self, lane: Lane) -> None:
        """Free what the lane's thread owns."""
        if lane == "engine":
            self._loaded.unload()
        else:
            self._documents.close()

    def _tell(self, severity: str, text: str) -> None:
        info = ErrorInfo(text=text)
        self._emit(Notice(severity="warning" if severity == "warning" else "info", error=info))

    def _generate(self, command: Generate, token: CancelToken) -> object:
        return self._answering.generate(command, token)

    def _store(self) -> ChatStore:
        with self._chats_lock:
            if self._chats is None:
                raise BadInput("Without a workspace there are no conversations.", "Give --workspace DIR.")
            return self._chats

    def _list_chats(self, command: ListChats, token: CancelToken) -> tuple[ChatSummary, ...]:
        return self._store().list_chats()

    def _open_chat(self, command: OpenChat, token: CancelToken) -> ChatOpened:
        opened = self._store().open_chat(command.chat_id)
        if opened is None:
            raise BadInput("This conversation is not in the workspace any more.", "Choose another one.")
        return opened

    def _set_active_leaf(self, command: SetActiveLeaf, token: CancelToken) -> None:
        self._store().set_active_leaf(command.chat_id, command.message_id)

    def _rename_chat(self, command: RenameChat, token: CancelToken) -> None:
        self._store().rename(command.chat_id, command.title)

    def _set_chat_deleted(self, command: SetChatDeleted, token: CancelToken) -> None:
        self._store().set_deleted(command.chat_id, command.deleted)
