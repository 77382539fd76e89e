"""A GGUF model in llama.cpp, with its own decode loop over the low-level interface."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import llama_cpp
from gguf import GGML_QUANT_SIZES

from engine.cancel import CancelToken
from engine.errors import BadInput
from engine.models.base import ProgressFn, PromptState, StackView, TokenStep
from engine.models.gguf_chat import GgufVocabulary
from engine.models.gguf_load import context_tokens, load_gguf
from engine.models.gguf_runtime import N_BATCH, LlamaRuntime
from engine.models.gguf_sampling import SamplerChain, log_probabilities
from engine.models.prompt import ReadFn, check_prompt, chunks
from engine.protocol import LoadSettings, Message, ModelInfo, Sampling


class GgufBackend:
    """Implements ``engine.models.base.Backend``; ``handle`` is what a level stack is laid on."""

    info: ModelInfo

    def __init__(self, handle: LlamaRuntime, path: Path, settings: LoadSettings) -> None:
        self.handle = handle
        self.info = _describe(handle, path, settings)
        self._vocabulary = GgufVocabulary(handle.vocab, handle.header.chat_template)
        self._cached: list[tuple[int, int]] = []
        self._stack: StackView | None = None
        self._kv_bytes = _kv_bytes(handle)

    @classmethod
    def load(
        cls, path: Path, settings: LoadSettings, progress: ProgressFn, cancel: CancelToken
    ) -> GgufBackend:
        """Load a GGUF file. Raises EngineError in the user's words, or JobCancelled."""
        handle = load_gguf(path, settings, progress, cancel)
        try:
            return cls(handle, path, settings)
        except BaseException:
            handle.close()
            raise

    def tokenize(self, text: str) -> list[int]:
        """Tokens of plain text, no special tokens added."""
        return self._vocabulary.tokenize(text)

    def token_bytes(self, token_id: int) -> bytes:
        """The UTF-8 bytes a token adds to the text (b'' for control tokens)."""
        return self._vocabulary.token_bytes(token_id)

    def render_chat(self, messages: Sequence[Message]) -> list[int]:
        """Tokens of the conversation, opened for the answer (see ``gguf_chat``)."""
        return self._vocabulary.render_chat(messages)

    @property
    def end_tokens(self) -> frozenset[int]:
        """Tokens that end an answer."""
        return self._vocabulary.end_tokens

    def prefill(
        self, tokens: Sequence[int], stack: StackView, cancel: CancelToken, read: ReadFn | None = None
    ) -> PromptState:
        """Read the prompt in chunks; see ``Backend.prefill``. Raises BadInput for an empty prompt or
        one beyond the context, JobCancelled, OutOfMemory."""
        check_prompt(tokens, self.info.n_ctx)
        started = time.perf_counter()
        self._forget_if_replaced(stack)
        reused = self._keep_prefix(tokens[:-1], stack.revision)
        self.handle.answer_begins()
        for start, end in chunks(len(tokens), reused, N_BATCH, cancel, read):
            self._append(tokens[start:end], stack, cancel, end == len(tokens))
        return PromptState(len(tokens), reused, (time.perf_counter() - started) * 1e3)

    def decode(self, sampling: Sampling, stack: StackView, cancel: CancelToken) -> Iterator[TokenStep]:
        """Yield tokens one by one; see ``Backend.decode``. Raises JobCancelled, OutOfMemory."""
        if not self._cached:
            raise BadInput("There is no prompt to continue.", "Send a message first.")
        prompt = [token for token, _ in self._cached]
        with SamplerChain(sampling, self.info.n_vocab, self.info.n_ctx, prompt) as chain:
            while True:
                cancel.check()
                if self._cached[-1][1] != stack.revision:
                    self._read_again(len(self._cached) - 1, stack, cancel)
                step = self._step(chain, stack)
                if step.token_id in self._vocabulary.end_tokens:
                    return
                yield step
                if len(self._cached) >= self.info.n_ctx:
                    return
                cancel.check()
                if self._lost():
                    self._read_again(0, stack, cancel)
                self._append([step.token_id], stack, cancel, True)

    def kv_bytes(self) -> int:
        """Bytes of the KV cache: llama.cpp takes all of it when the context is opened."""
        return 0 if self.handle.closed else self._kv_bytes

    def close(self) -> None:
        """Free everything. The backend is unusable afterwards; a stack laid on it notices."""
        self._cached.clear()
        self._stack = None
        self.handle.close()

    def _step(self, chain: SamplerChain, stack: StackView) -> TokenStep:
        logits = self.handle.logits()
        token = chain.draw(self.handle.context)
        logprob, alternatives = log_probabilities(logits, token)
        return TokenStep(token, logprob, alternatives, stack.activity(), self._cached[-1][1])

    def _append(self, tokens: Sequence[int], stack: StackView, cancel: CancelToken, newest: bool) -> None:
        """Evaluate tokens behind the cached ones; a batch that breaks off leaves the cache as it was."""
        revision = stack.revision
        try:
            self.handle.evaluate(tokens, newest, cancel)
        except BaseException:
            if not self.handle.crop(len(self._cached)):
                self._cached.clear()
            raise
        self._cached.extend((token, revision) for token in tokens)

    def _keep_prefix(self, tokens: Sequence[int], revision: int) -> int:
        """Cut the cache to what ``tokens`` share with it under the same stack revision."""
        length = 0
        for (cached, made_under), token in zip(self._cached, tokens, strict=False):
            if cached != token or made_under != revision:
                break
            length += 1
        if not self.handle.crop(length):
            length = 0
        del self._cached[length:]
        return length

    def _lost(self) -> bool:
        """Whether laying a level emptied the context meanwhile."""
        return self.handle.n_cached != len(self._cached)

    def _forget_if_replaced(self, stack: StackView) -> None:
        """Another stack, or an emptied context: nothing of the cache is left."""
        if stack is not self._stack or self._lost():
            self._cached.clear()
            self._stack = stack

    def _read_again(self, kept: int, stack: StackView, cancel: CancelToken) -> None:
        """Read the cached tokens from ``kept`` on again: an edit came after the newest one was read, and
        the next one shall feel it; all of them where the context was emptied or cannot be cut."""
        tokens = [token for token, _ in self._cached]
        if self._lost() or not self.handle.crop(kept):
            self.handle.crop(0)
            kept = 0
        del self._cached[kept:]
        for start in range(kept, len(tokens), N_BATCH):
            self._append(tokens[start : start + N_BATCH], stack, cancel, start + N_BATCH >= len(tokens))


