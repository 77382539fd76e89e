"""What a Hugging Face model folder says about itself, from its headers: no weight is read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import BadInput, DamagedFile, UnsupportedInput
from engine.safetensors_file import open_safetensors

_CONFIG_LIMIT_BYTES = 8 * 2**20
_INDEX_LIMIT_BYTES = 64 * 2**20

# Bits of one number of each safetensors dtype.
_DTYPE_BITS: Mapping[str, int] = {
    "F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16,
    "U16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I8": 8, "U8": 8, "BOOL": 8,
    "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}  # fmt: skip


# transformers' configurations name the same number differently, by family.
_LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_WIDTH = ("hidden_size", "n_embd", "d_model")
_HEADS = ("num_attention_heads", "n_head", "n_heads")
_KV_HEADS = ("num_key_value_heads", "num_kv_heads", "n_head_kv")
_CONTEXT = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length")
_FEED_FORWARD = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size")


@dataclass(frozen=True, slots=True)
class HfTensor:
    """One stored tensor; ``dtype`` in safetensors' spelling ('BF16')."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def n_params(self) -> int:
        """Numbers in it."""
        return math.prod(self.shape)

    @property
    def n_bytes(self) -> int:
        """Bytes in the file."""
        return self.n_params * _DTYPE_BITS[self.dtype] // 8


@dataclass(frozen=True, slots=True)
class HfHeader:
    """Facts of a model folder. ``tensors`` leaves out an output matrix that is tied to the embedding;
    ``dtype`` is the one of most bytes; ``n_ctx_train`` 0 where the model names no limit; ``d_ff`` 0 where
    the configuration does not tell; ``quantisation`` is the method's name ('gptq'), '' for plain weights."""

    path: Path
    architecture: str
    classes: tuple[str, ...]
    n_layers: int
    d_model: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    d_ff: int
    n_vocab: int
    n_ctx_train: int
    tie_word_embeddings: bool
    dtype: str
    quantisation: str
    tensors: tuple[HfTensor, ...]

    @property
    def weights_bytes(self) -> int:
        """Bytes of all tensors as stored, shared ones once."""
        return sum(tensor.n_bytes for tensor in self.tensors)

    @property
    def n_params(self) -> int:
        """Numbers in all tensors, shared ones once."""
        return sum(tensor.n_params for tensor in self.tensors)


def read_hf_header(folder: Path) -> HfHeader:
    """Read config.json and the headers of the safetensors files.

    Raises DamagedFile for broken, cut or missing files, UnsupportedInput for what is no language model,
    BadInput for a folder that cannot be read.
    """
    config = read_json(folder / "config.json", _CONFIG_LIMIT_BYTES)
    tensors = tuple(tensor for file in weight_files(folder) for tensor in _read_tensors(file))
    inner = config.get("text_config")
    return _header(folder, config, {**config, **inner} if isinstance(inner, dict) else config, tensors)


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files of a model, in order: the single one, or all that the index names."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return (single,)
    if not index.is_file():
        raise _no_weights(folder)
    names = read_json(index, _INDEX_LIMIT_BYTES).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise DamagedFile(f"{index.name} does not say which file holds which weights.", _AGAIN)
    shards = sorted(set(names.values()))
    if not shards or any(Path(shard).name != shard for shard in shards):
        raise DamagedFile(f"{index.name} names files outside its folder.", _AGAIN)
    missing = [shard for shard in shards if not (folder / shard).is_file()]
    if missing:
        raise DamagedFile(
            f"{len(missing)} of the model's {len(shards)} weight files are not in the folder.",
            "Download the missing files into the same folder.",
            "\n".join(missing),
        )
    return tuple(folder / shard for shard in shards)


