"""The levels as the window wants them, and the commands that make the engine follow.

The session says what should lie on each level; ``_applied`` is what the engine has. Whenever they
differ, one command per level is under way; when it ends, the two are compared again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from app.context import AppContext
from app.session import Session
from app.undo import Mix, SetAdapter, SetMix
from engine.protocol import (
    GAIN_MAX,
    GAIN_MIN,
    LEVELS,
    ErrorInfo,
    Event,
    Failed,
    Finished,
    LevelInfo,
    LevelsChanged,
    LoadLevel,
    SetGains,
    UnloadLevel,
)


@dataclass(slots=True)
class _Level:
    """What the engine has on a level, and the job that is changing it (0: none)."""

    applied: str = ""
    job: int = 0
    info: LevelInfo | None = None


@dataclass(slots=True)
class _Reapply:
    """Adapters laid again after a load: those still open, and what went wrong."""

    waiting: set[str] = field(default_factory=set)
    failed: list[tuple[str, str, ErrorInfo]] = field(default_factory=list)


class LevelsController(QObject):
    """Edits go through the undo stack; the engine follows the session."""

    infos_changed = Signal()
    busy_changed = Signal(str, bool)  # level, whether its adapter is being changed

    def __init__(self, context: AppContext, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context, self._store = context, context.session
        self._levels = {name: _Level() for name in LEVELS}
        self._model_loaded = False
        self._reapply = _Reapply()
        self._sent: tuple[float, ...] | None = None
        self._gain_timer = QTimer(self, singleShot=True, interval=0)
        self._gain_timer.timeout.connect(self._send_gains)
        context.client.subscribe(LevelsChanged, self._levels_changed)
        self._store.changed.connect(self._session_changed)
        self._gain_timer.start()

    def set_gain(self, level: str, gain: float, drag: int = 0) -> None:
        """Set a gain (clamped to its range); edits with the same ``drag`` number are one step."""
        mix = Mix.of(self._store.value.level(level))
        gain = round(min(GAIN_MAX, max(GAIN_MIN, gain)), 2)
        self._push_mix(level, Mix(gain, mix.muted, mix.solo), drag)

    def set_muted(self, level: str, muted: bool) -> None:
        """Mute a level, or not."""
        mix = Mix.of(self._store.value.level(level))
        self._push_mix(level, Mix(mix.gain, muted, mix.solo))

    def set_solo(self, level: str, solo: bool) -> None:
        """Let only the levels that are solo speak."""
        mix = Mix.of(self._store.value.level(level))
        self._push_mix(level, Mix(mix.gain, mix.muted, solo))

    def set_all_muted(self, muted: bool) -> None:
        """Mute or unmute every level, as one step."""
        if all(level.muted == muted for level in self._store.value.levels):
            return
        self._context.undo.beginMacro("mute all levels" if muted else "unmute all levels")
        for level in LEVELS:
            self.set_muted(level, muted)
        self._context.undo.endMacro()

    def load_adapter(self, level: str, path: str) -> None:
        """Lay the adapter at ``path`` on ``level``."""
        name = Path(path).name
        if path != self._store.value.level(level).adapter_path:
            self._context.undo.push(SetAdapter(self._store, level, path, f"load {name} on {level}"))

    def unload(self, level: str) -> None:
        """Take the adapter off ``level``."""
        if self._store.value.level(level).adapter_path:
            self._context.undo.push(SetAdapter(self._store, level, "", f"unload {level}"))

    def info(self, level: str) -> LevelInfo | None:
        """What the engine says lies on ``level`` (None: nothing, or no model)."""
        return self._levels[level].info

    def is_busy(self, level: str) -> bool:
        """Whether the adapter of ``level`` is being changed."""
        return bool(self._levels[level].job)

    def model_loaded(self) -> None:
        """A model is there: lay the session's adapters on it, and report together what does not fit."""
        self._model_loaded = True
        waiting = {level.name for level in self._store.value.levels if level.adapter_path}
        self._reapply = _Reapply(waiting=waiting)
        for level in self._levels.values():
            level.applied, level.job = "", 0
        for name in LEVELS:
            self._reconcile(name)

    def _push_mix(self, level: str, after: Mix, drag: int = 0) -> None:
        if after != Mix.of(self._store.value.level(level)):
            self._context.undo.push(SetMix(self._store, level, after, drag))

    def _session_changed(self, old: Session, new: Session) -> None:
        if old.effective_gains() != new.effective_gains():
            self._gain_timer.start()
        for name in LEVELS:
            if old.level(name).adapter_path != new.level(name).adapter_path:
                self._reconcile(name)

    def _send_gains(self) -> None:
        """Once per turn of the event loop, however many edits there were."""
        gains = self._store.value.effective_gains()
        if gains != self._sent:
            self._sent = gains
            self._context.client.send(SetGains(gains=gains), done=self._gains_done)

    def _gains_done(self, event: Event) -> None:
        if isinstance(event, Failed):
            self._sent = None
            self._context.notices.show_error(event.error)

    def _reconcile(self, name: str) -> None:
        level, wanted = self._levels[name], self._store.value.level(name).adapter_path
        if not self._model_loaded or level.job or wanted == level.applied:
            return
        command = LoadLevel(level=name, path=wanted) if wanted else UnloadLevel(level=name)

        def done(event: Event) -> None:
            if level.job == event.job:
                self._level_done(name, wanted, event)

        level.job = self._context.client.send(command, done=done)
        self.busy_changed.emit(name, True)

    def _level_done(self, name: str, wanted: str, event: Event) -> None:
        level = self._levels[name]
        level.job = 0
        if isinstance(event, Finished):
            level.applied = wanted
        elif self._model_loaded:  # without a model the wish stays, for the next one
            self._go_back(name, wanted, level.applied)
            if isinstance(event, Failed):
                self._report(name, wanted, event.error)
        self._reapplied(name)
        self.busy_changed.emit(name, False)
        self._reconcile(name)

    def _go_back(self, name: str, wanted: str, applied: str) -> None:
        """The engine refused: the session says again what is there, and the step that asked for it
        leaves the undo stack where it is the last one. A newer wish stays."""
        if self._store.value.level(name).adapter_path != wanted:
            return
        stack = self._context.undo
        last = stack.command(stack.index() - 1) if stack.index() else None
        if isinstance(last, SetAdapter) and (last.level, last.after, last.before) == (name, wanted, applied):
            last.setObsolete(True)
            stack.undo()  # drops an obsolete command without running it
        SetAdapter(self._store, name, applied, "").redo()

    def _report(self, name: str, path: str, error: ErrorInfo) -> None:
        if name in self._reapply.waiting:
            self._reapply.failed.append((name, path, error))
        else:
            self._context.notices.show_error(error)

    def _reapplied(self, name: str) -> None:
        """When the last adapter after a load is settled, say in one notice which do not fit."""
        if name not in self._reapply.waiting:
            return
        self._reapply.waiting.discard(name)
        failed = self._reapply.failed
        if self._reapply.waiting or not failed:
            return
        names = ", ".join(f"{Path(path).name} ({level})" for level, path, _ in failed)
        detail = "\n\n".join(f"{level}: {path}\n{e.text}\n{e.detail}" for level, path, e in failed)
        self._context.notices.show(
            "warning",
            f"Left off, because they do not fit this model: {names}.",
            "Load adapters that were trained on this model, or go back to the model before.",
            detail,
        )

    def _levels_changed(self, event: LevelsChanged) -> None:
        """An empty stack means that there is no model (any more)."""
        if not event.levels:
            self._model_loaded = False
        found = {info.level: info for info in event.levels}
        for name, level in self._levels.items():
            level.info = found.get(name)
        self.infos_changed.emit()
