"""A Hugging Face model in torch, with its own decode loop."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel

from engine.cancel import CancelToken
from engine.errors import BadInput, OutOfMemory, UnsupportedInput
from engine.models.base import ProgressFn, PromptState, StackView, TokenStep
from engine.models.chat_template import render_chat
from engine.models.hf_cache import PrefixCache
from engine.models.hf_load import Loaded, load_folder
from engine.models.hf_tokens import TokenBytes
from engine.models.places import model_name
from engine.models.prompt import ReadFn, check_prompt, chunks
from engine.models.sampling import Sampler, describe
from engine.protocol import LoadSettings, Message, ModelInfo, Sampling

_DEFAULT_CTX = 8192
_MAX_CHUNK_TOKENS = 256
_CPU_LAYER_FLOP = 2e9  # about 50 ms on one core: a stop is looked at once per layer
_TURN_ENDS = (
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<end_of_turn>",
    "<|end|>",
    "<|endoftext|>",
    "<|return|>",
)


class HfBackend:
    """Implements ``engine.models.base.Backend``; ``model`` is where a level stack is laid."""

    info: ModelInfo

    def __init__(self, loaded: Loaded, path: Path, settings: LoadSettings) -> None:
        self.model: PreTrainedModel = loaded.model
        self._tokenizer = loaded.tokenizer
        self._device = loaded.device
        self.info = _describe(loaded, path, settings)
        self._bytes = TokenBytes(loaded.tokenizer)
        self._end_tokens = _end_tokens(loaded)
        self._cache = PrefixCache(self.model.config)
        self._stack: StackView | None = None
        self._logits: torch.Tensor | None = None
        self._logits_revision = -1
        self._chunk = self._chunk_tokens()
        keeps = "logits_to_keep" in inspect.signature(self.model.forward).parameters
        self._last_only = {"logits_to_keep": 1} if keeps else {}
        self._cancel: CancelToken | None = None
        for layer in _layers(self.model, self.info.n_layers):
            layer.register_forward_pre_hook(self._look_at_cancel)

    @classmethod
    def load(cls, path: Path, settings: LoadSettings, progress: ProgressFn, cancel: CancelToken) -> HfBackend:
        """Load a local folder. Raises EngineError in the user's words, or JobCancelled."""
        if settings.kv_type in ("q8_0", "q4_0"):
            raise UnsupportedInput(
                f"A {settings.kv_type} KV cache works with GGUF models only.",
                "Choose auto, or load a GGUF version of the model.",
            )
        return cls(load_folder(path, settings, progress, cancel), path, settings)

    def tokenize(self, text: str) -> list[int]:
        """Tokens of plain text, no special tokens added."""
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def token_bytes(self, token_id: int) -> bytes:
        """The UTF-8 bytes a token adds to the text (b'' for control tokens)."""
        return self._bytes(token_id)

    def render_chat(self, messages: Sequence[Message]) -> list[int]:
        """Tokens of the conversation, opened for the answer (see ``chat_template``)."""
        return render_chat(self._tokenizer, messages)

    @property
    def end_tokens(self) -> frozenset[int]:
        """Tokens that end an answer."""
        return self._end_tokens

    def prefill(
        self, tokens: Sequence[int], stack: StackView, cancel: CancelToken, read: ReadFn | None = None
    ) -> PromptState:
        """Read the prompt in chunks; see ``Backend.prefill``. Raises BadInput for an empty prompt or
        one beyond the context, JobCancelled, OutOfMemory."""
        check_prompt(tokens, self.info.n_ctx)
        started = time.perf_counter()
        if stack is not self._stack:
            self._cache.clear()
            self._stack = stack
        self._logits = None
        reused = self._cache.keep_prefix(tokens[:-1], stack.revision)
        for start, end in chunks(len(tokens), reused, self._chunk, cancel, read):
            self._forward(tokens[start:end], stack, cancel)
        return PromptState(len(tokens), reused, (time.perf_counter() - started) * 1e3)

    def decode(self, sampling: Sampling, stack: StackView, cancel: CancelToken) -> Iterator[TokenStep]:
        """Yield tokens one by one; see ``Backend.decode``. Raises JobCancelled, OutOfMemory."""
        if self._logits is None or not len(self._cache):
            raise BadInput("There is no prompt to continue.", "Send a message first.")
        sampler = Sampler(sampling, self._device)
        while True:
            cancel.check()
            if self._logits_revision != stack.revision:
                self._recompute_last(stack, cancel)
            step = self._step(sampler, stack)
            if step.token_id in self._end_tokens:
                return
            yield step
            if len(self._cache) >= self.info.n_ctx:
                return
            cancel.check()
            self._forward([step.token_id], stack, cancel)

    def kv_bytes(self) -> int:
        """Bytes the KV cache holds now."""
        return self._cache.n_bytes()

    def close(self) -> None:
        """Free everything. The backend is unusable afterwards."""
        self._cache.clear()
        self._logits = self._stack = None
        del self.model
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _step(self, sampler: Sampler, stack: StackView) -> TokenStep:
        assert self._logits is not None
        with torch.inference_mode():
            history = (
                torch.tensor([self._cache.tokens], device=self._device) if sampler.needs_history else None
            )
            token = sampler.draw(self._logits, history)
            token_id, logprob, alternatives = describe(self._logits, token)
            activity = stack.activity()
        return TokenStep(token_id, logprob, alternatives, activity, self._logits_revision)

    def _recompute_last(self, stack: StackView, cancel: CancelToken) -> None:
        """An edit came after the newest token was read: read it again, so that the next one feels it."""
        tokens = list(self._cache.tokens)
        self._cache.cut(len(tokens) - 1)
        self._forward(tokens[len(self._cache) :], stack, cancel)

    def _forward(self, tokens: Sequence[int], stack: StackView, cancel: CancelToken) -> None:
        """Append ``tokens`` to the cache; keep float32 logits [V] of the last. A forward that is broken
        off leaves the cache as it was."""
        revision = stack.revision
        self._cancel = cancel
        try:
            with torch.inference_mode():
                output = self.model(
                    input_ids=torch.tensor([list(tokens)], device=self._device),
                    past_key_values=self._cache.entries,
                    use_cache=True,
                    **self._last_only,
                )
                self._logits = output.logits[0, -1].float()
        except torch.OutOfMemoryError as error:
            self._cache.mend()
            raise OutOfMemory(
                "The device has no room for a conversation this long.",
                "Start a new chat or load the model with a smaller context.",
                str(error),
            ) from error
        except BaseException:
            self._cache.mend()
            raise
        finally:
            self._cancel = None
        self._cache.add(tokens, revision)
        self._logits_revision = revision

    def _look_at_cancel(self, _module: nn.Module, _inputs: object) -> None:
        if self._cancel is not None:
            self._cancel.check()

    def _chunk_tokens(self) -> int:
        """Prompt tokens per forward: a power of two fixed by the model, so that results repeat."""
        if self._device.type != "cpu":
            return _MAX_CHUNK_TOKENS
        flop_per_token = 2 * self.info.n_params / max(1, self.info.n_layers)
        chunk = 16
        while chunk < _MAX_CHUNK_TOKENS and 2 * chunk * flop_per_token <= _CPU_LAYER_FLOP:
            chunk *= 2
        return chunk


