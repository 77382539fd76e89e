"""What can be undone. Each command holds the absolute state before and after one edit, so that it
says the same whatever happened in between."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count

from PySide6.QtGui import QUndoCommand

from app.session import LevelState, Session, SessionStore
from engine.protocol import Sampling

_MIX_ID, _SAMPLING_ID = 1, 2
_drags = count(1)


def new_drag() -> int:
    """A number for one drag: edits that carry it become one step."""
    return next(_drags)


@dataclass(frozen=True, slots=True)
class Mix:
    """What a strip's controls set."""

    gain: float
    muted: bool = False
    solo: bool = False

    @classmethod
    def of(cls, state: LevelState) -> Mix:
        """The mix of a level as it is now."""
        return cls(state.gain, state.muted, state.solo)


def describe(level: str, before: Mix, after: Mix) -> str:
    """The menu's words for an edit: ``domain gain 1.00 → 0.40``."""
    if before.gain != after.gain:
        return f"{level} gain {before.gain:.2f} → {after.gain:.2f}"
    if before.muted != after.muted:
        return f"{'mute' if after.muted else 'unmute'} {level}"
    return f"solo {level}" if after.solo else f"solo {level} off"


class SetMix(QUndoCommand):
    """Gain, mute and solo of one level. Edits of the same level with the same ``drag`` are one step."""

    def __init__(self, store: SessionStore, level: str, after: Mix, drag: int = 0) -> None:
        self._store, self.level, self.drag = store, level, drag
        self.before, self.after = Mix.of(store.value.level(level)), after
        super().__init__(describe(level, self.before, after))

    def id(self) -> int:
        return _MIX_ID

    def mergeWith(self, other: QUndoCommand) -> bool:
        if not isinstance(other, SetMix) or not self.drag:
            return False
        if (other.level, other.drag) != (self.level, self.drag):
            return False
        self.after = other.after
        self.setText(describe(self.level, self.before, self.after))
        self.setObsolete(self.before == self.after)
        return True

    def redo(self) -> None:
        self._write(self.after)

    def undo(self) -> None:
        self._write(self.before)

    def _write(self, mix: Mix) -> None:
        session = self._store.value
        state = replace(session.level(self.level), gain=mix.gain, muted=mix.muted, solo=mix.solo)
        self._store.set(session.with_level(state))


class SetAdapter(QUndoCommand):
    """Which adapter lies on a level ('' is none)."""

    def __init__(self, store: SessionStore, level: str, path: str, text: str) -> None:
        super().__init__(text)
        self._store, self.level = store, level
        self.before, self.after = store.value.level(level).adapter_path, path

    def redo(self) -> None:
        self._write(self.after)

    def undo(self) -> None:
        self._write(self.before)

    def _write(self, path: str) -> None:
        session = self._store.value
        self._store.set(session.with_level(replace(session.level(self.level), adapter_path=path)))


@dataclass(frozen=True, slots=True)
class Answering:
    """How answers are made: what the sampling pane sets."""

    sampling: Sampling
    use_documents: bool
    passages: int

    @classmethod
    def of(cls, session: Session) -> Answering:
        """The part of a session that this is."""
        return cls(session.sampling, session.use_documents, session.passages)


class SetAnswering(QUndoCommand):
    """Sampling and documents. Edits with the same ``field`` in a row are one step."""

    def __init__(self, store: SessionStore, after: Answering, text: str, field: str = "") -> None:
        super().__init__(text)
        self._store, self.field = store, field
        self.before, self.after = Answering.of(store.value), after

    def id(self) -> int:
        return _SAMPLING_ID

    def mergeWith(self, other: QUndoCommand) -> bool:
        if not isinstance(other, SetAnswering) or not self.field or other.field != self.field:
            return False
        self.after = other.after
        self.setText(other.text())
        self.setObsolete(self.before == self.after)
        return True

    def redo(self) -> None:
        self._write(self.after)

    def undo(self) -> None:
        self._write(self.before)

    def _write(self, value: Answering) -> None:
        self._store.set(
            replace(
                self._store.value,
                sampling=value.sampling,
                use_documents=value.use_documents,
                passages=value.passages,
            )
        )
