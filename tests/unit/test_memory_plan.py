"""The plan's numbers and words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.memory import estimate
from engine.memory.estimate import ModelFacts
from engine.memory.plan import make_plan, size_text
from engine.protocol import LoadSettings, Plan

GB = 10**9

# Llama 3.1 8B in Q8_0, and Qwen 7B as transformers would load it in float32.
LLAMA = ModelFacts(
    path="/models/llama-3.1-8b-Q8_0.gguf",
    backend="gguf",
    weights_bytes=8_540_000_000,
    n_params=8_030_000_000,
    n_layers=32,
    d_model=4096,
    n_heads=32,
    n_kv_heads=8,
    head_dim=128,
    n_vocab=128_256,
    n_ctx_train=131_072,
    d_ff=14_336,
)
QWEN = ModelFacts(
    path="/models/Qwen/Qwen-7B",
    backend="hf",
    weights_bytes=15_200_000_000,
    n_params=7_600_000_000,
    n_layers=28,
    d_model=3584,
    n_heads=28,
    n_kv_heads=4,
    head_dim=128,
    n_vocab=152_064,
    n_ctx_train=32_768,
    d_ff=18_944,
    loaded_dtype_bytes=4,
)


def parts(plan: Plan) -> dict[str, int]:
    return {part.owner: part.bytes for part in plan.parts}


def test_kv_cache_of_llama_8b_at_8192_tokens_is_one_gibibyte() -> None:
    assert estimate.kv_cache_bytes(LLAMA, 8192) == 2**30


@pytest.mark.parametrize(("kv_type", "ratio"), [("f32", 2.0), ("q8_0", 17 / 32), ("q4_0", 9 / 32)])
def test_kv_types_scale_the_cache(kv_type: str, ratio: float) -> None:
    assert estimate.kv_cache_bytes(LLAMA, 4096, kv_type) == ratio * estimate.kv_cache_bytes(
        LLAMA, 4096, "f16"
    )


def test_a_gguf_in_float32_keeps_its_cache_in_float32() -> None:
    in_float32 = replace(LLAMA, weights_bytes=4 * LLAMA.n_params)
    assert estimate.kv_cache_bytes(in_float32, 512) == 2 * estimate.kv_cache_bytes(LLAMA, 512)


def test_hugging_face_weights_and_cache_take_the_loaded_dtype() -> None:
    assert estimate.weights_bytes(QWEN) == 4 * QWEN.n_params
    half = replace(QWEN, loaded_dtype_bytes=2)
    assert estimate.kv_cache_bytes(QWEN, 100) == 2 * estimate.kv_cache_bytes(half, 100)


def test_scores_are_counted_only_without_flash_attention() -> None:
    without = estimate.activation_bytes(LLAMA, 32_768, flash_attention=False)
    assert without - estimate.activation_bytes(LLAMA, 32_768, flash_attention=True) > GB


# llama.cpp's own log for a random Llama (d 1024, f 4096, 16 heads, V 1000), MiB of its CPU compute buffer.
@pytest.mark.parametrize(
    ("n_ctx", "flash_attention", "logged_mib"),
    [
        (512, False, 35.01),
        (512, True, 32.51),
        (2048, False, 82.01),
        (2048, True, 34.01),
        (8192, False, 286.01),
        (8192, True, 40.01),
    ],
)
def test_working_memory_is_within_a_fifth_of_what_llama_cpp_logs(
    n_ctx: int, flash_attention: bool, logged_mib: float
) -> None:
    facts = replace(
        LLAMA, n_layers=2, d_model=1024, d_ff=4096, n_heads=16, n_kv_heads=16, head_dim=64, n_vocab=1000
    )
    estimated = estimate.activation_bytes(facts, n_ctx, flash_attention) / 2**20
    assert estimated == pytest.approx(logged_mib, rel=0.2)


def test_a_plan_that_fits_says_so_with_its_numbers() -> None:
    plan = make_plan(LLAMA, LoadSettings(), 80_000_000, 12 * GB, "cuda")
    assert plan.fits
    assert plan.proposals == ()
    assert plan.n_ctx == 4096
    assert plan.total_bytes == sum(parts(plan).values())
    assert parts(plan)["base weights"] == LLAMA.weights_bytes
    assert plan.verdict == (
        f"Fits: llama-3.1-8b-Q8_0.gguf takes {size_text(plan.total_bytes)} of 12.0 GB free on the GPU, "
        "with a context of 4,096 tokens."
    )


def test_a_plan_that_does_not_fit_proposes_what_would() -> None:
    settings = LoadSettings(n_ctx=131_072)
    plan = make_plan(LLAMA, settings, 0, 12 * GB, "cuda")
    assert not plan.fits
    assert plan.verdict.startswith("Does not fit: llama-3.1-8b-Q8_0.gguf needs ")
    context, kv_type, layers = plan.proposals[:3]
    proposed = int(context.split()[3].replace(",", ""))
    assert context.endswith("and fits.")
    assert make_plan(LLAMA, LoadSettings(n_ctx=proposed), 0, 12 * GB, "cuda").fits
    assert not make_plan(LLAMA, LoadSettings(n_ctx=proposed + 256), 0, 12 * GB, "cuda").fits
    assert "q8_0" in kv_type
    n_layers = int(layers.split()[0])
    fewer = LoadSettings(n_ctx=131_072, n_gpu_layers=n_layers)
    assert make_plan(LLAMA, fewer, 0, 12 * GB, "cuda").fits
    assert not make_plan(LLAMA, replace(fewer, n_gpu_layers=n_layers + 1), 0, 12 * GB, "cuda").fits


def test_a_hugging_face_model_is_offered_half_the_precision() -> None:
    plan = make_plan(QWEN, LoadSettings(), 0, 24 * GB, "cpu")
    assert not plan.fits
    assert any("bfloat16" in proposal and proposal.endswith("and fits.") for proposal in plan.proposals)
    assert not any("q8_0" in proposal or "GPU" in proposal for proposal in plan.proposals)


def test_layers_left_off_the_gpu_take_no_room_there() -> None:
    every = parts(make_plan(LLAMA, LoadSettings(), 0, GB, "cuda"))
    half = parts(make_plan(LLAMA, LoadSettings(n_gpu_layers=11), 0, GB, "cuda"))
    assert half["base weights"] == round(every["base weights"] / 3)
    assert half["KV cache"] == round(every["KV cache"] / 3)


@pytest.mark.parametrize(
    ("facts", "asked", "opened"),
    [
        (LLAMA, None, 4096),
        (QWEN, None, 8192),
        (replace(LLAMA, n_ctx_train=512), None, 512),
        (LLAMA, 200_000, 200_000),
        (QWEN, 200_000, 32_768),
    ],
)
def test_context_is_as_asked_else_modest(facts: ModelFacts, asked: int | None, opened: int) -> None:
    assert make_plan(facts, LoadSettings(n_ctx=asked), 0, GB, "cpu").n_ctx == opened


@given(
    n_ctx=st.integers(1, 10**9),
    free=st.integers(0, 10**13),
    levels=st.integers(0, 10**10),
    layers=st.integers(-1, 200),
)
def test_any_plan_adds_up_and_keeps_its_word(n_ctx: int, free: int, levels: int, layers: int) -> None:
    plan = make_plan(LLAMA, LoadSettings(n_ctx=n_ctx, n_gpu_layers=layers), levels, free, "cuda")
    assert plan.total_bytes == sum(part.bytes for part in plan.parts)
    assert plan.fits == (plan.total_bytes <= free) == plan.verdict.startswith("Fits")
    assert bool(plan.proposals) <= (not plan.fits)


@pytest.mark.parametrize(
    ("n_bytes", "text"), [(5_240_000_000, "5.2 GB"), (310_000_000, "310 MB"), (2_000, "2 kB")]
)
def test_sizes_read_as_people_write_them(n_bytes: int, text: str) -> None:
    assert size_text(n_bytes) == text
