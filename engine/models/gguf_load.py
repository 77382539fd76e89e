"""Opens a GGUF file in llama.cpp: settings, progress, cancel, and errors in a person's words."""

from __future__ import annotations

import os
from pathlib import Path

import llama_cpp
from gguf import GGMLQuantizationType

from engine.cancel import CancelToken
from engine.errors import BadInput, DamagedFile, EngineError, OutOfMemory, UnsupportedInput
from engine.models import gguf_log
from engine.models.base import ProgressFn
from engine.models.gguf_header import GgufHeader, read_header
from engine.models.gguf_runtime import N_BATCH, LlamaRuntime
from engine.models.load_settings import check_settings, compute_threads
from engine.protocol import LoadSettings

DEFAULT_CTX_TOKENS = 4096
_QUANTISED_KV = ("q8_0", "q4_0")


def load_gguf(path: Path, settings: LoadSettings, progress: ProgressFn, cancel: CancelToken) -> LlamaRuntime:
    """Check the header, map the weights, open a context.

    Raises BadInput kinds for a file or settings that cannot be used, OutOfMemory, and JobCancelled
    (looked at between tensors).
    """
    check_settings(settings)
    gguf_log.install()
    progress("checking the file", None)
    header = read_header(path)
    kv_type = _kv_type(header, settings)
    params = _context_params(header, settings, kv_type)
    cancel.check()
    model = _load_model(header, settings, progress, cancel)
    reason = _unusable(model)
    if reason:
        llama_cpp.llama_model_free(model)
        raise UnsupportedInput(f"{path.name} is {reason}, which cannot hold a conversation here.")
    progress("opening the context", None)
    full_precision = header.quantisation == "F32" or kv_type == "f32"
    runtime = LlamaRuntime(model, header, params, full_precision)
    if cancel.is_set:
        runtime.close()
        cancel.check()
    return runtime


def cpu_has_amx() -> bool:
    """Whether Linux lists AMX. llama.cpp then moves quantised weights into AMX buffers, and under a
    hypervisor that lists AMX but does not let a process use it the first batch of two tokens kills the
    process (seen: SIGSEGV at ``ldtilecfg``); so the extra buffers stay off on such processors."""
    try:
        return "amx_tile" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False


def context_tokens(header: GgufHeader, settings: LoadSettings) -> int:
    """The context to open: as asked, else what the model was trained on, at most 4,096."""
    if settings.n_ctx is None:
        return min(header.n_ctx_train, DEFAULT_CTX_TOKENS)
    return settings.n_ctx


def _kv_type(header: GgufHeader, settings: LoadSettings) -> str:
    kind = settings.kv_type
    if kind == "auto":
        return "f32" if header.quantisation == "F32" else "f16"
    if kind in _QUANTISED_KV and settings.flash_attention is False:
        raise BadInput(
            f"A KV cache of type {kind} needs flash attention.", "Allow flash attention, or choose f16."
        )
    return kind


def _context_params(
    header: GgufHeader, settings: LoadSettings, kv_type: str
) -> llama_cpp.llama_context_params:
    params: llama_cpp.llama_context_params = llama_cpp.llama_context_default_params()
    params.n_ctx = context_tokens(header, settings)
    params.n_batch = params.n_ubatch = N_BATCH
    params.n_seq_max = 1
    params.n_threads = params.n_threads_batch = compute_threads(settings)
    params.type_k = params.type_v = int(GGMLQuantizationType[kv_type.upper()])
    flash = settings.flash_attention
    if flash is None:
        flash = None if kv_type != "f32" else False
    params.flash_attn_type = {
        None: llama_cpp.LLAMA_FLASH_ATTN_TYPE_AUTO,
        True: llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED,
        False: llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED,
    }[flash]
    params.no_perf = True
    return params


def _load_model(header: GgufHeader, settings: LoadSettings, progress: ProgressFn, cancel: CancelToken) -> int:
    shown = -1

    def report(fraction: float, _data: int | None) -> bool:
        nonlocal shown
        if int(fraction * 100) > shown:
            shown = int(fraction * 100)
            progress("reading weights", fraction)
        return not cancel.is_set

    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = settings.n_gpu_layers
    params.use_extra_bufts = not cpu_has_amx()
    callback = llama_cpp.llama_progress_callback(report)
    params.progress_callback = callback
    place = gguf_log.mark()
    model = llama_cpp.llama_model_load_from_file(os.fsencode(header.path), params)
    if not model:
        cancel.check()
        raise _load_error(header.path, gguf_log.problems_since(place))
    return int(model)


def _load_error(path: Path, detail: str) -> EngineError:
    if "alloc" in detail or "out of memory" in detail or "Cannot allocate" in detail:
        return OutOfMemory(
            f"There is no room for {path.name}.",
            "Close other programs, put fewer layers on the GPU, or choose a smaller quantisation.",
            detail,
        )
    if "unknown model architecture" in detail or "pre-tokenizer type" in detail:
        return UnsupportedInput(
            f"{path.name} is a kind of model that this version of llama.cpp does not know.",
            "Update Strata, or choose another model.",
            detail,
        )
    return DamagedFile(
        f"llama.cpp cannot load {path.name}.", "Download it again; see the details for the reason.", detail
    )


def _unusable(model: int) -> str:
    if llama_cpp.llama_model_has_encoder(model):
        return "an encoder-decoder model"
    if not llama_cpp.llama_model_has_decoder(model):
        return "an encoder"
    return "a diffusion model" if llama_cpp.llama_model_is_diffusion(model) else ""
