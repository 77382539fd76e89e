"""Does an adapter fit the loaded model? Every difference is named at once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

import torch

from engine.errors import AdapterMismatch
from engine.levels.adapter import Adapter, BaseModules, LoraPair
from engine.levels.gguf_names import gguf_architecture

_LAYER = re.compile(r"^(.*?)\.(\d+)\.(.*)$")


def check_adapter(adapter: Adapter, base: BaseModules) -> None:
    """Raise AdapterMismatch naming everything that keeps ``adapter`` from fitting ``base``."""
    foreign = (*_architecture(adapter, base), *_missing(adapter, base), *_widths(adapter, base))
    damaged = tuple(_damage(adapter))
    if foreign:
        made_for = f" ({adapter.base_model})" if adapter.base_model else ""
        raise AdapterMismatch(
            f'"{adapter.name}" does not fit this model. It was made for another model{made_for}: '
            f"{_some(foreign + damaged)}.",
            foreign + damaged,
            "Load the model this adapter was trained on, or choose an adapter for this one.",
        )
    if damaged:
        raise AdapterMismatch(
            f'"{adapter.name}" is damaged: {_some(damaged)}.', damaged, "Download it again or train it anew."
        )


def _some(mismatches: tuple[str, ...]) -> str:
    more = f"; and {len(mismatches) - 3} more" if len(mismatches) > 3 else ""
    return "; ".join(mismatches[:3]) + more


def _architecture(adapter: Adapter, base: BaseModules) -> Iterable[str]:
    named = adapter.base_architecture
    if named and named != base.architecture and named != gguf_architecture(base.architecture):
        yield f"it is for the {named} architecture, this model is {base.architecture}"


def _missing(adapter: Adapter, base: BaseModules) -> Iterable[str]:
    beyond: set[int] = set()
    unknown: dict[str, set[int]] = defaultdict(set)
    for path in adapter.pairs:
        if path in base.linears:
            continue
        layer, name = _split(path)
        if layer is not None and layer >= base.n_layers and _known_name(name, base):
            beyond.add(layer)
        elif layer is None:
            unknown[path]
        else:
            unknown[name].add(layer)
    if beyond:
        do = "does" if len(beyond) == 1 else "do"
        yield f"{_layers(beyond)} {do} not exist in this model ({base.n_layers} layers)"
    for name, layers in sorted(unknown.items()):
        where = f" ({_layers(layers)})" if layers else ""
        yield f"this model has no {name}{where}"


def _widths(adapter: Adapter, base: BaseModules) -> Iterable[str]:
    wrong: dict[tuple[str, int, int, int, int], set[int]] = defaultdict(set)
    for path, pair in adapter.pairs.items():
        if path not in base.linears:
            continue
        d_in, d_out = base.linears[path]
        found_in, found_out = _pair_widths(pair)
        if (d_in, d_out) != (found_in, found_out):
            layer, name = _split(path)
            wrong[name, found_in, found_out, d_in, d_out].add(-1 if layer is None else layer)
    for (name, found_in, found_out, d_in, d_out), layers in sorted(wrong.items()):
        where = "" if layers == {-1} else f" ({_layers(layers)})"
        yield f"{name} is {found_in} to {found_out} wide in the adapter, {d_in} to {d_out} here{where}"


def _damage(adapter: Adapter) -> Iterable[str]:
    if not adapter.pairs:
        yield "it holds no weights"
    for path, pair in adapter.pairs.items():
        if pair.a.shape[0] != pair.b.shape[1]:
            yield f"{path}: A has rank {pair.a.shape[0]}, B has rank {pair.b.shape[1]}"
        if not (torch.isfinite(pair.a).all() and torch.isfinite(pair.b).all()):
            yield f"{path} holds numbers that are not finite (NaN or infinity)"


def _pair_widths(pair: LoraPair) -> tuple[int, int]:
    return pair.a.shape[1], pair.b.shape[0]


def _split(path: str) -> tuple[int | None, str]:
    """('model.layers.3.mlp.up_proj') -> (3, 'mlp.up_proj')."""
    found = _LAYER.match(path)
    return (int(found.group(2)), found.group(3)) if found else (None, path)


def _known_name(name: str, base: BaseModules) -> bool:
    return any(path.endswith("." + name) for path in base.linears)


def _layers(numbers: set[int]) -> str:
    """{24, 25, 26, 30} -> 'layers 24-26, 30'."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    text = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
    return f"{'layer' if len(numbers) == 1 else 'layers'} {text}"
