"""LoRA adapters in llama.cpp's GGUF form, in and out.

Shapes: a [r, d_in], b [d_out, r]. llama.cpp knows one ``alpha`` for the whole file and scales each pair
by alpha / r (not at all where alpha is 0).
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFWriter, Keys, dequantize

from engine.errors import AdapterMismatch, DamagedFile, UnsupportedInput
from engine.gguf_file import GgufFile, GgufTensor, read_gguf
from engine.levels.adapter import Adapter, BaseModules, LoraPair
from engine.levels.gguf_names import gguf_architecture, gguf_names, rows_to_gguf, rows_to_hf

_PARTS = (".weight.lora_a", ".weight.lora_b")


def write_gguf_adapter(
    adapter: Adapter, base: BaseModules, out: Path, dtype: Literal["f16", "f32"] = "f16"
) -> None:
    """Write an adapter for llama.cpp, whole or not at all.

    Where one alpha gives every pair's scale the numbers of A and B stay as they are; otherwise (rsLoRA,
    alpha by module) the scales are folded into B. Raises AdapterMismatch for modules without a place in
    a GGUF of the base.
    """
    names = gguf_names(base)
    strange = sorted(set(adapter.pairs) - set(names))
    if strange:
        raise AdapterMismatch(
            "Some parts of this adapter have no place in a GGUF of the base.", tuple(strange)
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    os.close(handle)
    temporary = Path(unfinished)
    try:
        writer = GGUFWriter(temporary, gguf_architecture(base.architecture))
        writer.add_type("adapter")
        writer.add_name(adapter.name)
        if adapter.base_model:
            writer.add_base_model_count(1)
            writer.add_base_model_name(0, adapter.base_model)
        writer.add_string(Keys.Adapter.TYPE, "lora")
        _add_pairs(writer, adapter, base, names, np.float16 if dtype == "f16" else np.float32)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def _add_pairs(
    writer: GGUFWriter,
    adapter: Adapter,
    base: BaseModules,
    names: dict[str, str],
    dtype: type[np.float16] | type[np.float32],
) -> None:
    alphas = {pair.scale * pair.rank for pair in adapter.pairs.values()}
    alpha = alphas.pop() if len(alphas) == 1 else 1.0
    exact = not alphas and alpha != 0.0
    writer.add_float32(Keys.Adapter.LORA_ALPHA, alpha if exact else 1.0)
    for module, pair in adapter.pairs.items():
        b = pair.b if exact else pair.b.float() * (pair.scale * pair.rank)
        a = _array(pair.a).astype(dtype)
        rows = rows_to_gguf(_array(b), module, base).astype(dtype)
        writer.add_tensor(names[module] + _PARTS[0], np.ascontiguousarray(a))
        writer.add_tensor(names[module] + _PARTS[1], np.ascontiguousarray(rows))


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().to("cpu", torch.float32).numpy()


def read_gguf_adapter(path: Path, base: BaseModules) -> Adapter:
    """Read an adapter and put it into the base's names and row order.

    Raises UnsupportedInput for a model, an activated or other non-LoRA adapter and for embeddings,
    DamagedFile for a broken file, AdapterMismatch (all differences at once) for another base.
    """
    file = read_gguf(path)
    _check_kind(file)
    architecture = file.text("general.architecture")
    ours = gguf_architecture(base.architecture)
    if architecture != ours:
        raise AdapterMismatch(
            f"This adapter was made for a model of type '{architecture}', the loaded model is '{ours}'.",
            (f"architecture: adapter {architecture}, model {ours}",),
            "Load the model it was trained on, or choose another adapter.",
        )
    parts = _parts(file)
    modules = {name: module for module, name in gguf_names(base).items()}
    wrong = _mismatches(parts, modules, base)
    if wrong:
        raise AdapterMismatch(
            "This adapter does not fit the loaded model.", wrong, "Load the model it was trained on."
        )
    alpha = file.keys.get(Keys.Adapter.LORA_ALPHA, 0.0)
    pairs = {
        modules[name]: _read_pair(path, two, float(alpha) if isinstance(alpha, float) else 0.0)
        for name, two in parts.items()
    }
    fitted = {
        module: LoraPair(pair.a, rows_to_hf(pair.b, module, base).contiguous(), pair.scale)
        for module, pair in pairs.items()
    }
    return Adapter(
        name=file.text("general.name") or path.stem,
        path=str(path),
        pairs=fitted,
        base_model=file.text("general.base_model.0.name"),
        base_architecture=architecture,
    )


def _check_kind(file: GgufFile) -> None:
    if file.text("general.type", "model") != "adapter":
        raise UnsupportedInput(
            f"{file.path.name} holds a whole model, not an adapter.",
            "Open it as the model, and give the level an adapter (a LoRA).",
        )
    kind = file.text(Keys.Adapter.TYPE)
    if kind != "lora":
        raise UnsupportedInput(f"{file.path.name} holds an adapter of type '{kind}'; levels need a LoRA.")
    if Keys.Adapter.ALORA_INVOCATION_TOKENS in file.keys:
        raise UnsupportedInput(
            f"{file.path.name} is an activated LoRA: it works only after certain words of a prompt.",
            "Levels need a LoRA that is always on.",
        )


def _parts(file: GgufFile) -> dict[str, tuple[GgufTensor, GgufTensor]]:
    """The a and b of each tensor name of the base."""
    found: dict[str, dict[int, GgufTensor]] = {}
    for tensor in file.tensors:
        which = next((i for i, part in enumerate(_PARTS) if tensor.name.endswith(part)), None)
        if which is None or len(tensor.shape) != 2:
            raise UnsupportedInput(
                f"The adapter holds '{tensor.name}', which is no LoRA of a linear layer.",
                "Only LoRA on linear layers can be laid on a level.",
            )
        found.setdefault(tensor.name.removesuffix(_PARTS[which]), {})[which] = tensor
    if not found:
        raise DamagedFile(f"The adapter {file.path.name} is empty.", "Download it again.")
    halves = sorted(name for name, two in found.items() if len(two) < 2)
    if halves:
        raise DamagedFile(
            f"The adapter {file.path.name} has only one half of '{halves[0]}'.",
            "Convert or download it again.",
            "\n".join(halves),
        )
    return {name: (two[0], two[1]) for name, two in found.items()}


def _mismatches(
    parts: dict[str, tuple[GgufTensor, GgufTensor]], modules: dict[str, str], base: BaseModules
) -> tuple[str, ...]:
    wrong = []
    for name, (a, b) in parts.items():
        if name not in modules:
            wrong.append(f"{name}: the model has no such linear layer")
            continue
        d_in, d_out = base.linears[modules[name]]
        if a.shape[0] != b.shape[1]:
            wrong.append(f"{name}: A has rank {a.shape[0]}, B has rank {b.shape[1]}")
        if (a.shape[1], b.shape[0]) != (d_in, d_out):
            wrong.append(f"{name}: adapter {a.shape[1]} -> {b.shape[0]}, model {d_in} -> {d_out}")
    return tuple(wrong)


def _read_pair(path: Path, two: tuple[GgufTensor, GgufTensor], alpha: float) -> LoraPair:
    a, b = (_read_tensor(path, tensor) for tensor in two)
    return LoraPair(a, b, alpha / a.shape[0] if alpha else 1.0)


def _read_tensor(path: Path, tensor: GgufTensor) -> torch.Tensor:
    with path.open("rb") as file:
        file.seek(tensor.offset)
        raw = np.frombuffer(file.read(tensor.n_bytes), dtype=np.uint8)
    if raw.size != tensor.n_bytes:
        raise DamagedFile(f"{path.name} became shorter while it was read.", "Copy it again.")
    if tensor.kind == GGMLQuantizationType.F32:
        values: np.ndarray = raw.view(np.float32).reshape(tensor.shape)
    elif tensor.kind == GGMLQuantizationType.F16:
        values = raw.view(np.float16).reshape(tensor.shape)
    else:
        values = _dequantized(raw, tensor)
    if not np.isfinite(values).all():
        raise DamagedFile(f"{path.name} holds numbers that are not finite, in '{tensor.name}'.")
    return torch.from_numpy(values.copy())


def _dequantized(raw: np.ndarray, tensor: GgufTensor) -> np.ndarray:
    try:
        rows = raw.reshape(tensor.shape[0], -1)
        return np.asarray(dequantize(rows, tensor.kind), dtype=np.float32).reshape(tensor.shape)
    except NotImplementedError as error:
        raise UnsupportedInput(
            f"The adapter is stored as {tensor.kind.name}, which cannot be read here.",
            "Convert it as f16 or f32.",
            str(error),
        ) from error
