"""One answer: documents, prompt, tokens, citations, and its record as it happens."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

from engine.cancel import CancelToken
from engine.chats import ChatStore
from engine.errors import BadInput, JobCancelled
from engine.jobs.documents import DocumentRoom
from engine.jobs.failure import error_info
from engine.jobs.fit import Fitted, fit_prompt
from engine.jobs.loaded import Loaded, Stack
from engine.jobs.record import AnswerRecord
from engine.models.base import Backend, PromptState
from engine.protocol import (
    Answer,
    Citation,
    ContextTrimmed,
    Event,
    GainsChanged,
    Generate,
    Hit,
    Progress,
    PromptReady,
    Retrieved,
    TextDelta,
)

SAVE_PERIOD_S = 0.5


class Answering:
    """Runs ``Generate`` commands on the engine thread."""

    def __init__(
        self,
        loaded: Loaded,
        documents: DocumentRoom,
        chats: ChatStore | None,
        emit: Callable[[Event], None],
    ) -> None:
        self._loaded, self._documents, self._chats, self._emit = loaded, documents, chats, emit

    def generate(self, command: Generate, cancel: CancelToken) -> Answer:
        """Answer the last message. Cancelling keeps what there is: JobCancelled carries the Answer."""
        started = time.perf_counter()
        if not command.messages or command.messages[-1].role != "user":
            raise BadInput("There is no question to answer.", "Write a message first.")
        if self._chats is not None and command.save is not None:
            self._chats.begin_turn(command.save, command.messages[-1].content)
        record = AnswerRecord(started)
        try:
            backend, stack = self._loaded.require()
            self._answer(command, backend, stack, record, cancel)
        except JobCancelled:
            raise JobCancelled(self._complete(command, record, "stopped")) from None
        except Exception as error:
            record.error = error_info(error)
            self._save(command, record, "failed", ())
            raise
        return self._complete(command, record, "complete")

    def _complete(self, command: Generate, record: AnswerRecord, state: str) -> Answer:
        """Show what was held back, find the citations, store it all."""
        rest = record.end()
        if rest:
            self._emit(TextDelta(job=command.job, text=rest))
        citations = self._documents.citations(record.stream.text, record.hits)
        self._save(command, record, state, citations)
        return record.answer(citations)

    def _answer(
        self, command: Generate, backend: Backend, stack: Stack, record: AnswerRecord, cancel: CancelToken
    ) -> None:
        hits = self._retrieve(command, cancel)
        fitted = self._fit(command, backend, hits)
        record.begin(command.sampling, backend, fitted, self._loaded.gains)
        cancel.check()
        prompt = backend.prefill(
            fitted.tokens,
            stack,
            cancel,
            lambda share: self._emit(Progress(job=command.job, stage="reading the prompt", fraction=share)),
        )
        self._tell_prompt(command, backend, prompt)
        record.prompt = prompt
        self._decode(command, backend, stack, record, cancel)

    def _retrieve(self, command: Generate, cancel: CancelToken) -> tuple[Hit, ...]:
        if command.documents is None:
            return ()
        self._emit(Progress(job=command.job, stage="searching documents"))
        hits = self._documents.passages_for(command.messages[-1].content, command.documents)
        cancel.check()
        return hits

    def _fit(self, command: Generate, backend: Backend, hits: Sequence[Hit]) -> Fitted:
        n_ctx, limit = backend.info.n_ctx, command.sampling.max_tokens
        fitted = fit_prompt(
            command.messages, hits, self._documents.assemble, backend.render_chat, n_ctx, limit
        )
        if command.documents is not None:
            self._emit(Retrieved(job=command.job, hits=fitted.hits))
        if fitted.dropped_turns:
            self._emit(
                ContextTrimmed(
                    job=command.job,
                    dropped_turns=fitted.dropped_turns,
                    dropped_tokens=fitted.dropped_tokens,
                    n_ctx=n_ctx,
                )
            )
        return fitted

    def _tell_prompt(self, command: Generate, backend: Backend, prompt: PromptState) -> None:
        self._emit(
            PromptReady(
                job=command.job,
                prompt_tokens=prompt.prompt_tokens,
                reused_tokens=prompt.reused_tokens,
                n_ctx=backend.info.n_ctx,
                prefill_ms=prompt.prefill_ms,
            )
        )

    def _decode(
        self, command: Generate, backend: Backend, stack: Stack, record: AnswerRecord, cancel: CancelToken
    ) -> None:
        saved = time.perf_counter()
        limit = command.sampling.max_tokens
        record.decode_started()
        for step in backend.decode(command.sampling, stack, cancel):
            stats, delta = record.add(command.job, step)
            if delta:
                self._emit(TextDelta(job=command.job, text=delta))
            self._emit(stats)
            if record.stream.stopped:
                record.finish_reason = "stop_string"
                break
            if len(record.token_ids) >= limit:
                record.finish_reason = "length"
                break
            cancel.check()
            self._apply_gains(command, record)
            if time.perf_counter() - saved > SAVE_PERIOD_S:
                self._save(command, record, "partial", None)
                saved = time.perf_counter()

    def _apply_gains(self, command: Generate, record: AnswerRecord) -> None:
        """Gain edits take effect at the next token, and the transcript says from which one on."""
        applied = self._loaded.apply_mail()
        if applied is not None:
            index = len(record.token_ids)
            record.gain_marks.append((index, applied.gains))
            self._emit(
                GainsChanged(job=command.job, index=index, revision=applied.revision, gains=applied.gains)
            )

    def _save(
        self, command: Generate, record: AnswerRecord, state: str, citations: Sequence[Citation] | None
    ) -> None:
        """Store the answer; ``citations`` None stores the text alone (while it streams)."""
        if self._chats is None or command.save is None:
            return
        meta = None
        if citations is not None:
            meta = json.dumps(record.meta(citations))
        self._chats.update_answer(command.save.assistant_id, record.stream.text, state, meta)
