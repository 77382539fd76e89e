"""Tiny models in both formats, made once a session, for the tests of the llama.cpp side."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch
from tokenizers import AddedToken
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, PreTrainedConfig, Qwen2Config

from engine.cancel import CancelToken
from engine.levels.adapter import Adapter, BaseModules, LoraPair
from engine.models.base import Backend, StackView, TokenStep
from engine.models.gguf import GgufBackend
from engine.models.gguf_export import Dtype, export_gguf
from engine.protocol import LoadSettings, Sampling
from tests.unit.tiny_hf import save_tokenizer

STORY = Path(__file__).parents[2].parent / "shared" / "data" / "models" / "stories260k"
VOCABULARIES = STORY.parents[1] / "gguf"
_WIDTHS = {
    "eos_token_id": 0,
    "bos_token_id": None,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
_CONFIGS: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(
        **_WIDTHS,
        num_key_value_heads=2,
        vocab_size=330,
        max_position_embeddings=1100,
        tie_word_embeddings=True,
    ),
    "qwen2": Qwen2Config(**_WIDTHS, num_key_value_heads=2, vocab_size=330, max_position_embeddings=1100),
}


@cache
def hf_folder(family: str) -> Path:
    """A random model with a chat template and the plain added tokens [1] and [2]."""
    folder = Path(mkdtemp(prefix=f"strata-{family}-"))
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(_CONFIGS[family])
    for parameter in model.parameters():
        parameter.data.normal_(std=0.2)
    model.save_pretrained(folder)
    save_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in ("[1]", "[2]")])
    tokenizer.save_pretrained(folder)
    return folder


@cache
def gguf_file(family: str = "llama", dtype: Dtype = "f32") -> Path:
    """The same model as a GGUF."""
    path = hf_folder(family) / f"model-{dtype}.gguf"
    export_gguf(hf_folder(family), path, dtype)
    return path


def load(path: Path, **settings: object) -> GgufBackend:
    """A backend without reports."""
    return GgufBackend.load(
        path, LoadSettings(threads=1, **settings), lambda stage, done: None, CancelToken()
    )


def random_adapter(
    base: BaseModules,
    seed: int,
    rank: int = 4,
    scale: float = 2.0,
    only: str = "",
    dtype: torch.dtype = torch.float32,
) -> Adapter:
    """An adapter with an effect on every module whose name contains ``only``."""
    torch.manual_seed(seed)
    pairs = {
        module: LoraPair(
            (torch.randn(rank, d_in) * 0.3 / d_in**0.5).to(dtype),
            (torch.randn(d_out, rank) * 0.3).to(dtype),
            scale,
        )
        for module, (d_in, d_out) in base.linears.items()
        if only in module
    }
    return Adapter(f"random {seed}", "", pairs)


def greedy(
    backend: Backend,
    stack: StackView,
    prompt: list[int],
    n_tokens: int,
    edits: dict[int, tuple[float, ...]] | None = None,
) -> list[TokenStep]:
    """Prefill and decode; ``edits`` are gains to set after that many tokens."""
    backend.prefill(prompt, stack, CancelToken())
    steps: list[TokenStep] = []
    for step in backend.decode(Sampling(temperature=0.0), stack, CancelToken()):
        steps.append(step)
        if edits and len(steps) in edits:
            stack.set_gains(edits[len(steps)])  # type: ignore[attr-defined]
        if len(steps) == n_tokens:
            break
    return steps


class NoStack:
    """A stack that holds nothing."""

    revision = 0

    def activity(self) -> None:
        return None
