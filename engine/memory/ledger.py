"""Who holds the memory, measured: every byte has one owner.

On a CPU the owners' known sizes come first, what else the process holds is 'other of Strata', and what
else the machine has in use is 'other processes'. On a GPU the driver's figure for the card is split the
same way; torch's allocator tells the activations: allocated bytes that belong to no known tensor.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from engine.memory.probe import GpuMemory, Probe, ProcessMemory, TorchMemory, gpu_index
from engine.protocol import LEVELS, LedgerSample

BASE_WEIGHTS = "base weights"
KV_CACHE = "KV cache"
ACTIVATIONS = "activations"
EMBEDDER = "embedder"
OTHER_OF_STRATA = "other of Strata"
OTHER_PROCESSES = "other processes"
ORDER = (BASE_WEIGHTS, *LEVELS, KV_CACHE, ACTIVATIONS, EMBEDDER)

Place = Literal["torch", "native", "mapped", "host"]
"""Where an owner's bytes lie: in torch tensors on the model's device, in llama.cpp's buffers there, in a file
mapped into memory (of which only the touched pages take room), or in RAM whatever the model's device is."""


@dataclass(frozen=True, slots=True)
class _Owner:
    measure: Callable[[], int]
    place: Place


class Ledger:
    """Owners and their sizes. ``set_owner`` may come from another thread than ``sample``."""

    def __init__(self, probe: Probe | None = None, device: str = "cpu") -> None:
        self._probe = probe or Probe()
        self._device = device
        self._owners: dict[str, _Owner] = {}
        self._lock = threading.Lock()

    def set_owner(self, name: str, measure: Callable[[], int], place: Place = "torch") -> None:
        """Ask ``measure`` for the bytes of ``name`` at every sample. It must be quick and not raise."""
        with self._lock:
            self._owners[name] = _Owner(measure, place)

    def drop_owner(self, name: str) -> None:
        """Forget an owner; one that is not there is no error."""
        with self._lock:
            self._owners.pop(name, None)

    def set_device(self, device: str) -> None:
        """The device whose memory is told from now on: 'cpu', 'cuda', 'cuda:1'."""
        with self._lock:
            self._device = device

    def sample(self) -> LedgerSample:
        """Measure now. Owners come in a fixed order, levels slowest first, the others last."""
        with self._lock:
            device, owners = self._device, dict(self._owners)
        index = gpu_index(device)
        card = None if index is None else self._probe.gpu(index)
        if index is None or card is None:
            return self._host_sample(owners)
        return _gpu_sample(owners, card, self._probe.torch(index), device)

    def _host_sample(self, owners: dict[str, _Owner]) -> LedgerSample:
        host, process = self._probe.host(), self._probe.process()
        known = _resident_sizes(owners, process)
        mapped = sum(size for name, size in known.items() if owners[name].place == "mapped")
        in_tensors = sum(known.values()) - mapped
        other = process.own_bytes + process.file_bytes - mapped - in_tensors
        in_use = host.total_bytes - host.available_bytes
        others = in_use - max(process.own_bytes, in_tensors)
        return _sample(known, other, others, host.total_bytes, "cpu")


def _resident_sizes(owners: dict[str, _Owner], process: ProcessMemory) -> dict[str, int]:
    """Bytes by owner in RAM. Of mapped files no more can be resident than the process has file pages."""
    sizes = {name: owner.measure() for name, owner in owners.items()}
    room = process.file_bytes
    for name, owner in owners.items():
        if owner.place == "mapped":
            sizes[name] = min(sizes[name], room)
            room -= sizes[name]
    return sizes


def _gpu_sample(
    owners: dict[str, _Owner], card: GpuMemory, torch: TorchMemory | None, device: str
) -> LedgerSample:
    """Split one card. A driver that does not tell this process's share (containers, WSL) leaves the CUDA
    context among the other processes."""
    known = {name: owner.measure() for name, owner in owners.items() if owner.place in ("torch", "native")}
    native = sum(size for name, size in known.items() if owners[name].place == "native")
    if torch is not None and ACTIVATIONS not in known:
        known[ACTIVATIONS] = max(0, torch.allocated_bytes - (sum(known.values()) - native))
    reserved = torch.reserved_bytes if torch is not None else 0
    strata = reserved + native if card.strata_bytes is None else card.strata_bytes
    strata = max(strata, sum(known.values()))
    return _sample(known, strata - sum(known.values()), card.used_bytes - strata, card.total_bytes, device)


def _sample(known: dict[str, int], other: int, others: int, capacity: int, device: str) -> LedgerSample:
    rank = {name: position for position, name in enumerate(ORDER)}
    names = sorted(known, key=lambda name: rank.get(name, len(rank)))
    owners = [(name, known[name]) for name in names]
    owners += [(OTHER_OF_STRATA, max(0, other)), (OTHER_PROCESSES, max(0, others))]
    return LedgerSample(time_s=time.time(), owners=tuple(owners), capacity_bytes=capacity, device=device)
