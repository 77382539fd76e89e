"""A model written as GGUF computes, splits text and renders chats as the folder it came from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine.cancel import CancelToken
from engine.errors import UnsupportedInput
from engine.models.gguf_export import export_gguf
from engine.protocol import Message
from tests.unit.tiny_gguf import STORY, NoStack, gguf_file, hf_folder, load

TEXTS = [
    "the grey goose keeps [1] the miller[2].",
    " lead\n\n  and   trail ",
    "Größe, 東京 🦢 12 345!",
    "<|user|>goose<|end|>",
]


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_logits_agree_with_transformers(family: str) -> None:
    tokens = AutoTokenizer.from_pretrained(hf_folder(family))(TEXTS[0])["input_ids"]
    with torch.no_grad():
        expected = AutoModelForCausalLM.from_pretrained(hf_folder(family))(torch.tensor([tokens])).logits[
            0, -1
        ]
    backend = load(gguf_file(family), flash_attention=False)
    backend.prefill(tokens, NoStack(), CancelToken())
    assert np.allclose(
        backend.handle.logits(), expected.numpy(), rtol=0, atol=1e-4 * float(expected.abs().max())
    )
    backend.close()


@pytest.mark.parametrize(("dtype", "error"), [("f16", 0.01), ("q8_0", 0.1)])
def test_smaller_types_stay_close(dtype: str, error: float) -> None:
    logits = []
    for path in (gguf_file("llama", "f32"), gguf_file("llama", dtype)):  # type: ignore[arg-type]
        backend = load(path)
        backend.prefill([5, 6, 7], NoStack(), CancelToken())
        logits.append(backend.handle.logits())
        backend.close()
    assert 0 < np.abs(logits[0] - logits[1]).max() / np.abs(logits[0]).max() < error


def test_tokens_and_bytes_agree_with_transformers() -> None:
    tokenizer = AutoTokenizer.from_pretrained(hf_folder("llama"))
    backend = load(gguf_file())
    for text in TEXTS[:3]:
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert backend.tokenize(text) == tokens
        assert b"".join(backend.token_bytes(token) for token in tokens).decode() == text
    ends = [i for i, t in tokenizer.added_tokens_decoder.items() if t.content == "<|end|>"]
    assert backend.end_tokens == frozenset(ends)
    assert backend.token_bytes(ends[0]) == b""
    backend.close()


def test_a_conversation_renders_as_in_transformers() -> None:
    tokenizer = AutoTokenizer.from_pretrained(hf_folder("llama"))
    turns = [
        ("system", "short"),
        ("user", " the goose? "),
        ("assistant", "grey [1]\n"),
        ("user", "the miller"),
    ]
    expected = tokenizer.apply_chat_template(
        [{"role": role, "content": text} for role, text in turns], add_generation_prompt=True
    )["input_ids"]
    backend = load(gguf_file())
    assert backend.render_chat([Message(role=role, content=text) for role, text in turns]) == expected  # type: ignore[arg-type]
    backend.close()


@pytest.mark.skipif(not STORY.exists(), reason="the shared story model is not here")
def test_the_story_model_equals_its_published_gguf(tmp_path: Path) -> None:
    export_gguf(STORY / "hf", tmp_path / "story.gguf", "f32")
    ours, theirs = load(tmp_path / "story.gguf"), load(STORY / "stories260K-f32.gguf")
    tokens = theirs.render_chat([Message(role="user", content="Once upon a time, a cat sat. Ünï!")])
    assert ours.render_chat([Message(role="user", content="Once upon a time, a cat sat. Ünï!")]) == tokens
    assert (
        tokens
        == AutoTokenizer.from_pretrained(STORY / "hf")("Once upon a time, a cat sat. Ünï!")["input_ids"]
    )
    for backend in (ours, theirs):
        backend.prefill(tokens, NoStack(), CancelToken())
    assert np.array_equal(ours.handle.logits(), theirs.handle.logits())
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("config.json", {"model_type": "zebra"}, "type 'zebra'"),
        ("config.json", {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rope scaling 'yarn'"),
        ("tokenizer.json", {"pre_tokenizer": {"type": "Whitespace"}}, "no counterpart"),
        ("tokenizer.json", {"model": {"type": "WordPiece"}}, "type WordPiece"),
    ],
)
def test_what_gguf_cannot_say_is_refused_and_leaves_no_file(
    tmp_path: Path, file: str, change: dict[str, object], words: str
) -> None:
    folder = shutil.copytree(hf_folder("llama"), tmp_path / "model", ignore=shutil.ignore_patterns("*.gguf"))
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(content | change))
    with pytest.raises(UnsupportedInput, match=words):
        export_gguf(folder, tmp_path / "out" / "m.gguf", "f16")
    assert not any((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True
