"""What lies on a stack and at which gains: the part of a level stack that is the same over every backend."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import BadInput
from engine.levels.adapter import Adapter, BaseModules
from engine.protocol import LevelInfo


class LevelBook:
    """Names, gains, revision and descriptions of the levels over one base model."""

    def __init__(self, levels: Sequence[str], base: BaseModules) -> None:
        self._names = tuple(levels)
        self._base = base
        self._gains = (1.0,) * len(self._names)
        self._infos = [LevelInfo(level=name) for name in self._names]
        self._revision = 0

    @property
    def revision(self) -> int:
        """Bumped by every edit that changes what the model computes."""
        return self._revision

    @property
    def gains(self) -> tuple[float, ...]:
        """alpha of every level."""
        return self._gains

    def base_modules(self) -> BaseModules:
        """What an adapter must fit (Hugging Face names)."""
        return self._base

    def levels(self) -> tuple[LevelInfo, ...]:
        """What lies on the stack, in its order."""
        return tuple(self._infos)

    def level_bytes(self) -> dict[str, int]:
        """Bytes each level holds: A and B, copies for edits, and the cached B^T B."""
        return {info.level: info.bytes for info in self._infos}

    def _number(self, level: str) -> int:
        if level not in self._names:
            raise BadInput(f'There is no level "{level}".', f"Levels are: {', '.join(self._names)}.")
        return self._names.index(level)

    def _describe(self, level: str, adapter: Adapter) -> LevelInfo:
        """The entry of a level that ``adapter`` lies on; its bytes are not counted yet."""
        return LevelInfo(
            level=level,
            adapter=adapter.name,
            path=adapter.path,
            rank=adapter.max_rank,
            n_modules=len(adapter.pairs),
            n_params=adapter.n_params,
        )
