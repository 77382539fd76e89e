"""Who holds the memory: nothing is counted twice, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pynvml
import pytest

from engine.memory.ledger import Ledger
from engine.memory.probe import GpuMemory, HostMemory, Probe, ProcessMemory, TorchMemory, gpu_index
from engine.protocol import LEVELS, LedgerSample

MB = 10**6


class FixedProbe(Probe):
    """Readings as a test wants them."""

    def __init__(self) -> None:
        self.memory = HostMemory(8000 * MB, 5000 * MB)
        self.held = ProcessMemory(900 * MB, 300 * MB)
        self.card: GpuMemory | None = None
        self.allocator: TorchMemory | None = None

    def host(self) -> HostMemory:
        return self.memory

    def process(self) -> ProcessMemory:
        return self.held

    def gpu(self, index: int = 0) -> GpuMemory | None:
        return self.card

    def torch(self, index: int = 0) -> TorchMemory | None:
        return self.allocator


@pytest.fixture
def probe() -> FixedProbe:
    return FixedProbe()


def owners(sample: LedgerSample) -> dict[str, int]:
    return dict(sample.owners)


def test_known_tensors_and_the_rest_make_up_the_process(probe: FixedProbe) -> None:
    ledger = Ledger(probe)
    ledger.set_owner("base weights", lambda: 400 * MB)
    ledger.set_owner("KV cache", lambda: 100 * MB, "native")
    ledger.set_owner("embedder", lambda: 90 * MB, "host")
    sample = ledger.sample()
    assert owners(sample) == {
        "base weights": 400 * MB,
        "KV cache": 100 * MB,
        "embedder": 90 * MB,
        "other of Strata": 610 * MB,
        "other processes": 2100 * MB,
    }
    assert (sample.capacity_bytes, sample.device) == (8000 * MB, "cpu")


def test_mapped_weights_count_no_more_than_the_touched_pages(probe: FixedProbe) -> None:
    ledger = Ledger(probe)
    ledger.set_owner("base weights", lambda: 5000 * MB, "mapped")
    told = owners(ledger.sample())
    assert told["base weights"] == 300 * MB
    assert told["base weights"] + told["other of Strata"] == 1200 * MB
    assert told["other processes"] == 2100 * MB


def test_no_owner_is_ever_negative(probe: FixedProbe) -> None:
    ledger = Ledger(probe)
    ledger.set_owner("base weights", lambda: 6000 * MB)
    assert owners(ledger.sample()) == {
        "base weights": 6000 * MB, "other of Strata": 0, "other processes": 0
    }  # fmt: skip


def test_a_card_is_split_by_driver_allocator_and_tensors(probe: FixedProbe) -> None:
    probe.card = GpuMemory("card", 24_000 * MB, 10_000 * MB, 7000 * MB)
    probe.allocator = TorchMemory(4500 * MB, 5000 * MB)
    ledger = Ledger(probe, "cuda")
    ledger.set_owner("base weights", lambda: 4000 * MB)
    ledger.set_owner("KV cache", lambda: 200 * MB)
    ledger.set_owner("embedder", lambda: 90 * MB, "host")
    sample = ledger.sample()
    assert owners(sample) == {
        "base weights": 4000 * MB,
        "KV cache": 200 * MB,
        "activations": 300 * MB,
        "other of Strata": 2500 * MB,
        "other processes": 3000 * MB,
    }
    assert sum(owners(sample).values()) == 10_000 * MB
    assert (sample.capacity_bytes, sample.device) == (24_000 * MB, "cuda")


def test_llama_cpp_on_a_card_is_counted_beside_torch(probe: FixedProbe) -> None:
    probe.card = GpuMemory("card", 24_000 * MB, 6000 * MB, None)
    ledger = Ledger(probe, "cuda:0")
    ledger.set_owner("base weights", lambda: 4000 * MB, "native")
    told = owners(ledger.sample())
    assert (told["other of Strata"], told["other processes"]) == (0, 2000 * MB)


def test_a_card_that_cannot_be_asked_gives_the_machine_s_memory(probe: FixedProbe) -> None:
    assert Ledger(probe, "cuda").sample().device == "cpu"


def test_owners_come_in_one_order_and_can_be_dropped(probe: FixedProbe) -> None:
    ledger = Ledger(probe)
    for name in ("KV cache", *reversed(LEVELS), "base weights"):
        ledger.set_owner(name, lambda: MB)
    ledger.drop_owner("swarm")
    ledger.drop_owner("never there")
    names = [name for name, _ in ledger.sample().owners]
    assert names == [
        "base weights", "foundation", "domain", "agent", "context", "KV cache", "other of Strata",
        "other processes",
    ]  # fmt: skip


def test_a_real_sample_sees_what_this_process_takes() -> None:
    ledger = Ledger()
    held: list[np.ndarray] = []
    ledger.set_owner("base weights", lambda: sum(array.nbytes for array in held))
    before = owners(ledger.sample())
    held.append(np.ones(40 * MB // 8))
    after = owners(ledger.sample())
    assert after["base weights"] == 40 * MB
    assert abs(after["other of Strata"] - before["other of Strata"]) < 20 * MB


@pytest.mark.parametrize(
    ("device", "index"), [("cpu", None), ("mps", None), ("cuda", 0), ("cuda:0", 0), ("cuda:3", 3)]
)
def test_device_names_give_the_card(device: str, index: int | None) -> None:
    assert gpu_index(device) == index


def test_a_machine_without_a_driver_has_no_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_driver() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", no_driver)
    probe = Probe()
    assert probe.gpus() == ()
    assert probe.gpu(0) is None
    assert probe.free_bytes("cuda") == pytest.approx(probe.host().available_bytes, rel=0.2)


class Reading:
    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A driver with one card."""
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 1)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: index)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda handle: "A card")
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMemoryInfo", lambda handle: Reading(total=10, used=4, free=6))
    return monkeypatch


def test_a_card_tells_its_memory_and_this_process_s_share(driver: pytest.MonkeyPatch) -> None:
    import os

    mine, other = Reading(pid=os.getpid(), usedGpuMemory=3), Reading(pid=1, usedGpuMemory=1)
    driver.setattr(pynvml, "nvmlDeviceGetComputeRunningProcesses", lambda handle: [mine, other])
    (card,) = Probe().gpus()
    assert card == GpuMemory("A card", 10, 4, 3)
    assert card.free_bytes == 6


def test_a_driver_that_hides_processes_gives_no_share(driver: pytest.MonkeyPatch) -> None:
    driver.setattr(pynvml, "nvmlDeviceGetComputeRunningProcesses", lambda handle: [])
    card = Probe().gpu()
    assert card is not None
    assert card.strata_bytes is None


def test_a_card_that_refuses_to_answer_is_left_out(driver: pytest.MonkeyPatch) -> None:
    def refuse(handle: object) -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NO_PERMISSION)

    driver.setattr(pynvml, "nvmlDeviceGetMemoryInfo", refuse)
    assert Probe().gpus() == ()
