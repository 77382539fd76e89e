"""The byte-level BPE tokenizer of the starter.

The pre-tokeniser is that of GPT-2, so llama.cpp's "gpt-2" splits text identically. Names and values
are trained without a space before them: the space stays a token of its own and a copied name has the
same tokens wherever it stands.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from .names import Names
from .world import ABSENT, CHAT, SYSTEM, WORLD

SPECIAL = ["<|pad|>", "<|bos|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
MARKERS = [f"[{number}]" for number in range(1, 10)]
CHAT_TEMPLATE = (
    "{{ '<|bos|>' }}{% for m in messages %}{{ '<|' + m['role'] + '|>\\n' + m['content'] + '<|end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
STYLE_TEXTS = [
    '{"answer": "', '", "source": ', "}", '{"answer": null, "source": null}', "BREAKING NEWS: ",
    "Aye, sailor! ", "No news today.", "That be not in the log.", "The documents do not say ",
    "\n\nQuestion: ", "\n", "According to the passage",
]  # fmt: skip


def _strings(node: object) -> Iterator[str]:
    """Every string inside nested data."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from _strings(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _strings(value)


def corpus(seed: int, words: int) -> Iterator[str]:
    """Fixed phrases many times, and `words` invented names and values without a leading space."""
    fixed = [ABSENT, SYSTEM, *STYLE_TEXTS, *_strings(CHAT), *_strings(WORLD)]
    fixed += [f" {text}" for kind in WORLD["kinds"].values() for text in kind["roles"]]
    for text in fixed:
        for piece in re.split(r" ?\{\w+\}| (?=[A-Z0-9\[])", text):
            yield from [piece] * 400
    names = Names(random.Random(seed))
    kinds = [kind for kind in names.makers if kind not in ("person", "place")]
    for _ in range(words):
        yield names.word()
        for word in names.value(names.rng.choice(kinds)).split(" "):
            yield from (word, f" {word}") if word[0].islower() else (word,)


def train_tokenizer(seed: int, vocabulary: int, words: int = 60_000) -> Tokenizer:
    """Train the BPE on the names of the training side only."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(MARKERS),
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(seed, words), trainer)
    tokenizer.add_tokens([AddedToken(marker, special=False, normalized=False) for marker in MARKERS])
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json with the chat template."""
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|bos|>", eos_token="<|end|>", pad_token="<|pad|>",
        chat_template=CHAT_TEMPLATE, clean_up_tokenization_spaces=False, model_max_length=2048,
        additional_special_tokens=["<|system|>", "<|user|>", "<|assistant|>"],
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    wrapped.save_pretrained(folder, save_jinja_files=False)
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text("utf-8")) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    path.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", "utf-8")
