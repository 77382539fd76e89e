"""The loaded model and what lies on it: the state of the engine thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from engine.cancel import CancelToken
from engine.errors import BadInput
from engine.levels.adapter import Adapter, BaseModules
from engine.levels.gains import checked_gains
from engine.levels.peft_io import read_adapter
from engine.mailbox import GainMailbox
from engine.models.base import Backend, ProgressFn
from engine.protocol import (
    LEVELS,
    Event,
    Finished,
    GainsApplied,
    LevelInfo,
    LoadSettings,
)


class Stack(Protocol):
    """What both level stacks do (torch modules, llama.cpp)."""

    def base_modules(self) -> BaseModules: ...
    def set_level(self, level: str, adapter: Adapter) -> LevelInfo: ...
    def clear_level(self, level: str) -> LevelInfo: ...
    def set_gains(self, gains: Sequence[float]) -> None: ...
    def levels(self) -> tuple[LevelInfo, ...]: ...
    def activity(self) -> np.ndarray | None: ...
    def level_bytes(self) -> dict[str, int]: ...
    @property
    def revision(self) -> int: ...


def load_backend(
    kind: str, path: Path, settings: LoadSettings, progress: ProgressFn, cancel: CancelToken
) -> tuple[Backend, Stack]:
    """Load a model with the backend ``kind`` and lay an empty stack over it."""
    if kind == "hf":
        from engine.levels.stack import LevelStack
        from engine.models.hf import HfBackend

        hf = HfBackend.load(path, settings, progress, cancel)
        return hf, LevelStack(hf.model)
    from engine.levels.gguf_stack import GgufStack
    from engine.models.gguf import GgufBackend

    gguf = GgufBackend.load(path, settings, progress, cancel)
    return gguf, GgufStack(gguf.handle)


class Loaded:
    """One model with its stack, the gains a person asked for, and the bytes they take."""

    def __init__(self, finish: Callable[[Event], None], mailbox: GainMailbox) -> None:
        self._finish, self._mailbox = finish, mailbox
        self._gains: tuple[float, ...] = (1.0,) * len(LEVELS)
        self.backend: Backend | None = None
        self.stack: Stack | None = None

    def require(self) -> tuple[Backend, Stack]:
        """The model and its stack; BadInput when nothing is loaded."""
        if self.backend is None or self.stack is None:
            raise BadInput("No model is loaded.", "Choose a model first.")
        return self.backend, self.stack

    def replace(self, backend: Backend, stack: Stack) -> None:
        """Put a freshly loaded model in place; the gains carry over."""
        self.unload()
        stack.set_gains(self._gains)
        self.backend, self.stack = backend, stack

    def unload(self) -> None:
        """Free the model."""
        backend, self.backend, self.stack = self.backend, None, None
        if backend is not None:
            backend.close()

    def set_level(self, level: str, path: Path) -> LevelInfo:
        """Read, check and lay an adapter on ``level``; nothing changes when it does not fit."""
        _, stack = self.require()
        _check_level(level)
        return stack.set_level(level, read_adapter(path, stack.base_modules()))

    def clear_level(self, level: str) -> LevelInfo:
        """Take the adapter off ``level``."""
        _, stack = self.require()
        _check_level(level)
        return stack.clear_level(level)

    @property
    def gains(self) -> tuple[float, ...]:
        """The gains in force, slowest level first."""
        return self._gains

    def set_gains(self, gains: Sequence[float]) -> GainsApplied:
        """Apply gains, now and to whatever is loaded later."""
        self._gains = checked_gains(gains, LEVELS)
        if self.stack is not None:
            self.stack.set_gains(self._gains)
        return GainsApplied(revision=0 if self.stack is None else self.stack.revision, gains=self._gains)

    def apply_mail(self) -> GainsApplied | None:
        """Apply the newest waiting gains and end the jobs that sent them; None without mail."""
        if not self._mailbox.waiting:
            return None
        gains, jobs = self._mailbox.take()
        if gains is None:
            return None
        applied = self.set_gains(gains)
        for job in jobs:
            self._finish(Finished(job=job, result=applied))
        return applied

    def owner_bytes(self) -> dict[str, int]:
        """Bytes by owner of what is loaded: 'base weights', each level, 'KV cache'."""
        backend, stack = self.backend, self.stack
        if backend is None or stack is None:
            return {}
        owners = {"base weights": backend.info.weights_bytes, "KV cache": backend.kv_bytes()}
        return owners | stack.level_bytes()

    def bytes_of(self, owner: str) -> int:
        """Bytes of one owner; 0 while nothing is loaded."""
        return self.owner_bytes().get(owner, 0)


def _check_level(level: str) -> None:
    if level not in LEVELS:
        raise BadInput(f"There is no level named '{level}'.", "Levels: " + ", ".join(LEVELS) + ".")
