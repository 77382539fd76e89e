"""What a GGUF model says about itself, checked before llama.cpp maps the file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gguf import MODEL_ARCH_NAMES, LlamaFileType

from engine.errors import DamagedFile, UnsupportedInput
from engine.gguf_file import GgufArray, GgufFile, GgufTensor, read_gguf

_SPLIT = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf", re.IGNORECASE)
_NO_CHAT = {
    "clip": "the picture or sound part of a model",
    "t5encoder": "a text encoder",
    "bert": "an embedding model",
    "nomic-bert": "an embedding model",
    "jina-bert-v2": "an embedding model",
}


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """Facts of a GGUF model. ``n_kv_heads`` is the largest of all layers; ``quantisation`` the usual
    short name ('Q8_0'); ``tensors`` of all parts of a split model; ``parts`` its files in order."""

    path: Path
    parts: tuple[Path, ...]
    architecture: str
    name: str
    n_layers: int
    d_model: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    n_ctx_train: int
    n_vocab: int
    quantisation: str
    chat_template: str | None
    tensors: tuple[GgufTensor, ...]

    @property
    def weights_bytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.n_bytes for tensor in self.tensors)

    @property
    def n_params(self) -> int:
        """Numbers in all tensors."""
        total = 0
        for tensor in self.tensors:
            size = 1
            for dim in tensor.shape:
                size *= dim
            total += size
        return total


def read_header(path: Path) -> GgufHeader:
    """Read and check a model file (of a split model: any part, or the first).

    Raises DamagedFile for a file that is broken, cut short, or a split model with parts missing;
    UnsupportedInput for what is no language model: an adapter, a vocabulary alone, an unknown
    architecture, a projector.
    """
    parts = _parts(path)
    files = [read_gguf(part) for part in parts]
    first = files[0]
    architecture = _architecture(first)
    tensors = tuple(tensor for file in files for tensor in file.tensors)
    if not tensors:
        raise UnsupportedInput(
            f"{path.name} holds only a vocabulary, no model: there are no weights in it.",
            "Choose a GGUF that contains the model's weights.",
        )
    _check_split(first, parts, tensors)
    header = _header(first, architecture, parts, tensors)
    if min(header.n_layers, header.d_model, header.n_heads, header.n_vocab, header.n_ctx_train) < 1:
        raise DamagedFile(
            f"{path.name} does not say how large its model is.",
            "Download the file again, or convert the model again.",
            f"layers {header.n_layers}, width {header.d_model}, heads {header.n_heads}, "
            f"vocabulary {header.n_vocab}, context {header.n_ctx_train}",
        )
    return header


def _parts(path: Path) -> tuple[Path, ...]:
    match = _SPLIT.fullmatch(path.name)
    if match is None:
        return (path,)
    stem, total = match[1], int(match[3])
    if not 1 <= total <= 999:
        raise DamagedFile(f"{path.name} claims to be one of {total} parts.")
    parts = tuple(path.with_name(f"{stem}-{i:05d}-of-{total:05d}.gguf") for i in range(1, total + 1))
    missing = [part.name for part in parts if not part.exists()]
    if missing:
        raise DamagedFile(
            f"The model is split into {total} files, and {len(missing)} of them are not in the folder.",
            "Download the missing files into the same folder.",
            "\n".join(missing),
        )
    return parts


def _architecture(file: GgufFile) -> str:
    name = file.path.name
    architecture = file.text("general.architecture")
    kind = file.text("general.type", "model")
    if kind == "adapter":
        raise UnsupportedInput(
            f"{name} is an adapter (a LoRA), not a model.", "Load its base model, then lay it on a level."
        )
    if kind != "model" or architecture in _NO_CHAT:
        what = _NO_CHAT.get(architecture, f"of type '{kind}'")
        raise UnsupportedInput(
            f"{name} cannot be talked to: it is {what}.", "Choose the language model's own GGUF."
        )
    if architecture not in MODEL_ARCH_NAMES.values():
        raise UnsupportedInput(
            f"{name} has the architecture '{architecture}', which this version does not know.",
            "It may be newer than this program, or no language model.",
        )
    return architecture


def _check_split(first: GgufFile, parts: tuple[Path, ...], tensors: tuple[GgufTensor, ...]) -> None:
    n_split = first.number("split.count", 1)
    if max(n_split, 1) != len(parts):
        raise DamagedFile(
            f"{first.path.name} is one of {n_split} parts, but its name does not say which.",
            "Give the parts their own names again (…-00001-of-000NN.gguf).",
        )
    expected = first.number("split.tensors.count", len(tensors))
    if expected != len(tensors):
        raise DamagedFile(
            f"The parts of this model hold {len(tensors)} tensors, {expected} were written.",
            "Download all parts again.",
        )


def _header(
    file: GgufFile, architecture: str, parts: tuple[Path, ...], tensors: tuple[GgufTensor, ...]
) -> GgufHeader:
    def number(key: str, default: int = 0) -> int:
        return file.number(f"{architecture}.{key}", default)

    d_model, n_heads = number("embedding_length"), number("attention.head_count")
    tokens = file.keys.get("tokenizer.ggml.tokens")
    template = file.text("tokenizer.chat_template")
    return GgufHeader(
        path=parts[0],
        parts=parts,
        architecture=architecture,
        name=file.text("general.name") or parts[0].stem,
        n_layers=number("block_count"),
        d_model=d_model,
        n_heads=n_heads,
        n_kv_heads=number("attention.head_count_kv", n_heads),
        head_dim=number("attention.key_length", d_model // max(n_heads, 1)),
        n_ctx_train=number("context_length"),
        n_vocab=tokens.count if isinstance(tokens, GgufArray) else number("vocab_size"),
        quantisation=_quantisation(file, tensors),
        chat_template=template or None,
        tensors=tensors,
    )


def _quantisation(file: GgufFile, tensors: tuple[GgufTensor, ...]) -> str:
    """The file type by name, or the type that most bytes have."""
    number = file.keys.get("general.file_type")
    if isinstance(number, int):
        known = {int(kind): kind.name for kind in LlamaFileType}
        if number in known:
            return known[number].removeprefix("MOSTLY_").removeprefix("ALL_")
    by_type: dict[str, int] = {}
    for tensor in tensors:
        by_type[tensor.kind.name] = by_type.get(tensor.kind.name, 0) + tensor.n_bytes
    return max(by_type, key=lambda kind: by_type[kind])
