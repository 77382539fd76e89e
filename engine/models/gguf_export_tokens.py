"""A Hugging Face tokenizer written the way llama.cpp reads it.

Two families: byte-level BPE (GPT-2, Qwen, Llama 3) becomes llama.cpp's ``gpt2`` model with its merges,
BPE with byte fallback (Llama 1 and 2 style) becomes its ``llama`` model with a score for each token.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf import GGUFWriter, TokenType

from engine.errors import DamagedFile, UnsupportedInput

Json = dict[str, Any]

_GPT2_SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_PRE_OF_SPLIT = {
    _GPT2_SPLIT: "gpt-2",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+": "qwen2",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+": "llama-bpe",
}
_BYTE_TOKEN = re.compile(r"<0x[0-9A-Fa-f]{2}>")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What llama.cpp needs to know of a tokenizer; ``texts``, ``types`` and ``scores`` go by token id."""

    model: str
    pre: str
    texts: tuple[str, ...]
    types: tuple[int, ...]
    scores: tuple[float, ...]
    merges: tuple[str, ...]
    special_ids: dict[str, int]
    add_bos: bool
    add_space_prefix: bool
    chat_template: str | None

    def write(self, writer: GGUFWriter) -> None:
        """Put all keys of the tokenizer into a GGUF header."""
        writer.add_tokenizer_model(self.model)
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(list(self.texts))
        writer.add_token_types(list(self.types))
        if self.model == "llama":
            writer.add_token_scores(list(self.scores))
            writer.add_add_space_prefix(self.add_space_prefix)
        else:
            writer.add_token_merges(list(self.merges))
        for name, token_id in self.special_ids.items():
            getattr(writer, f"add_{name}_token_id")(token_id)
        writer.add_add_bos_token(self.add_bos)
        if self.chat_template is not None:
            writer.add_chat_template(self.chat_template)


def read_tokens(folder: Path, n_vocab: int) -> Tokens:
    """Read ``tokenizer.json`` and its companions; ``n_vocab`` is the number of rows of the embedding.

    Raises UnsupportedInput for a tokenizer that llama.cpp would split differently.
    """
    tokenizer = _read_json(folder / "tokenizer.json")
    settings = _read_json(folder / "tokenizer_config.json")
    model = tokenizer.get("model") or {}
    if model.get("type") != "BPE":
        raise UnsupportedInput(
            f"This tokenizer is of type {model.get('type')}, and only BPE can be written to GGUF.",
            "Convert the model with llama.cpp's own converter.",
        )
    fallback = bool(model.get("byte_fallback"))
    texts, types = _texts_and_types(tokenizer, n_vocab, fallback)
    merges = tuple(m if isinstance(m, str) else " ".join(m) for m in model.get("merges", ()))
    template = _chat_template(folder, settings)
    bos = _special_text(settings.get("bos_token"))
    writes_bos = template is not None and ("bos_token" in template or (bos != "" and bos in template))
    return Tokens(
        model="llama" if fallback else "gpt2",
        pre="default" if fallback else _pre_tokenizer(tokenizer),
        texts=texts,
        types=types,
        scores=_scores(texts, types, merges) if fallback else (),
        merges=merges,
        special_ids=_special_ids(folder, settings, texts),
        add_bos=_adds_bos(tokenizer, bos) and not writes_bos,
        add_space_prefix=fallback and _prepends_space(tokenizer),
        chat_template=template,
    )


def _read_json(path: Path) -> Json:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UnsupportedInput(
            f"The model folder has no {path.name}.", "Save the model with its fast tokenizer.", str(path)
        ) from error
    except (OSError, ValueError) as error:
        raise DamagedFile(f"{path.name} cannot be read.", "Download the file again.", str(error)) from error
    if not isinstance(value, dict):
        raise DamagedFile(f"{path.name} does not hold what its name says.", detail=str(path))
    return value


