"""The settings file of a workspace: what the person chose, kept as it changes.

Writing is atomic and waits until the edits pause. A file that cannot be used is kept beside the
new one, and only what is wrong in it is dropped.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from PySide6.QtCore import QObject, QTimer

from app.notices import Notices
from app.plain import decode, encode
from app.session import LevelState, Session, SessionStore
from app.theme import Mode
from engine.protocol import GAIN_MAX, GAIN_MIN, LEVELS, Sampling
from engine.workspace import atomic_write

NAME, BACKUP_NAME = "settings.json", "settings.bad.json"
DELAY_MS = 400
# Bounds of what the sampling pane can show; anything outside would be refused by the engine.
SAMPLING_BOUNDS: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 5.0),
    "top_k": (0, 1000),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "repetition_penalty": (0.5, 3.0),
    "max_tokens": (1, 32768),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole file. ``geometry`` and ``docks`` are what Qt saved of the window, base64."""

    session: Session = field(default_factory=Session)
    theme: Mode = "system"
    geometry: str = ""
    docks: str = ""
    seen_hints: tuple[str, ...] = ()


def load(folder: Path) -> tuple[Settings, tuple[str, ...]]:
    """The settings of a workspace, and the names of the values that had to be dropped (the file as it
    was is then in ``settings.bad.json``). A workspace without the file gets the defaults."""
    path = folder / NAME
    problems: list[str] = []
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings(), ()
    except (OSError, ValueError):
        data = None
    settings = decode(Settings, data, problems)
    settings = replace(settings, session=_repaired(settings.session, problems))
    if problems:
        shutil.copyfile(path, folder / BACKUP_NAME)
    return settings, tuple(problems)


def _repaired(session: Session, problems: list[str]) -> Session:
    """The five levels in their order, every number within its bounds."""
    found = {level.name: level for level in session.levels}
    if tuple(found) != LEVELS:
        problems.append("session.levels")
    levels = []
    for name in LEVELS:
        state = found.get(name, LevelState(name=name))
        if not GAIN_MIN <= state.gain <= GAIN_MAX:
            problems.append(f"session.levels.{name}.gain")
            state = replace(state, gain=1.0)
        levels.append(state)
    passages = session.passages
    if not 1 <= passages <= 20:
        problems.append("session.passages")
        passages = Session().passages
    sampling = _repaired_sampling(session.sampling, problems)
    return replace(session, levels=tuple(levels), passages=passages, sampling=sampling)


def _repaired_sampling(sampling: Sampling, problems: list[str]) -> Sampling:
    defaults = {f.name: f.default for f in fields(Sampling)}
    wrong = {
        name: defaults[name]
        for name, (low, high) in SAMPLING_BOUNDS.items()
        if not low <= getattr(sampling, name) <= high
    }
    problems.extend(f"session.sampling.{name}" for name in wrong)
    return replace(sampling, **wrong)  # type: ignore[arg-type]


class SettingsFile(QObject):
    """Keeps the file up to date with the session and the window."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        store: SessionStore,
        notices: Notices,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._path = folder / NAME
        self._settings, self._store, self._notices = settings, store, notices
        self._timer = QTimer(self, singleShot=True, interval=DELAY_MS)
        self._timer.timeout.connect(self.save)
        store.changed.connect(lambda old, new: self._timer.start())

    @property
    def folder(self) -> Path:
        """The workspace."""
        return self._path.parent

    @property
    def value(self) -> Settings:
        """The settings as they would be written now."""
        return replace(self._settings, session=self._store.value)

    def set_theme(self, mode: Mode) -> None:
        """Remember the theme."""
        self._replace(replace(self._settings, theme=mode))

    def set_window(self, geometry: str, docks: str) -> None:
        """Remember where the window and its docks are."""
        self._replace(replace(self._settings, geometry=geometry, docks=docks))

    def set_seen(self, hint: str) -> None:
        """Remember that a hint was shown and understood."""
        if hint not in self._settings.seen_hints:
            self._replace(replace(self._settings, seen_hints=(*self._settings.seen_hints, hint)))

    def _replace(self, settings: Settings) -> None:
        if settings != self._settings:
            self._settings = settings
            self._timer.start()

    def save(self) -> None:
        """Write now (called after a pause and when the window closes)."""
        self._timer.stop()
        data = json.dumps({"version": 1, **encode(self.value)}, indent=1, ensure_ascii=False)
        try:
            atomic_write(self._path, data.encode("utf-8"))
        except OSError as error:
            self._notices.show(
                "warning",
                f"The settings could not be saved: {error.strerror or error}.",
                f"Check the space and the permissions of {self._path.parent}.",
                repr(error),
            )
