"""An answer from first command to last event, over a scripted backend."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from engine.cancel import CancelToken
from engine.chats import ChatStore
from engine.errors import BadInput, JobCancelled
from engine.jobs.answering import Answering
from engine.jobs.documents import DocumentRoom
from engine.jobs.loaded import Loaded
from engine.mailbox import GainMailbox
from engine.models.base import PromptState, TokenStep
from engine.protocol import (
    ContextTrimmed,
    Event,
    GainsChanged,
    Generate,
    Message,
    ModelInfo,
    Progress,
    PromptReady,
    Sampling,
    SaveTo,
    SetGains,
    TextDelta,
    TokenStats,
)

WORDS = ("The ", "keeper ", "is ", "Ada", ".")


class ScriptedStack:
    """Counts revisions."""

    revision = 0

    def set_gains(self, gains: Sequence[float]) -> None:
        self.revision += 1

    def level_bytes(self) -> dict[str, int]:
        return {}


class ScriptedBackend:
    """Says WORDS, one a token; ``hook`` runs before each."""

    info = ModelInfo(
        name="scripted", path="", backend="hf", architecture="llama", n_layers=2, d_model=8, n_params=1,
        n_vocab=5, n_ctx=64, n_ctx_train=64, weights_bytes=1, dtype="float32", device="cpu",
        has_chat_template=True,
    )  # fmt: skip

    def __init__(self) -> None:
        self.hook = lambda index: None
        self.prompts: list[list[int]] = []

    def token_bytes(self, token_id: int) -> bytes:
        return WORDS[token_id].encode()

    def render_chat(self, messages: Sequence[Message]) -> list[int]:
        return [0] * sum(len(message.content) for message in messages)

    def prefill(self, tokens, stack, cancel, read) -> PromptState:
        self.prompts.append(list(tokens))
        read(0.5)
        return PromptState(len(tokens), 0, 1.0)

    def decode(self, sampling, stack, cancel) -> Iterator[TokenStep]:
        for index in range(len(WORDS)):
            self.hook(index)
            activity = np.full((5, 2), index, np.float32)
            yield TokenStep(index, -0.5, ((index, -0.5),), activity, stack.revision)


class Rig:
    """An Answering over the scripted backend."""

    def __init__(self, folder: Path) -> None:
        self.events: list[Event] = []
        self.finals: list[Event] = []
        self.mailbox = GainMailbox()
        self.loaded = Loaded(self.finals.append, self.mailbox)
        self.backend = ScriptedBackend()
        self.loaded.backend, self.loaded.stack = self.backend, ScriptedStack()
        self.chats = ChatStore(folder / "chats.sqlite")
        documents = DocumentRoom(None, self.events.append)
        self.answering = Answering(self.loaded, documents, self.chats, self.events.append)

    def run(self, *contents: str, cancel: CancelToken | None = None, **sampling: object):
        roles = ("user", "assistant")
        messages = tuple(Message(role=roles[i % 2], content=text) for i, text in enumerate(contents))
        save = SaveTo(chat_id="c", parent_id=None, user_id="u", assistant_id="a")
        command = Generate(job=1, messages=messages, sampling=Sampling(**sampling), save=save)
        return self.answering.generate(command, cancel or CancelToken())

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    def stored(self):
        chat = self.chats.open_chat("c")
        assert chat is not None
        return chat.messages[-1]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.chats.close()


def test_text_tokens_and_record_agree(rig: Rig) -> None:
    answer = rig.run("Who keeps the lamp?")
    assert answer.text == "The keeper is Ada." == "".join(event.text for event in rig.of(TextDelta))
    assert answer.token_ids == (0, 1, 2, 3, 4) and answer.finish_reason == "stop"
    assert answer.mean_activity == (2.0,) * 5
    assert ("reading the prompt", 0.5) in [(event.stage, event.fraction) for event in rig.of(Progress)]
    spans = [answer.text[stats.start : stats.end] for stats in rig.of(TokenStats)]
    assert spans == list(WORDS)
    stored = rig.stored()
    assert (stored.content, stored.state) == (answer.text, "complete")
    tokens = json.loads(stored.meta)["tokens"]
    assert [token["id"] for token in tokens] == [0, 1, 2, 3, 4]
    assert tokens[3]["activity"] == [[3.0, 3.0]] * 5


def test_a_gain_edit_is_felt_at_the_next_token_and_marked(rig: Rig) -> None:
    def edit(index: int) -> None:
        if index == 1:
            rig.mailbox.put(SetGains(job=7, gains=(0.5,) * 5))

    rig.backend.hook = edit
    rig.run("q")
    assert [(event.index, event.gains) for event in rig.of(GainsChanged)] == [(2, (0.5,) * 5)]
    assert [stats.revision for stats in rig.of(TokenStats)] == [0, 0, 1, 1, 1]
    assert [event.job for event in rig.finals] == [7]
    assert json.loads(rig.stored().meta)["gain_marks"] == [{"index": 2, "gains": [0.5] * 5}]


def test_stopping_keeps_what_was_said(rig: Rig) -> None:
    cancel = CancelToken()
    rig.backend.hook = lambda index: cancel.set() if index == 1 else None
    with pytest.raises(JobCancelled) as caught:
        rig.run("q", cancel=cancel)
    assert caught.value.result.text == "The keeper "
    assert (rig.stored().content, rig.stored().state) == ("The keeper ", "stopped")


def test_a_question_that_was_stopped_while_it_waited_is_kept(rig: Rig) -> None:
    cancel = CancelToken()
    cancel.set()
    with pytest.raises(JobCancelled):
        rig.run("Who keeps the lamp?", cancel=cancel)
    chat = rig.chats.open_chat("c")
    assert chat is not None
    assert [(m.content, m.state) for m in chat.messages] == [
        ("Who keeps the lamp?", "complete"),
        ("", "stopped"),
    ]


def test_length_and_stop_strings_end_the_answer_and_say_so(rig: Rig) -> None:
    assert rig.run("q", max_tokens=2).finish_reason == "length"
    stopped = rig.run("q", stop=("is A",))
    assert (stopped.text, stopped.finish_reason) == ("The keeper ", "stop_string")


def test_a_full_context_is_named_as_the_reason(rig: Rig) -> None:
    rig.backend.info = ModelInfo(
        **{f: getattr(rig.backend.info, f) for f in ModelInfo.__slots__} | {"n_ctx": 8}
    )
    assert rig.run("abc", max_tokens=100).finish_reason == "context"


def test_dropped_turns_are_told(rig: Rig) -> None:
    answer = rig.run("x" * 40, "y" * 10, "question", max_tokens=8)
    trimmed = rig.of(ContextTrimmed)
    assert (answer.dropped_turns, trimmed[0].dropped_turns, trimmed[0].dropped_tokens) == (1, 1, 50)
    assert len(rig.backend.prompts[0]) == len("question")
    assert rig.of(PromptReady)[0].prompt_tokens == 8


def test_a_failure_in_mid_answer_keeps_the_question_and_the_text(rig: Rig) -> None:
    def fail(index: int) -> None:
        if index == 2:
            raise RuntimeError("broken")

    rig.backend.hook = fail
    with pytest.raises(RuntimeError):
        rig.run("q")
    assert (rig.stored().content, rig.stored().state) == ("The keeper ", "failed")
    assert "broken" in json.loads(rig.stored().meta)["error"]["text"]


def test_without_a_model_the_question_is_kept_and_the_way_out_named(rig: Rig) -> None:
    rig.loaded.backend = None
    with pytest.raises(BadInput, match="No model is loaded"):
        rig.run("q")
    assert rig.stored().state == "failed"


def test_gains_out_of_range_are_refused(rig: Rig) -> None:
    for gains in ((1.0,) * 4, (3.0,) * 5, (float("nan"),) * 5):
        with pytest.raises(BadInput, match="Gains must be"):
            rig.loaded.set_gains(gains)
