"""One answer while the engine writes it: events in, one message of the tree changed."""

from __future__ import annotations

from app.chat_record import GainMark
from app.chat_tree import ChatTree, Node
from engine.protocol import (
    Answer,
    Cancelled,
    ContextTrimmed,
    Event,
    Failed,
    Finished,
    GainsChanged,
    Progress,
    PromptReady,
    Retrieved,
    SaveTo,
    Started,
    TextDelta,
    TokenStats,
)


def place_of(tree: ChatTree, user: Node, answer: Node) -> SaveTo:
    """Where the engine keeps ``answer``, and ``user``'s message unless it has that already."""
    return SaveTo(
        chat_id=tree.chat_id,
        parent_id=user.message_id if user.stored else user.parent_id,
        user_id=None if user.stored else user.message_id,
        assistant_id=answer.message_id,
    )


class AnswerRun:
    """Applies the events of one ``Generate`` to ``node``. ``gains`` are the levels' at its start;
    ``prompt_tokens`` is 0 until the prompt is read."""

    def __init__(self, tree: ChatTree, node: Node, gains: tuple[float, ...]) -> None:
        self.tree, self.node = tree, node
        self.job = 0
        self.prompt_tokens = 0
        node.forget_record()
        node.record.start_gains = gains

    @property
    def used_tokens(self) -> int:
        """Tokens in the context: the prompt and what has been written."""
        return self.prompt_tokens + len(self.node.record.tokens) if self.prompt_tokens else 0

    def take(self, event: Event) -> None:
        """Apply one event."""
        node, record = self.node, self.node.record
        match event:
            case Started():
                self._stored()
            case Progress():
                node.stage, node.progress = event.text or event.stage, event.fraction
                node.state = "retrieving" if "document" in event.stage else node.state
            case Retrieved():
                record.hits, node.state, node.stage = event.hits, "retrieving", ""
            case ContextTrimmed():
                record.dropped_turns, record.n_ctx = event.dropped_turns, event.n_ctx
            case PromptReady():
                node.state, self.prompt_tokens, record.n_ctx = "streaming", event.prompt_tokens, event.n_ctx
                node.stage, node.progress = "", None
            case TextDelta():
                node.state, node.text = "streaming", node.text + event.text
            case TokenStats():
                record.tokens.append(event)
            case GainsChanged():
                record.gain_marks.append(GainMark(event.index, event.gains))
            case _:
                self._end(event)

    def _stored(self) -> None:
        """The engine stores question and answer before anything else."""
        self.node.stored = True
        if self.node.parent_id is not None:
            self.tree.get(self.node.parent_id).stored = True

    def _end(self, event: Event) -> None:
        node = self.node
        match event:
            case Finished(result=Answer() as answer):
                self._complete(answer, stopped=False)
            case Finished():
                node.state = "complete"
            case Cancelled(result=Answer() as answer):
                self._complete(answer, stopped=True)
            case Cancelled():
                node.state = "stopped"
            case Failed():
                node.state, node.error = "failed", event.error

    def _complete(self, answer: Answer, stopped: bool) -> None:
        self.node.state = "stopped" if stopped else "complete"
        self.node.text = answer.text
        self.node.record.take(answer)
