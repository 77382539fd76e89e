"""Will it fit? Answered before a byte of weights is read, with numbers and with ways out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from engine.memory import estimate
from engine.memory.estimate import ModelFacts
from engine.memory.ledger import ACTIVATIONS, BASE_WEIGHTS, EMBEDDER, KV_CACHE
from engine.protocol import LoadSettings, Plan, PlanPart

HEADROOM = "headroom"
CONTEXT_STEP_TOKENS = 256
SMALLEST_CONTEXT_TOKENS = 512


def make_plan(
    facts: ModelFacts,
    settings: LoadSettings,
    level_bytes: int,
    free_bytes: int,
    device: str,
    embedder_bytes: int = estimate.EMBEDDER_BYTES,
) -> Plan:
    """Estimate the memory of one device ('cpu', 'cuda', 'cuda:1') and say whether it is there.

    ``level_bytes`` are all levels together, ``embedder_bytes`` 0 where it is loaded already or lies on
    another device. Layers of a GGUF that stay off the GPU are left out: they lie in the machine's memory.
    """
    case = _Case(facts, settings, level_bytes, embedder_bytes, device)
    parts, total = case.parts(), case.total_bytes()
    fits = total <= free_bytes
    return Plan(
        path=facts.path,
        n_ctx=case.n_ctx,
        parts=parts,
        total_bytes=total,
        free_bytes=free_bytes,
        device=device,
        fits=fits,
        verdict=_verdict(case, total, free_bytes),
        proposals=() if fits else tuple(_proposals(case, total, free_bytes)),
    )


def size_text(n_bytes: float) -> str:
    """Decimal units with one place: '5.2 GB', '310 MB'."""
    if n_bytes >= 1e9:
        return f"{n_bytes / 1e9:.1f} GB"
    return f"{n_bytes / 1e6:.0f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"


@dataclass(frozen=True, slots=True)
class _Case:
    facts: ModelFacts
    settings: LoadSettings
    level_bytes: int
    embedder_bytes: int
    device: str

    @property
    def n_ctx(self) -> int:
        return estimate.context_tokens(self.facts, self.settings)

    @property
    def on_gpu(self) -> bool:
        return self.device != "cpu"

    @property
    def layers_here(self) -> int:
        """Layers on this device, of n_layers + 1 with the output layer."""
        every = self.facts.n_layers + 1
        asked = self.settings.n_gpu_layers
        if not self.on_gpu or self.facts.backend == "hf" or asked < 0:
            return every
        return min(asked, every)

    def parts(self) -> tuple[PlanPart, ...]:
        facts, settings = self.facts, self.settings
        share = self.layers_here / (facts.n_layers + 1)
        kv_cache = estimate.kv_cache_bytes(facts, self.n_ctx, settings.kv_type)
        activations = estimate.activation_bytes(facts, self.n_ctx, settings.flash_attention)
        sizes = {
            BASE_WEIGHTS: round(estimate.weights_bytes(facts) * share),
            "levels": round(self.level_bytes * share),
            KV_CACHE: round(kv_cache * share),
            ACTIVATIONS: activations,
            EMBEDDER: self.embedder_bytes,
            HEADROOM: estimate.HEADROOM_BYTES["gpu" if self.on_gpu else "cpu"],
        }
        return tuple(PlanPart(owner=owner, bytes=size) for owner, size in sizes.items() if size)

    def total_bytes(self) -> int:
        return sum(part.bytes for part in self.parts())

    def with_settings(self, **changes: object) -> _Case:
        return replace(self, settings=replace(self.settings, **changes))  # type: ignore[arg-type]


def _verdict(case: _Case, total: int, free: int) -> str:
    path = Path(case.facts.path)
    model = path.name if case.facts.backend == "gguf" else "/".join(path.parts[-2:])
    where = "on the GPU" if case.on_gpu else "in memory"
    context = f"with a context of {case.n_ctx:,} tokens"
    if total <= free:
        return f"Fits: {model} takes {size_text(total)} of {size_text(free)} free {where}, {context}."
    return (
        f"Does not fit: {model} needs {size_text(total)} {where} {context}, {size_text(free)} are free "
        f"({size_text(total - free)} too little)."
    )


def _proposals(case: _Case, total: int, free: int) -> Iterator[str]:
    """Ways out, each with what it saves; those that suffice alone say so."""
    yield from _smaller_context(case, total, free)
    if case.facts.backend == "gguf":
        yield from _smaller_kv_type(case, total, free)
        yield from _fewer_gpu_layers(case, free)
    else:
        yield from _lower_precision(case, total, free)
    yield from _smaller_model(case, total, free)


def _effect(case: _Case, total: int, free: int) -> str:
    needed = case.total_bytes()
    saves = f"saves {size_text(total - needed)}"
    return f"{saves} and fits" if needed <= free else f"{saves}; {size_text(needed - free)} are still missing"


def _smaller_context(case: _Case, total: int, free: int) -> Iterator[str]:
    """The largest context that fits; where none does, half of it."""
    sizes = range(SMALLEST_CONTEXT_TOKENS, case.n_ctx, CONTEXT_STEP_TOKENS)
    if not sizes:
        return
    n_fitting = bisect_right(sizes, free, key=lambda n_ctx: case.with_settings(n_ctx=n_ctx).total_bytes())
    n_ctx = sizes[n_fitting - 1] if n_fitting else max(SMALLEST_CONTEXT_TOKENS, case.n_ctx // 2)
    yield f"A context of {n_ctx:,} tokens {_effect(case.with_settings(n_ctx=n_ctx), total, free)}."


def _smaller_kv_type(case: _Case, total: int, free: int) -> Iterator[str]:
    if case.settings.kv_type in ("auto", "f32", "f16"):
        yield f"A KV cache in q8_0 {_effect(case.with_settings(kv_type='q8_0'), total, free)}."


def _fewer_gpu_layers(case: _Case, free: int) -> Iterator[str]:
    if not case.on_gpu:
        return
    for n_layers in range(case.layers_here - 1, -1, -1):
        partial = case.with_settings(n_gpu_layers=n_layers)
        if partial.total_bytes() <= free:
            rest = round(estimate.weights_bytes(case.facts) * (1 - n_layers / (case.facts.n_layers + 1)))
            yield (
                f"{n_layers} of {case.facts.n_layers + 1} layers on the GPU fit; {size_text(rest)} of "
                "weights stay in the machine's memory, and answers come more slowly."
            )
            return


def _lower_precision(case: _Case, total: int, free: int) -> Iterator[str]:
    if (case.facts.loaded_dtype_bytes or 0) <= 2:
        return
    half = replace(case, facts=replace(case.facts, loaded_dtype_bytes=2))
    yield f"Loading the weights in bfloat16 instead of float32 {_effect(half, total, free)}."


def _smaller_model(case: _Case, total: int, free: int) -> Iterator[str]:
    weights = next((part.bytes for part in case.parts() if part.owner == BASE_WEIGHTS), 0)
    room = free - (total - weights)
    if room > 0:
        yield f"A smaller model or a smaller quantisation: there is room for {size_text(room)} of weights."
