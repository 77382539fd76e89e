"""An engine that plays what a test tells it to: no thread, no model."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from engine import protocol as p

C = TypeVar("C", bound=p.Command)
Reply = Callable[[p.Command], Iterable[p.Event]]

MODEL = p.ModelInfo(
    name="tiny", path="/models/tiny", backend="hf", architecture="llama", n_layers=4, d_model=64,
    n_params=120_000, n_vocab=512, n_ctx=2048, n_ctx_train=2048, weights_bytes=480_000,
    dtype="float32", device="cpu", has_chat_template=True,
)  # fmt: skip


class ScriptedEngine:
    """Answers every command at once with ``Started``, what its reply gives and ``Finished``.

    ``answer(kind, reply)`` changes what a command yields (the last event must be final);
    ``hold(kind)`` leaves commands of this kind open until ``finish``, ``fail`` or ``stop``.
    """

    def __init__(self) -> None:
        self.commands: list[p.Command] = []
        self.cancelled: list[int] = []
        self.closed = False
        self._replies: dict[type[p.Command], Reply] = dict(DEFAULT_REPLIES)
        self._held: set[type[p.Command]] = set()
        self._open: dict[int, p.Command] = {}
        self._emit: Callable[[p.Event], None] = lambda event: None

    def start(self, workspace: Path, emit: Callable[[p.Event], None]) -> ScriptedEngine:
        """What ``EngineClient(make_engine=...)`` wants."""
        self._emit = emit
        return self

    def answer(self, kind: type[C], reply: Callable[[C], Iterable[p.Event]]) -> None:
        self._replies[kind] = reply  # type: ignore[assignment]

    def hold(self, *kinds: type[p.Command]) -> None:
        self._held.update(kinds)

    def sent(self, kind: type[C]) -> list[C]:
        """The commands of this kind, oldest first."""
        return [command for command in self.commands if isinstance(command, kind)]

    def emit(self, event: p.Event) -> None:
        """Say something now (delivered at the client's next drain)."""
        self._emit(event)

    def finish(self, job: int, result: object = None) -> None:
        self._end(p.Finished(job=job, result=result))

    def fail(self, job: int, error: p.ErrorInfo) -> None:
        self._end(p.Failed(job=job, error=error))

    def stop(self, job: int, result: object = None) -> None:
        self._end(p.Cancelled(job=job, result=result))

    def _end(self, event: p.Event) -> None:
        self._open.pop(event.job, None)
        self._emit(event)

    def submit(self, command: p.Command) -> None:
        self.commands.append(command)
        self._emit(p.Started(job=command.job))
        if type(command) in self._held:
            self._open[command.job] = command
            return
        for event in self._replies[type(command)](command):
            self._emit(event)

    def cancel(self, job: int) -> None:
        """Held commands end in ``Cancelled``."""
        self.cancelled.append(job)
        if job in self._open:
            self.stop(job)

    def close(self) -> None:
        self.closed = True
        for job in tuple(self._open):
            self.stop(job)


def token(
    job: int, index: int, text: str, start: int, activity: Iterable[float] = (), n_layers: int = 4
) -> p.TokenStats:
    """One token's event; ``activity`` gives one number a level, the same in all layers."""
    values = array("f", [value for value in activity for _ in range(n_layers)])
    return p.TokenStats(
        job=job, index=index, token_id=10 + index, text=text, start=start, end=start + len(text),
        logprob=-0.25, alternatives=((text, -0.25), (" other", -1.75)), activity=values.tobytes(),
        n_layers=n_layers, revision=1, tokens_per_second=20.0,
    )  # fmt: skip


def answer_of(text: str, n_tokens: int, citations: tuple[p.Citation, ...] = ()) -> p.Answer:
    timings = p.Timings(
        prompt_tokens=12, reused_tokens=0, generated_tokens=n_tokens, prefill_ms=5.0, decode_ms=50.0,
        first_token_ms=6.0, tokens_per_second=20.0,
    )  # fmt: skip
    return p.Answer(
        text=text, token_ids=tuple(range(n_tokens)), logprobs=(-0.25,) * n_tokens,
        mean_activity=(0.1, 0.2, 0.0, 0.0, 0.05), finish_reason="stop", timings=timings, citations=citations,
    )  # fmt: skip


def say(command: p.Generate, text: str = "Hello from the script.") -> Iterable[p.Event]:
    """Stream ``text`` word by word."""
    yield p.PromptReady(job=command.job, prompt_tokens=12, reused_tokens=0, n_ctx=2048, prefill_ms=5.0)
    start = 0
    words = text.split(" ")
    for index, word in enumerate(words):
        piece = word if index == 0 else " " + word
        yield p.TextDelta(job=command.job, text=piece)
        yield token(command.job, index, piece, start, (0.1, 0.2, 0.0, 0.0, 0.05))
        start += len(piece)
    yield p.Finished(job=command.job, result=answer_of(text, len(words)))


def _just(result: Callable[[C], object]) -> Reply:
    def reply(command: p.Command) -> Iterable[p.Event]:
        yield p.Finished(job=command.job, result=result(command))  # type: ignore[arg-type]

    return reply


def _level(command: p.LoadLevel) -> p.LevelInfo:
    return p.LevelInfo(level=command.level, adapter=Path(command.path).name, path=command.path, rank=8)


def _plan(command: p.PlanModel) -> p.Plan:
    return p.Plan(
        path=command.path, n_ctx=2048, parts=(p.PlanPart(owner="base weights", bytes=480_000),),
        total_bytes=480_000, free_bytes=8_000_000_000, device="cpu", fits=True, verdict="It fits.",
    )  # fmt: skip


def _chat(command: p.OpenChat) -> p.ChatOpened:
    return p.ChatOpened(chat_id=command.chat_id, title="New chat", messages=(), active_leaf=None)


DEFAULT_REPLIES: dict[type[p.Command], Reply] = {
    p.LoadModel: _just(lambda c: MODEL),
    p.UnloadModel: _just(lambda c: None),
    p.LoadLevel: _just(_level),
    p.UnloadLevel: _just(lambda c: p.LevelInfo(level=c.level)),
    p.SetGains: _just(lambda c: p.GainsApplied(revision=c.job, gains=c.gains)),
    p.Generate: say,  # type: ignore[dict-item]
    p.Ingest: _just(lambda c: ()),
    p.ListDocuments: _just(lambda c: ()),
    p.RemoveDocuments: _just(lambda c: c.document_ids),
    p.Search: _just(lambda c: ()),
    p.OpenPassage: _just(
        lambda c: p.Passage(
            document="a.md", path="/a.md", page=None, n_pages=0, text="A passage.", start=0, end=9
        )
    ),
    p.ScanModels: _just(lambda c: ()),
    p.PlanModel: _just(_plan),
    p.ListChats: _just(lambda c: ()),
    p.OpenChat: _just(_chat),
    p.SetActiveLeaf: _just(lambda c: None),
    p.RenameChat: _just(lambda c: None),
    p.SetChatDeleted: _just(lambda c: None),
}
