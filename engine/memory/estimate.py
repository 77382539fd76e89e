"""Memory from numbers that stand in headers, before anything is loaded. All sizes in bytes.

Letters: L layers, d model width, f feed-forward width, H heads, K key-value heads, h head width,
V vocabulary, n context length, u tokens of one prefill step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from engine.protocol import LoadSettings

KV_TYPE_BYTES: Mapping[str, float] = {"f32": 4.0, "f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
"""Bytes of one number; a block of the quantised types is 32 numbers and a float16 scale (ggml-common.h)."""

PREFILL_TOKENS = {"gguf": 512, "hf": 256}
"""u: llama.cpp's n_ubatch, and the longest prefill step of the HF backend."""

DEFAULT_CTX_TOKENS = {"gguf": 4096, "hf": 8192}
"""The contexts that the backends open when none is asked for, if the model was trained on as many."""

EMBEDDER_BYTES = 91_000_000
"""all-MiniLM-L6-v2 in float32: 22.7 million parameters, measured."""

HEADROOM_BYTES = {"cpu": 128 * 2**20, "gpu": 512 * 2**20}
"""Kept free: Python's working memory on a CPU; the CUDA context and fragmentation on a GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """A model's header in plain numbers. ``weights_bytes`` counts shared tensors once, as stored;
    ``loaded_dtype_bytes`` is the size of a number after loading, None where weights stay as they are
    stored (GGUF); ``d_ff`` 0 where the header does not tell."""

    path: str
    backend: Literal["hf", "gguf"]
    weights_bytes: int
    n_params: int
    n_layers: int
    d_model: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    n_vocab: int
    n_ctx_train: int
    d_ff: int = 0
    loaded_dtype_bytes: int | None = None


def weights_bytes(facts: ModelFacts) -> int:
    """The base weights after loading."""
    if facts.loaded_dtype_bytes is None:
        return facts.weights_bytes
    return facts.n_params * facts.loaded_dtype_bytes


def kv_number_bytes(facts: ModelFacts, kv_type: str) -> float:
    """Bytes of one number of the KV cache. A Hugging Face model keeps it in its own dtype; a GGUF in
    float16 unless its weights are float32 or another type is asked for."""
    if facts.loaded_dtype_bytes is not None:
        return float(facts.loaded_dtype_bytes)
    if kv_type == "auto":
        kv_type = "f32" if facts.weights_bytes >= 4 * facts.n_params else "f16"
    return KV_TYPE_BYTES[kv_type]


def kv_cache_bytes(facts: ModelFacts, n_ctx: int, kv_type: str = "auto") -> int:
    """2 L K h n bytes: keys and values of every layer (128.0 MiB predicted and logged by llama.cpp)."""
    numbers = 2 * facts.n_layers * facts.n_kv_heads * facts.head_dim * n_ctx
    return round(numbers * kv_number_bytes(facts, kv_type))


def activation_bytes(facts: ModelFacts, n_ctx: int, flash_attention: bool | None = None) -> int:
    """The working memory of one prefill step of u tokens, in float32.

    The largest of a graph's moments: logits [u, V] (llama.cpp reserves them for a whole step), the
    feed-forward's gate, up and product [u, f] x 3, or attention: queries, keys, values, and the scores
    [H, u, n] where flash attention is off. The mask [u, n] and the stream with its norm [u, d] x 2 stay
    throughout. d_ff unknown counts as 4 d; flash attention unnamed is on, as both backends choose.
    Checked against llama.cpp's log on two random Llamas (d 512 and 1024) at n 512 to 8192: -17 to +25 %.
    """
    u = min(PREFILL_TOKENS[facts.backend], n_ctx)
    logits = u * facts.n_vocab
    feed_forward = 3 * u * (facts.d_ff or 4 * facts.d_model)
    qkv = u * facts.head_dim * (2 * facts.n_heads + 2 * facts.n_kv_heads)
    keeps_scores = facts.backend == "gguf" and flash_attention is False
    scores = facts.n_heads * u * n_ctx if keeps_scores else 0
    return 4 * (max(logits, feed_forward, qkv + scores) + u * n_ctx + 2 * u * facts.d_model)


def context_tokens(facts: ModelFacts, settings: LoadSettings) -> int:
    """The context that will be opened. Only llama.cpp goes beyond what the model was trained on."""
    trained = facts.n_ctx_train or DEFAULT_CTX_TOKENS[facts.backend]
    if settings.n_ctx is None:
        return min(trained, DEFAULT_CTX_TOKENS[facts.backend])
    return settings.n_ctx if facts.backend == "gguf" else min(trained, settings.n_ctx)
