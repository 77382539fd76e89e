"""A GGUF model and its context in llama.cpp, held so that no call can take the process down.

llama.cpp aborts the whole process when a batch is larger than ``n_batch``, when an adapter that is set is
freed, or when anything is freed after its model. This class is the only place that evaluates tokens and
frees model and context, and it knows those rules.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from typing import Protocol

import llama_cpp
import numpy as np
from gguf import GGMLQuantizationType

from engine.cancel import CancelToken
from engine.errors import BadInput, EngineError, OutOfMemory
from engine.models import gguf_log
from engine.models.gguf_header import GgufHeader

N_BATCH = 512
_SLOW_TOKEN_S = 0.03


class EvalObserver(Protocol):
    """Looks at the nodes of the graph while a batch is evaluated (llama.cpp's ``cb_eval``)."""

    def answer_begins(self) -> None:
        """A prompt is read next."""
        ...

    def begin(self, n_tokens: int, newest: bool) -> None:
        """A batch starts; ``newest`` when its last token is the newest one of all."""
        ...

    def end(self) -> None:
        """The batch is computed."""
        ...

    def __call__(self, node: int, ask: bool) -> bool:
        """``ask``: whether the node's data is wanted; then called again when it is computed."""
        ...


class LlamaRuntime:
    """Owns one model and one context (one sequence). ``context`` changes when it is reopened;
    ``n_cached`` counts the tokens it holds."""

    def __init__(
        self, model: int, header: GgufHeader, params: llama_cpp.llama_context_params, full_precision: bool
    ) -> None:
        self.model = model
        self.header = header
        self.full_precision = full_precision
        self.kv_type = GGMLQuantizationType(params.type_k)
        self.vocab = llama_cpp.llama_model_get_vocab(model)
        self.n_vocab = llama_cpp.llama_vocab_n_tokens(self.vocab)
        self.context = 0
        self.n_cached = 0
        self._logits_type = ctypes.POINTER(ctypes.c_float * self.n_vocab)
        self._token_s = 0.0
        self._stoppable = False
        self._params = params
        self._observer: EvalObserver | None = None
        self._cancel: CancelToken | None = None
        self._abort = llama_cpp.ggml_abort_callback(self._asked_to_stop)
        self._eval = llama_cpp.ggml_backend_sched_eval_callback(self._look)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    @property
    def closed(self) -> bool:
        """Whether model and context are gone."""
        return not self.model

    def observe(self, observer: EvalObserver | None) -> None:
        """Let ``observer`` see the graph. The callback is part of a context, so the context is opened
        anew (its KV cache and adapters are gone); without an observer it costs nothing."""
        self._require()
        if (observer is None) != (self._observer is None):
            self._observer = observer
            self._open()
        self._observer = observer

    def answer_begins(self) -> None:
        """Tell the observer that a prompt is read next."""
        if self._observer is not None:
            self._observer.answer_begins()

    def evaluate(self, tokens: Sequence[int], newest: bool, cancel: CancelToken | None = None) -> None:
        """Append up to ``N_BATCH`` tokens to the context. Raises JobCancelled when stopped inside,
        OutOfMemory or EngineError when llama.cpp cannot."""
        self._require()
        if not 0 < len(tokens) <= N_BATCH or not all(0 <= token < self.n_vocab for token in tokens):
            raise BadInput("These tokens do not belong to the loaded model.", detail=f"{len(tokens)} tokens")
        array = (llama_cpp.llama_token * len(tokens))(*tokens)
        batch = llama_cpp.llama_batch_get_one(array, len(tokens))
        place = gguf_log.mark()
        self._cancel = cancel
        self._allow_stop(len(tokens) > 1 or self._token_s > _SLOW_TOKEN_S)
        if self._observer is not None:
            self._observer.begin(len(tokens), newest)
        started = time.perf_counter()
        try:
            status = llama_cpp.llama_decode(self.context, batch)
        finally:
            self._cancel = None
            self._token_s = (time.perf_counter() - started) / len(tokens)
            if self._observer is not None:
                self._observer.end()
        if status == 0:
            self.n_cached += len(tokens)
        else:
            self._raise(status, cancel, gguf_log.problems_since(place))

    def crop(self, length: int) -> bool:
        """Forget all but the first ``length`` tokens; False (and everything forgotten) where the
        model's memory cannot be cut there."""
        self._require()
        memory = llama_cpp.llama_get_memory(self.context)
        if length > 0 and llama_cpp.llama_memory_seq_rm(memory, 0, length, -1):
            first = llama_cpp.llama_memory_seq_pos_min(memory, 0)
            last = llama_cpp.llama_memory_seq_pos_max(memory, 0)
            if first == 0 and last == length - 1:
                self.n_cached = length
                return True
        llama_cpp.llama_memory_clear(memory, True)
        self.n_cached = 0
        return length == 0

    def logits(self) -> np.ndarray:
        """float32 [V] of the last evaluated token, a copy."""
        self._require()
        pointer = llama_cpp.llama_get_logits_ith(self.context, -1)
        if not pointer:
            raise EngineError("llama.cpp returned no result for the last token.", "Load the model again.")
        values = ctypes.cast(pointer, self._logits_type).contents
        return np.frombuffer(values, np.float32).copy()

    def close(self) -> None:
        """Free the context, then the model (and with it every adapter loaded for it)."""
        if self.context:
            llama_cpp.llama_free(self.context)
            self.context = 0
        if self.model:
            llama_cpp.llama_model_free(self.model)
            self.model = 0

    def _open(self) -> None:
        if self.context:
            llama_cpp.llama_free(self.context)
            self.context = 0
        self.n_cached = 0
        unset = llama_cpp.ggml_backend_sched_eval_callback(0)
        self._params.cb_eval = unset if self._observer is None else self._eval
        place = gguf_log.mark()
        context = llama_cpp.llama_init_from_model(self.model, self._params)
        if not context:
            detail = gguf_log.problems_since(place)
            if "alloc" in detail or "memory" in detail:
                raise OutOfMemory(
                    f"There is no room for a context of {self._params.n_ctx:,} tokens.",
                    "Load the model with a smaller context, or choose a smaller KV type.",
                    detail,
                )
            raise BadInput(
                "The model cannot be opened with these settings.",
                "Try KV type 'auto', flash attention 'auto' and a smaller context.",
                detail,
            )
        self.context = context
        self._stoppable = False

    def _allow_stop(self, wanted: bool) -> None:
        """Let llama.cpp ask between the nodes of its graph whether to stop. It asks a hundred times a
        token, a tenth of the time of a small model's token, so quick tokens run to their end."""
        if wanted != self._stoppable:
            callback = self._abort if wanted else llama_cpp.ggml_abort_callback(0)
            llama_cpp.llama_set_abort_callback(self.context, callback, None)
            self._stoppable = wanted

    def _require(self) -> None:
        if not self.model or not self.context:
            raise EngineError("The model was unloaded.", "Load it again.")

    def _raise(self, status: int, cancel: CancelToken | None, detail: str) -> None:
        if cancel is not None:
            cancel.check()
        if status == 1:
            raise EngineError("The context is full.", "Start a new chat, or load a larger context.", detail)
        if status == -2 or "alloc" in detail:
            raise OutOfMemory(
                "Memory ran out while the model was computing.",
                "Load the model with a smaller context, or a smaller model.",
                detail,
            )
        raise EngineError(
            "llama.cpp could not evaluate the text.", "Load the model again.", f"status {status}\n{detail}"
        )

    def _asked_to_stop(self, _data: int | None) -> bool:
        return self._cancel is not None and self._cancel.is_set

    def _look(self, node: int, ask: bool, _data: int | None) -> bool:
        return self._observer is not None and self._observer(node, ask)
