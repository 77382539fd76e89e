"""From a model's headers to a plan: where the rooms of models and memory meet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.memory.estimate import EMBEDDER_BYTES, ModelFacts
from engine.memory.plan import make_plan
from engine.memory.probe import Probe
from engine.models.catalog import detect_backend
from engine.models.gguf_header import GgufHeader, read_header
from engine.models.hf_header import HfHeader, read_hf_header
from engine.models.load_settings import check_settings
from engine.protocol import LoadSettings, Plan


def plan_model(
    path: Path,
    settings: LoadSettings,
    level_paths: Sequence[Path],
    credit_bytes: int = 0,
    embedder_loaded: bool = False,
) -> Plan:
    """What ``path`` will take. ``credit_bytes`` are held by a model that will be replaced, and count as
    free. Raises BadInput for a file or folder that is no model."""
    check_settings(settings)
    backend = detect_backend(path)
    device = _device(backend, settings)
    facts = _gguf_facts(path) if backend == "gguf" else _hf_facts(path, settings, device)
    free = Probe().free_bytes(device) + credit_bytes
    embedder = 0 if embedder_loaded or device != "cpu" else EMBEDDER_BYTES
    return make_plan(facts, settings, _file_bytes(level_paths), free, device, embedder)


def _gguf_facts(path: Path) -> ModelFacts:
    return ModelFacts(path=str(path), backend="gguf", **_sizes(read_header(path)))


def _hf_facts(path: Path, settings: LoadSettings, device: str) -> ModelFacts:
    from engine.models.hf_load import choose_device, choose_dtype

    header = read_hf_header(path)
    dtype = choose_dtype(settings.dtype, choose_device(device), header)
    return ModelFacts(
        path=str(path),
        backend="hf",
        d_ff=header.d_ff,
        loaded_dtype_bytes=dtype.itemsize,
        **_sizes(header),
    )


def _sizes(header: GgufHeader | HfHeader) -> dict[str, int]:
    """The numbers that both kinds of header hold under the same names."""
    names = (
        "weights_bytes",
        "n_params",
        "n_layers",
        "d_model",
        "n_heads",
        "n_kv_heads",
        "head_dim",
        "n_vocab",
        "n_ctx_train",
    )
    return {name: getattr(header, name) for name in names}


def _device(backend: str, settings: LoadSettings) -> str:
    """The device the weights will lie on."""
    if settings.device != "auto":
        return settings.device
    if backend == "gguf":
        import llama_cpp

        offload = llama_cpp.llama_supports_gpu_offload() and settings.n_gpu_layers != 0
        return "cuda" if offload else "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _file_bytes(paths: Sequence[Path]) -> int:
    """Adapters take in memory what their files take on disk."""
    files = [file for path in paths for file in (path.glob("*.safetensors") if path.is_dir() else (path,))]
    return sum(file.stat().st_size for file in files if file.is_file())
