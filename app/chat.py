"""The conversation behind the view: sends questions, follows the answer, keeps the chats."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QGuiApplication

from app.chat_run import AnswerRun, place_of
from app.chat_shelf import ChatShelf
from app.chat_tree import ChatTree, Node, new_id, tree_of
from app.context import AppContext
from engine.protocol import (
    FINAL,
    ChatOpened,
    Documents,
    Event,
    Failed,
    Finished,
    Generate,
    ModelInfo,
    OpenChat,
    SetActiveLeaf,
    TextDelta,
    TokenStats,
)


class ChatController(QObject):
    """One open chat, at most one answer in the making. Nothing here draws."""

    path_changed = Signal()  # which messages are shown
    message_changed = Signal(str)  # a message's text, state or record
    streaming_changed = Signal(bool)
    chats_changed = Signal()
    context_changed = Signal(int, int)  # tokens in use, tokens there are

    def __init__(self, context: AppContext, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._tree = ChatTree(new_id())
        self._run: AnswerRun | None = None
        self._n_ctx = 0
        self.drafts: dict[str, str] = {}
        self.shelf = ChatShelf(context, self)
        self.shelf.changed.connect(self.chats_changed)
        context.client.subscribe(Finished, self._model_loaded)

    @property
    def tree(self) -> ChatTree:
        """The open chat."""
        return self._tree

    @property
    def chat_id(self) -> str:
        """The open chat's id."""
        return self._tree.chat_id

    @property
    def path(self) -> list[Node]:
        """The messages that are shown, oldest first."""
        return self._tree.path()

    @property
    def streaming(self) -> bool:
        """Whether an answer is being made (in whichever chat)."""
        return self._run is not None

    @property
    def context_use(self) -> tuple[int, int]:
        """Tokens in use by the last answer shown, and tokens that the context holds."""
        if self._run is not None and self._run.tree is self._tree:
            return self._run.used_tokens, self._run.node.record.n_ctx or self._n_ctx
        for node in reversed(self.path):
            timings = node.record.timings if node.role == "assistant" else None
            if timings is not None:
                n_ctx = node.record.n_ctx or self._n_ctx
                used = timings.prompt_tokens + timings.generated_tokens
                return min(used, n_ctx), n_ctx  # a full context never reads its last token
        return 0, self._n_ctx

    def token_stats(self, message_id: str) -> list[TokenStats]:
        """The tokens of an answer, in order; empty for a message that has none."""
        return self._tree.get(message_id).record.tokens if message_id in self._tree else []

    def start(self) -> None:
        """Bring the chats back, and the one that was open."""
        self.shelf.refresh()
        if self._context.session.value.chat_id:
            self.open_chat(self._context.session.value.chat_id)

    def send(self, text: str) -> bool:
        """Ask. False when nothing was sent (no text, no model, an answer is being made): the caller
        keeps the text."""
        if not text.strip() or not self._ready():
            return False
        leaf = self._tree.leaf
        user = self._tree.add(Node(new_id(), leaf.message_id if leaf else None, "user", text.strip()))
        self._ask(user)
        return True

    def edit_and_resend(self, message_id: str, text: str) -> bool:
        """Ask with other words in place of an earlier question; the old version stays."""
        if not text.strip() or not self._ready():
            return False
        parent = self._tree.get(message_id).parent_id
        self._ask(self._tree.add(Node(new_id(), parent, "user", text.strip())))
        return True

    def regenerate(self, message_id: str | None = None) -> bool:
        """Answer the question of an answer (by default the last one) once more; the old answer stays
        as a version, unless it failed before its first word."""
        node = self._tree.get(message_id) if message_id is not None else self._tree.leaf
        if node is None or not self._ready():
            return False
        if node.role == "user":
            self._ask(node)
        elif node.parent_id is not None:
            empty = node.state in ("failed", "stopped") and not node.text.strip()
            self._ask(self._tree.get(node.parent_id), node if empty else None)
        return True

    def stop(self) -> None:
        """Stop the answer that is being made; what there is of it stays."""
        if self._run is not None:
            self._context.client.cancel(self._run.job)

    def copy(self, message_id: str | None = None) -> None:
        """Put a message (by default the last answer) on the clipboard as it was written."""
        answers = [node.message_id for node in self.path if node.role == "assistant"]
        wanted = message_id or (answers[-1] if answers else None)
        if wanted is not None:
            QGuiApplication.clipboard().setText(self._tree.get(wanted).text)

    def show_version(self, message_id: str, delta: int) -> None:
        """Show another version of a message and what follows it."""
        self._tree.show_version(message_id, delta)
        leaf = self._tree.leaf
        if leaf is not None and leaf.stored:
            self._context.client.send(SetActiveLeaf(chat_id=self.chat_id, message_id=leaf.message_id))
        self._path_changed()

    def new_chat(self) -> None:
        """Begin an empty conversation; it is stored with its first question."""
        if len(self._tree):
            self._open(ChatTree(new_id()))

    def open_chat(self, chat_id: str) -> None:
        """Show a stored chat."""
        if chat_id == self.chat_id and len(self._tree):
            return
        if self._run is not None and self._run.tree.chat_id == chat_id:
            self._open(self._run.tree)
            return
        self._context.client.send(OpenChat(chat_id=chat_id), done=self._opened)

    def rename_chat(self, chat_id: str, title: str) -> None:
        """Give a chat another title (undoable)."""
        self.shelf.rename(chat_id, title)

    def delete_chat(self, chat_id: str) -> None:
        """Delete a chat (undoable)."""
        if self._run is not None and self._run.tree.chat_id == chat_id:
            self.stop()
        self.shelf.delete(chat_id)
        if chat_id == self.chat_id:
            self.new_chat()

    def _ready(self) -> bool:
        if self._run is not None:
            return False
        if self._context.session.value.model_path:
            return True
        actions = {action.objectName(): action for action in self._context.actions}
        choose = actions.get("model.choose")
        self._context.notices.show(
            "warning",
            "There is no model to answer yet.",
            "Choose one; your message stays in the box until then.",
            actions=(("Choose a model", choose.trigger),) if choose is not None else (),
        )
        return False

    def _ask(self, user: Node, again: Node | None = None) -> None:
        """Have ``user``'s message answered, in ``again`` if that is given, else as a new version."""
        if again is None:
            answer = self._tree.add(Node(new_id(), user.message_id, "assistant", state="waiting"))
        else:
            answer = self._tree.take_up_again(again.message_id)
            self._tree.show(again.message_id)
        run = self._run = AnswerRun(self._tree, answer, self._context.session.value.effective_gains())
        self._remember_chat()
        self.shelf.touch(self.chat_id, self.path[0].text, len(self._tree))
        self._path_changed()
        self.message_changed.emit(answer.message_id)
        self.streaming_changed.emit(True)
        run.job = self._generate(user, run)

    def _generate(self, user: Node, run: AnswerRun) -> int:
        session = self._context.session.value
        command = Generate(
            messages=self._tree.prompt(user.message_id),
            sampling=session.sampling,
            documents=Documents(k=session.passages) if session.use_documents else None,
            save=place_of(run.tree, user, run.node),
        )
        return self._context.client.send(command, on_event=lambda event: self._take(run, event))

    def _take(self, run: AnswerRun, event: Event) -> None:
        run.take(event)
        final = isinstance(event, FINAL)
        if final:
            self._run = None
        if run.tree is self._tree:
            self.message_changed.emit(run.node.message_id)
            if not isinstance(event, TextDelta):
                self.context_changed.emit(*self.context_use)
        if final:
            self.streaming_changed.emit(False)
            self.shelf.refresh()

    def _remember_chat(self) -> None:
        store = self._context.session
        store.set(replace(store.value, chat_id=self.chat_id if len(self._tree) else ""))

    def _opened(self, event: Event) -> None:
        result = event.result if isinstance(event, Finished) else None
        if isinstance(result, ChatOpened):
            self._open(tree_of(result.chat_id, result.messages, result.active_leaf))
        elif isinstance(event, Failed):
            self._context.notices.show_error(event.error)

    def _open(self, tree: ChatTree) -> None:
        self._tree = tree
        self._remember_chat()
        self._path_changed()
        self.chats_changed.emit()

    def _path_changed(self) -> None:
        self.path_changed.emit()
        self.context_changed.emit(*self.context_use)

    def _model_loaded(self, event: Finished) -> None:
        if isinstance(event.result, ModelInfo):
            self._n_ctx = event.result.n_ctx
            self.context_changed.emit(*self.context_use)
