"""Plain values that commands and events carry."""

from __future__ import annotations

from typing import Literal

from engine.protocol.base import Role, value


@value
class ErrorInfo:
    """An error in the user's words: what and why, what to do, and the detail to copy."""

    text: str
    hint: str = ""
    detail: str = ""
    bad_input: bool = False


@value
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@value
class Sampling:
    """How the next token is drawn. ``temperature`` 0 is greedy; ``top_k`` 0, ``top_p`` 1, ``min_p`` 0
    and ``repetition_penalty`` 1 are off; ``seed`` None draws a fresh one."""

    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    max_tokens: int = 512
    seed: int | None = None
    stop: tuple[str, ...] = ()


@value
class LoadSettings:
    """How a model is loaded. ``None`` leaves the choice to what is there."""

    backend: Literal["auto", "hf", "gguf"] = "auto"
    n_ctx: int | None = None
    n_gpu_layers: int = -1
    kv_type: Literal["auto", "f32", "f16", "q8_0", "q4_0"] = "auto"
    flash_attention: bool | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"
    threads: int | None = None


@value
class ModelInfo:
    """What is loaded. ``weights_bytes`` counts shared tensors once."""

    name: str
    path: str
    backend: Literal["hf", "gguf"]
    architecture: str
    n_layers: int
    d_model: int
    n_params: int
    n_vocab: int
    n_ctx: int
    n_ctx_train: int
    weights_bytes: int
    dtype: str
    device: str
    has_chat_template: bool


@value
class LevelInfo:
    """A level as it lies on the stack; ``adapter`` is '' when it is empty."""

    level: str
    adapter: str = ""
    path: str = ""
    rank: int = 0
    n_modules: int = 0
    n_params: int = 0
    bytes: int = 0


@value
class Hit:
    """A chunk that a search returned. ``start``/``end`` are characters in the page's text
    (``page`` counts from 1), or in the document's text where it has no pages (``page`` None)."""

    chunk_id: str
    document_id: str
    document: str
    path: str
    page: int | None
    heading: str
    start: int
    end: int
    text: str
    score: float
    cosine: float | None = None
    bm25: float | None = None


@value
class Citation:
    """Number ``number`` in an answer and the passage it points to. ``matches_source`` says whether
    the sentences that carry the number agree with the passage (None: not checked)."""

    number: int
    hit: Hit
    matches_source: bool | None = None


@value
class Passage:
    """A page (or a document without pages) with the cited span ``text[start:end]``.
    ``stale`` is True when the file changed since it was read."""

    document: str
    path: str
    page: int | None
    n_pages: int
    text: str
    start: int
    end: int
    stale: bool = False


@value
class DocumentRow:
    """One row of the library's table. ``progress`` is 0..1 within the state."""

    document_id: str
    name: str
    path: str
    kind: str
    n_pages: int
    n_chunks: int
    size_bytes: int
    state: Literal["queued", "reading", "embedding", "ready", "failed"]
    progress: float = 0.0
    error: ErrorInfo | None = None


@value
class FoundModel:
    """A model that lies on this disk already."""

    name: str
    path: str
    backend: Literal["hf", "gguf"]
    source: str
    architecture: str
    size_bytes: int
    quantisation: str = ""


@value
class PlanPart:
    """One owner of memory and what it will take."""

    owner: str
    bytes: int


@value
class Plan:
    """Memory estimated before anything is loaded."""

    path: str
    n_ctx: int
    parts: tuple[PlanPart, ...]
    total_bytes: int
    free_bytes: int
    device: str
    fits: bool
    verdict: str
    proposals: tuple[str, ...] = ()


@value
class Timings:
    """``reused_tokens`` of the prompt came from the KV cache."""

    prompt_tokens: int
    reused_tokens: int
    generated_tokens: int
    prefill_ms: float
    decode_ms: float
    first_token_ms: float
    tokens_per_second: float


@value
class Answer:
    """The whole of one generation. ``mean_activity`` has one number per level."""

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    mean_activity: tuple[float, ...]
    finish_reason: Literal["stop", "length", "stop_string", "context"]
    timings: Timings
    citations: tuple[Citation, ...] = ()
    dropped_turns: int = 0


@value
class ChatSummary:
    """One conversation in the list, newest first; times are Unix seconds."""

    chat_id: str
    title: str
    updated_at: float
    n_messages: int


@value
class StoredMessage:
    """A message in the tree of a chat. Siblings (same ``parent_id``) are versions of one turn.
    ``meta`` is a JSON object: citations, timings, tokens, gain marks, as the engine wrote them."""

    message_id: str
    parent_id: str | None
    role: Role
    content: str
    state: Literal["complete", "partial", "stopped", "failed"]
    created_at: float
    meta: str = "{}"


@value
class GainsApplied:
    """The stack's revision after the edit."""

    revision: int
    gains: tuple[float, ...]


@value
class ChatOpened:
    """A chat's whole tree, oldest message first, and the leaf that was shown last."""

    chat_id: str
    title: str
    messages: tuple[StoredMessage, ...]
    active_leaf: str | None