def _texts_and_types(
    tokenizer: Json, n_vocab: int, fallback: bool
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    texts = [f"[PAD{i}]" for i in range(n_vocab)]
    types = [int(TokenType.UNUSED)] * n_vocab
    for text, token_id in tokenizer["model"]["vocab"].items():
        if token_id >= n_vocab:
            raise DamagedFile(f"The tokenizer has token {token_id}, the model only {n_vocab} tokens.")
        texts[token_id] = text
        is_byte = fallback and _BYTE_TOKEN.fullmatch(text)
        types[token_id] = int(TokenType.BYTE if is_byte else TokenType.NORMAL)
    for token in tokenizer.get("added_tokens", ()):
        token_id, text = token["id"], token["content"]
        if token_id >= n_vocab:
            raise DamagedFile(f"The tokenizer has token {token_id}, the model only {n_vocab} tokens.")
        texts[token_id] = text.replace("▁", " ") if fallback else text
        types[token_id] = int(TokenType.CONTROL if token["special"] else TokenType.USER_DEFINED)
    unknown = tokenizer["model"].get("unk_token")
    if unknown is not None and unknown in texts:
        types[texts.index(unknown)] = int(TokenType.UNKNOWN)
    return tuple(texts), tuple(types)


def _pre_tokenizer(tokenizer: Json) -> str:
    """llama.cpp's name for the way the text is cut into words before the merges."""
    pre = tokenizer.get("pre_tokenizer") or {}
    steps = pre.get("pretokenizers", []) if pre.get("type") == "Sequence" else [pre]
    kinds = [step.get("type") for step in steps]
    found: str | None = None
    if kinds and kinds[-1] == "ByteLevel" and not steps[-1].get("add_prefix_space"):
        regex = bool(steps[-1].get("use_regex", True))
        if kinds == ["ByteLevel"] and regex:
            found = "gpt-2"
        elif kinds == ["Digits", "ByteLevel"] and regex and steps[0].get("individual_digits"):
            found = "smollm"
        elif kinds == ["Split", "ByteLevel"] and not regex:
            found = _PRE_OF_SPLIT.get(steps[0].get("pattern", {}).get("Regex", ""))
    if found is None:
        raise UnsupportedInput(
            "llama.cpp has no counterpart for the way this tokenizer cuts text into words.",
            "Convert the model with llama.cpp's own converter.",
            json.dumps(pre)[:2000],
        )
    return found


def _scores(texts: tuple[str, ...], types: tuple[int, ...], merges: tuple[str, ...]) -> tuple[float, ...]:
    """llama.cpp joins the pair whose result scores highest: minus the rank of its first merge."""
    never = -1e9
    rank: dict[str, int] = {}
    for i, merge in enumerate(merges):
        rank.setdefault("".join(merge.split(" ")), i)
    normal = int(TokenType.NORMAL)
    return tuple(
        float(-rank[t]) if t in rank else (never if kind == normal and len(t) > 1 else 0.0)
        for t, kind in zip(texts, types, strict=True)
    )


def _special_text(token: object) -> str:
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else ""


def _special_ids(folder: Path, settings: Json, texts: tuple[str, ...]) -> dict[str, int]:
    """Ids by llama.cpp's names. A second end token of the model becomes ``eot`` (end of turn)."""
    index = {text: i for i, text in enumerate(texts)}
    ids: dict[str, int] = {}
    for name, key in (("bos", "bos_token"), ("eos", "eos_token"), ("unk", "unk_token"), ("pad", "pad_token")):
        text = _special_text(settings.get(key))
        if text in index:
            ids[name] = index[text]
    ends: list[int] = []
    for file in ("generation_config.json", "config.json"):
        if (folder / file).exists():
            value = _read_json(folder / file).get("eos_token_id")
            ends += value if isinstance(value, list) else [value] if isinstance(value, int) else []
    if ends:
        ids.setdefault("eos", ends[0])
        others = [i for i in ends if i != ids["eos"]]
        if others:
            ids["eot"] = others[0]
    return ids


def _chat_template(folder: Path, settings: Json) -> str | None:
    file = folder / "chat_template.jinja"
    if file.exists():
        return file.read_text(encoding="utf-8")
    template = settings.get("chat_template")
    if isinstance(template, list):
        named = {entry["name"]: entry["template"] for entry in template}
        template = named.get("default")
    return template if isinstance(template, str) else None


def _adds_bos(tokenizer: Json, bos: str) -> bool:
    """Whether encoding a text puts the begin token in front, by the tokenizer's post-processor."""
    post = tokenizer.get("post_processor") or {}
    steps = post.get("processors", []) if post.get("type") == "Sequence" else [post]
    for step in steps:
        single = step.get("single") or []
        if step.get("type") == "TemplateProcessing" and single:
            return bool(bos) and (single[0].get("SpecialToken") or {}).get("id") == bos
    return False


def _prepends_space(tokenizer: Json) -> bool:
    normalizer = tokenizer.get("normalizer") or {}
    steps = normalizer.get("normalizers", [normalizer])
    if any(step.get("type") == "Prepend" for step in steps):
        return True
    pre = tokenizer.get("pre_tokenizer") or {}
    return pre.get("type") == "Metaspace" and pre.get("prepend_scheme", "always") != "never"
