"""The desired state of the window as one frozen value, replaced whole.

The engine owns what *is* (weights, stores); this is what the person *wants*: which model, which
adapters at which gains, how to sample, which chat. It is what the settings file keeps.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from PySide6.QtCore import QObject, Signal

from engine.protocol import LEVELS, LoadSettings, Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelState:
    """What a person set on one level. ``adapter_path`` '' is an empty level."""

    name: str
    adapter_path: str = ""
    gain: float = 1.0
    muted: bool = False
    solo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Everything a person chose; ``model_path`` '' means no model."""

    model_path: str = ""
    load_settings: LoadSettings = field(default_factory=LoadSettings)
    levels: tuple[LevelState, ...] = tuple(LevelState(name=name) for name in LEVELS)
    sampling: Sampling = field(default_factory=Sampling)
    use_documents: bool = True
    passages: int = 3
    chat_id: str = ""
    draft: str = ""  # written but not sent
    model_folders: tuple[str, ...] = ()

    def effective_gains(self) -> tuple[float, ...]:
        """The gains the engine gets, slowest level first: mute gives 0, and so does another's solo."""
        solo = any(level.solo for level in self.levels)
        return tuple(0.0 if level.muted or (solo and not level.solo) else level.gain for level in self.levels)

    def level(self, name: str) -> LevelState:
        """The state of level ``name``; KeyError if there is none."""
        for level in self.levels:
            if level.name == name:
                return level
        raise KeyError(name)

    def with_level(self, state: LevelState) -> Session:
        """A copy in which ``state`` replaces the level of its name."""
        levels = tuple(state if level.name == state.name else level for level in self.levels)
        return replace(self, levels=levels)


class SessionStore(QObject):
    """Holds the current ``Session`` and tells who asks when it is replaced."""

    changed = Signal(object, object)  # old Session, new Session

    def __init__(self, session: Session | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session or Session()

    @property
    def value(self) -> Session:
        """The current state."""
        return self._session

    def set(self, session: Session) -> None:
        """Replace the state; says nothing when it is the same."""
        if session == self._session:
            return
        old, self._session = self._session, session
        self.changed.emit(old, session)