def _kv_bytes(handle: LlamaRuntime) -> int:
    """2 x layers x KV heads x head width x cells x bytes a number (quantised types in blocks)."""
    header = handle.header
    numbers = 2 * header.n_layers * header.n_kv_heads * header.head_dim
    block, block_bytes = GGML_QUANT_SIZES[handle.kv_type]
    cells = int(llama_cpp.llama_n_ctx(handle.context))
    return numbers * cells * block_bytes // block


def _describe(handle: LlamaRuntime, path: Path, settings: LoadSettings) -> ModelInfo:
    header = handle.header
    gpu = llama_cpp.llama_supports_gpu_offload() and settings.n_gpu_layers != 0
    return ModelInfo(
        name=header.name,
        path=str(path),
        backend="gguf",
        architecture=header.architecture,
        n_layers=header.n_layers,
        d_model=header.d_model,
        n_params=int(llama_cpp.llama_model_n_params(handle.model)),
        n_vocab=handle.n_vocab,
        n_ctx=min(context_tokens(header, settings), llama_cpp.llama_n_ctx(handle.context)),
        n_ctx_train=header.n_ctx_train,
        weights_bytes=int(llama_cpp.llama_model_size(handle.model)),
        dtype=header.quantisation.lower(),
        device="gpu" if gpu else "cpu",
        has_chat_template=header.chat_template is not None,
    )