def _layers(model: nn.Module, n_layers: int) -> Sequence[nn.Module]:
    lists = (m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == n_layers)
    return list(next(lists, []))


def _end_tokens(loaded: Loaded) -> frozenset[int]:
    text = loaded.model.config.get_text_config(decoder=True)
    named = [
        loaded.generation.eos_token_id,
        getattr(text, "eos_token_id", None),
        loaded.tokenizer.eos_token_id,
    ]
    ends: set[int] = set()
    for entry in named:
        ends.update(entry if isinstance(entry, (list, tuple)) else [] if entry is None else [entry])
    by_name = {token.content: number for number, token in loaded.tokenizer.added_tokens_decoder.items()}
    ends.update(by_name[name] for name in _TURN_ENDS if name in by_name)
    return frozenset(ends)


def _describe(loaded: Loaded, path: Path, settings: LoadSettings) -> ModelInfo:
    model, text = loaded.model, loaded.model.config.get_text_config(decoder=True)
    n_ctx_train = int(getattr(text, "max_position_embeddings", None) or _DEFAULT_CTX)
    held = {t.data_ptr(): t.nbytes for t in (*model.parameters(), *model.buffers())}
    return ModelInfo(
        name=model_name(path),
        path=str(path),
        backend="hf",
        architecture=str(model.config.model_type),
        n_layers=int(text.num_hidden_layers),
        d_model=int(text.hidden_size),
        n_params=sum(parameter.numel() for parameter in model.parameters()),
        n_vocab=int(text.vocab_size),
        n_ctx=min(settings.n_ctx or _DEFAULT_CTX, n_ctx_train),
        n_ctx_train=n_ctx_train,
        weights_bytes=sum(held.values()),
        dtype=str(loaded.dtype).removeprefix("torch."),
        device=str(loaded.device),
        has_chat_template=bool(loaded.tokenizer.chat_template),
    )
