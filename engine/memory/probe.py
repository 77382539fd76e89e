"""What the operating system, the GPU's driver and torch say about memory. All sizes in bytes.

Nothing here fails where a driver, a card or torch is missing: such a reading is None.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from types import ModuleType

import psutil
import pynvml

CHILDREN_EVERY_S = 5.0
"""Looking for child processes walks the whole process table, so it is not done at every reading."""


@dataclass(frozen=True, slots=True)
class HostMemory:
    """The machine's memory; ``available_bytes`` can be taken without swapping."""

    total_bytes: int
    available_bytes: int


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Resident memory of this process and its children. ``file_bytes`` of it are pages of files (mapped
    weights, program code), which the system may drop; ``own_bytes`` are the rest."""

    own_bytes: int
    file_bytes: int


@dataclass(frozen=True, slots=True)
class GpuMemory:
    """One card. ``strata_bytes`` is what the driver counts for this process, None where it does not say."""

    name: str
    total_bytes: int
    used_bytes: int
    strata_bytes: int | None

    @property
    def free_bytes(self) -> int:
        """What a new allocation may take."""
        return self.total_bytes - self.used_bytes


@dataclass(frozen=True, slots=True)
class TorchMemory:
    """torch's allocator on one card: ``allocated_bytes`` in tensors, ``reserved_bytes`` held."""

    allocated_bytes: int
    reserved_bytes: int


class Probe:
    """Takes readings. Not thread-safe: one probe belongs to one thread."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._children: list[psutil.Process] = []
        self._children_seen_s = float("-inf")
        self._driver: bool | None = None

    def host(self) -> HostMemory:
        """The machine's memory now."""
        memory = psutil.virtual_memory()
        return HostMemory(memory.total, memory.available)

    def process(self) -> ProcessMemory:
        """This process and its children; pages that a child shares are counted for the parent only."""
        own, file = _resident(self._process)
        for child in self._living_children():
            try:
                own += _resident(child)[0]
            except psutil.Error:
                self._children_seen_s = float("-inf")  # it has just ended
        return ProcessMemory(own, file)

    def gpu(self, index: int = 0) -> GpuMemory | None:
        """Card ``index`` as torch counts them (or as the driver does, before torch is loaded)."""
        if not self._has_driver():
            return None
        try:
            handle = _handle(index)
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            name = pynvml.nvmlDeviceGetName(handle)
            return GpuMemory(str(name), int(memory.total), int(memory.used), _used_by_this_process(handle))
        except pynvml.NVMLError:  # a slice of a card, or one that answers no questions
            return _as_torch_sees(index)

    def gpus(self) -> tuple[GpuMemory, ...]:
        """All cards the driver knows; none without a driver."""
        if not self._has_driver():
            return ()
        found = (self.gpu(index) for index in range(pynvml.nvmlDeviceGetCount()))
        return tuple(card for card in found if card is not None)

    def torch(self, index: int = 0) -> TorchMemory | None:
        """torch's allocator on card ``index``; None without CUDA or before torch is loaded."""
        torch = _torch_with_cuda()
        if torch is None:
            return None
        return TorchMemory(torch.cuda.memory_allocated(index), torch.cuda.memory_reserved(index))

    def free_bytes(self, device: str) -> int:
        """What may still be taken on ``device`` ('cpu', 'cuda', 'cuda:1')."""
        index = gpu_index(device)
        card = None if index is None else self.gpu(index)
        return self.host().available_bytes if card is None else card.free_bytes

    def _living_children(self) -> list[psutil.Process]:
        now = time.monotonic()
        if now - self._children_seen_s >= CHILDREN_EVERY_S:
            self._children = self._process.children(recursive=True)
            self._children_seen_s = now
        return self._children

    def _has_driver(self) -> bool:
        if self._driver is None:
            try:
                pynvml.nvmlInit()
                self._driver = True
            except pynvml.NVMLError:  # no library, no driver, no permission: no card for us
                self._driver = False
        return self._driver


def gpu_index(device: str) -> int | None:
    """The card's number in a device's name; None for 'cpu' and other devices without CUDA."""
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return None
    return int(number) if number.isdecimal() else 0


def _resident(process: psutil.Process) -> tuple[int, int]:
    """(own, file) bytes: /proc's RSS without and with what is backed by files or shared."""
    memory = process.memory_info()
    shared = int(getattr(memory, "shared", 0))
    return max(0, int(memory.rss) - shared), shared


def _torch_with_cuda() -> ModuleType | None:
    """torch, if it is loaded and has a card in use: a reading must not start CUDA by itself."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return None
    return torch


def _as_torch_sees(index: int) -> GpuMemory | None:
    torch = _torch_with_cuda()
    if torch is None:
        return None
    free, total = torch.cuda.mem_get_info(index)
    return GpuMemory(torch.cuda.get_device_name(index), total, total - free, None)


def _handle(index: int) -> object:
    """The driver's handle of torch's card ``index``: CUDA_VISIBLE_DEVICES renumbers torch's cards only."""
    torch = _torch_with_cuda()
    if torch is None:
        return pynvml.nvmlDeviceGetHandleByIndex(index)
    return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(index).uuid}")


def _used_by_this_process(handle: object) -> int | None:
    own = [
        entry.usedGpuMemory
        for entry in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
        if entry.pid == os.getpid() and entry.usedGpuMemory is not None
    ]
    return sum(own) if own else None