def _no_weights(folder: Path) -> BadInput:
    if any(any(folder.glob(pattern)) for pattern in PICKLE_PATTERNS):
        return UnsupportedInput(
            f"The weights in {folder.name} are Python pickles, which can run code when they are opened.",
            "Choose a version of the model in safetensors, or convert it where you trust it: "
            "AutoModelForCausalLM.from_pretrained(...).save_pretrained(...).",
        )
    return BadInput(
        f"{folder.name} has a config.json but no model.safetensors.", "Choose the folder with the weights."
    )


_AGAIN = "Download the model again."
PICKLE_PATTERNS = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt")


def read_json(path: Path, limit_bytes: int = _CONFIG_LIMIT_BYTES) -> dict[str, object]:
    """The object in a JSON file of at most ``limit_bytes``."""
    try:
        with path.open("rb") as file:
            data = file.read(limit_bytes + 1)
    except OSError as error:
        raise BadInput(
            f"{path.name} cannot be read: {error.strerror}.", "Check the folder's permissions.", str(error)
        ) from error
    if len(data) > limit_bytes:
        raise DamagedFile(f"{path.name} is far too large to be what its name says.", _AGAIN)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"{path.name} is no valid JSON.", _AGAIN, str(error)) from error
    if not isinstance(value, dict):
        raise DamagedFile(f"{path.name} does not hold a configuration.", _AGAIN)
    return value


def _read_tensors(path: Path) -> list[HfTensor]:
    with open_safetensors(path) as weights:
        views = ((name, weights.get_slice(name)) for name in weights.keys())  # noqa: SIM118 - not a dict
        return [HfTensor(name, view.get_dtype(), tuple(view.get_shape())) for name, view in views]


def _header(
    folder: Path, outer: dict[str, object], config: dict[str, object], tensors: tuple[HfTensor, ...]
) -> HfHeader:
    names = {tensor.name for tensor in tensors}
    tied = config.get("tie_word_embeddings", "lm_head.weight" not in names) is True
    if tied:
        tensors = tuple(tensor for tensor in tensors if tensor.name != "lm_head.weight")
    architecture, classes = outer.get("model_type"), outer.get("architectures")
    d_model, n_heads = _number(config, _WIDTH), _number(config, _HEADS)
    n_kv_heads = 1 if config.get("multi_query") is True else _number(config, _KV_HEADS, n_heads)
    header = HfHeader(
        path=folder,
        architecture=architecture if isinstance(architecture, str) else "",
        classes=tuple(map(str, classes)) if isinstance(classes, list) else (),
        n_layers=_number(config, _LAYERS),
        d_model=d_model,
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        head_dim=_number(config, ("head_dim",), d_model // max(n_heads, 1)),
        d_ff=_number(config, _FEED_FORWARD),
        n_vocab=_number(config, ("vocab_size",)),
        n_ctx_train=_number(config, _CONTEXT),
        tie_word_embeddings=tied,
        dtype=_main_dtype(tensors),
        quantisation=_quantisation(outer),
        tensors=tensors,
    )
    if not header.architecture or min(header.n_layers, d_model, n_heads, header.n_vocab) < 1:
        raise UnsupportedInput(
            f"{folder.name} does not describe a language model.",
            "Its config.json must name the model's type, layers, width, heads and vocabulary.",
            f"type '{header.architecture}', layers {header.n_layers}, width {d_model}, heads {n_heads}, "
            f"vocabulary {header.n_vocab}",
        )
    return header


def _number(config: dict[str, object], names: tuple[str, ...], default: int = 0) -> int:
    """The first of these keys that holds a believable count."""
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31:
            return value
    return default


def _main_dtype(tensors: tuple[HfTensor, ...]) -> str:
    by_dtype: dict[str, int] = {}
    for tensor in tensors:
        by_dtype[tensor.dtype] = by_dtype.get(tensor.dtype, 0) + tensor.n_bytes
    return max(by_dtype, key=lambda dtype: by_dtype[dtype], default="")


def _quantisation(config: dict[str, object]) -> str:
    settings = config.get("quantization_config")
    method = settings.get("quant_method") if isinstance(settings, dict) else None
    return method if isinstance(method, str) else ""
