"""Tiny random models, a byte-level tokenizer and PEFT adapters for the tests of the torch side."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

DATA = Path(__file__).parents[2].parent / "shared" / "data"
TEXT = "the miller of Bryn keeps a grey goose and the goose keeps the miller. Größe, naïve, 東京, 🦢!"
TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_WIDTHS = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}
CONFIGS: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**_WIDTHS, num_key_value_heads=2, vocab_size=320, max_position_embeddings=128),
    "qwen2": Qwen2Config(**_WIDTHS, num_key_value_heads=2, vocab_size=320, max_position_embeddings=128),
    "gpt2": GPT2Config(n_embd=32, n_layer=3, n_head=4, vocab_size=320, n_positions=128),
}
TARGETS = {
    "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "qwen2": ["q_proj", "v_proj", "down_proj"],
    "gpt2": ["c_attn", "c_proj", "c_fc"],
}


def tiny_model(family: str, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """The same random weights at every call."""
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(CONFIGS[family]).to(dtype).eval()
    model.requires_grad_(False)
    return model


@contextmanager
def pefts_own_warnings() -> Iterator[None]:
    """PEFT calls parts of transformers that are going away; that is between the two."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pefts_own_warnings()
def save_adapter(family: str, folder: Path, seed: int, **settings: object) -> Path:
    """Train nothing: a PEFT LoRA with random A and B, saved by PEFT itself."""
    torch.manual_seed(seed)
    config = LoraConfig(task_type="CAUSAL_LM", **{"target_modules": TARGETS[family], **settings})
    config.fan_in_fan_out = family == "gpt2"
    model = get_peft_model(tiny_model(family), config)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(std=0.2)
    model.save_pretrained(folder)
    return folder


@pefts_own_warnings()
def peft_logits(family: str, folders: list[Path], gains: list[float], ids: torch.Tensor) -> torch.Tensor:
    """PEFT's own forward with several active adapters, each scaled by its gain."""
    names = [f"level{number}" for number in range(len(folders))]
    model = PeftModel.from_pretrained(tiny_model(family), folders[0], adapter_name=names[0])
    for name, folder in zip(names[1:], folders[1:], strict=True):
        model.load_adapter(folder, adapter_name=name)
    model.base_model.set_adapter(names)
    for module in model.modules():
        for name, gain in zip(names, gains, strict=True):
            if isinstance(module, LoraLayer) and name in module.scaling:
                module.set_scale(name, gain)
    with torch.no_grad():
        return model.eval()(ids).logits


def save_tokenizer(folder: Path, template: str | None = TEMPLATE) -> None:
    """A byte-level BPE over a few words, with a chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT] * 4, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")
    fast.chat_template = template
    fast.save_pretrained(folder)


def save_model(folder: Path, family: str = "llama", template: str | None = TEMPLATE) -> Path:
    """A whole model folder."""
    tiny_model(family).save_pretrained(folder)
    save_tokenizer(folder, template)
    return folder
