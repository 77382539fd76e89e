"""What the commands about models, levels and their memory do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from engine.cancel import CancelToken
from engine.errors import OutOfMemory
from engine.jobs.loaded import Loaded, load_backend
from engine.jobs.planning import plan_model
from engine.memory.ledger import BASE_WEIGHTS, KV_CACHE, Ledger, Place
from engine.models.catalog import detect_backend, scan
from engine.protocol import (
    LEVELS,
    Event,
    FoundModel,
    LevelInfo,
    LevelsChanged,
    LoadLevel,
    LoadModel,
    ModelInfo,
    Plan,
    PlanModel,
    Progress,
    ScanModels,
    UnloadLevel,
    UnloadModel,
)


class ModelRoom:
    """Loading and unloading, on the engine thread; scanning and planning, on the library thread."""

    def __init__(self, loaded: Loaded, ledger: Ledger, emit: Callable[[Event], None]) -> None:
        self._loaded, self._ledger, self._emit = loaded, ledger, emit

    def load(self, command: LoadModel, cancel: CancelToken) -> ModelInfo:
        """Load a model in place of the one there is. Where both fit side by side the old one stays until
        the new one stands; otherwise it goes first, but not before the new one's headers were read."""
        path = Path(command.path).expanduser()
        kind = detect_backend(path)
        held = sum(self._loaded.owner_bytes().values())
        plan = plan_model(path, command.settings, (), credit_bytes=held)
        if not plan.fits and not command.force:
            raise OutOfMemory(plan.verdict, " ".join(plan.proposals) or "Choose a smaller model.")
        if held and plan.total_bytes > plan.free_bytes - held:
            self._loaded.unload()
            self._tell_levels(command.job)

        def progress(stage: str, fraction: float | None) -> None:
            cancel.check()
            self._emit(Progress(job=command.job, stage=stage, fraction=fraction))

        backend, stack = load_backend(kind, path, command.settings, progress, cancel)
        self._loaded.replace(backend, stack)
        self._own(backend.info)
        self._tell_levels(command.job)
        return backend.info

    def _own(self, info: ModelInfo) -> None:
        """Tell the ledger where the bytes of this model lie."""
        on_cpu = info.device == "cpu"
        native: Place = "torch" if info.backend == "hf" else "native"
        weights: Place = "mapped" if info.backend == "gguf" and on_cpu else native
        self._ledger.set_device(info.device)
        for owner in (BASE_WEIGHTS, *LEVELS, KV_CACHE):
            place = weights if owner == BASE_WEIGHTS else native
            self._ledger.set_owner(owner, partial(self._loaded.bytes_of, owner), place)

    def unload(self, command: UnloadModel, cancel: CancelToken) -> None:
        """Free the model."""
        self._loaded.unload()
        self._tell_levels(command.job)

    def load_level(self, command: LoadLevel, cancel: CancelToken) -> LevelInfo:
        """Lay an adapter on a level."""
        info = self._loaded.set_level(command.level, Path(command.path).expanduser())
        self._tell_levels(command.job)
        return info

    def unload_level(self, command: UnloadLevel, cancel: CancelToken) -> LevelInfo:
        """Empty a level."""
        info = self._loaded.clear_level(command.level)
        self._tell_levels(command.job)
        return info

    def _tell_levels(self, job: int) -> None:
        stack = self._loaded.stack
        levels = () if stack is None else stack.levels()
        self._emit(LevelsChanged(job=job, levels=levels, revision=0 if stack is None else stack.revision))

    def scan(self, command: ScanModels, cancel: CancelToken) -> tuple[FoundModel, ...]:
        """Models on this disk."""
        found = []
        for model in scan([Path(folder).expanduser() for folder in command.folders]):
            cancel.check()
            found.append(model)
        return tuple(found)

    def plan(self, command: PlanModel, cancel: CancelToken) -> Plan:
        """Memory before loading, as if the model there is were gone already."""
        held = sum(self._loaded.owner_bytes().values())
        levels = tuple(Path(path).expanduser() for path in command.level_paths)
        return plan_model(Path(command.path).expanduser(), command.settings, levels, credit_bytes=held)
