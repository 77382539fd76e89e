"""Loading models: plan first, then load, with progress and a way to stop; adapters follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from app.context import AppContext
from app.levels import LevelsController
from app.units import format_bytes
from engine.protocol import (
    Event,
    Failed,
    Finished,
    FoundModel,
    LevelsChanged,
    LoadModel,
    LoadSettings,
    ModelInfo,
    Plan,
    PlanModel,
    Progress,
    ScanModels,
    UnloadModel,
)


class ModelLoader(QObject):
    """Which model is there, which one is coming, and which lie on the disk."""

    changed = Signal()  # model, loading, stage or fraction
    found_changed = Signal()
    loaded = Signal(object)  # ModelInfo

    def __init__(self, context: AppContext, levels: LevelsController, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context, self._levels = context, levels
        self._job = 0
        self._scan_job = 0
        self._next: Callable[[], None] | None = None
        self.model: ModelInfo | None = None
        self.loading = ""
        self.stage = ""
        self.fraction: float | None = None
        self.found: tuple[FoundModel, ...] = ()
        context.client.subscribe(LevelsChanged, self._levels_changed)

    @property
    def shown_name(self) -> str:
        """What people call the loaded model: as the list of found models does, else by its file."""
        if self.model is None:
            return ""
        listed = next((found.name for found in self.found if found.path == self.model.path), "")
        return listed or self.model.name

    @property
    def scanning(self) -> bool:
        """Whether the disk is being looked through."""
        return bool(self._scan_job)

    def load(self, path: str, settings: LoadSettings | None = None, force: bool = False) -> None:
        """Load the model at ``path`` with ``settings`` (else the session's). A load under way is
        stopped first. Without ``force`` a model that does not fit is offered, not loaded."""
        chosen = settings or self._context.session.value.load_settings
        if self._job:
            self._next = lambda: self.load(path, chosen, force)
            self.cancel()
            return
        self.loading = path
        if force:
            self._load(path, chosen, force)
            return
        adapters = tuple(s.adapter_path for s in self._context.session.value.levels if s.adapter_path)
        self._say("checking memory", None)
        self._job = self._context.client.send(
            PlanModel(path=path, settings=chosen, level_paths=adapters),
            done=lambda event: self._planned(path, chosen, event),
        )

    def cancel(self) -> None:
        """Stop the load under way."""
        if self._job:
            self._say("stopping", None)
            self._context.client.cancel(self._job)

    def unload(self) -> None:
        """Free the model; the levels keep their adapters for the next one."""
        self._context.client.send(UnloadModel(), done=self._report)
        self._context.session.set(replace(self._context.session.value, model_path=""))

    def scan(self) -> None:
        """Look for models on this disk; ``found_changed`` tells when they are there."""
        if not self._scan_job:
            folders = self._context.session.value.model_folders
            self._scan_job = self._context.client.send(ScanModels(folders=folders), done=self._scanned)
            self.found_changed.emit()

    def add_folder(self, folder: str) -> None:
        """Look into ``folder`` too, from now on."""
        session = self._context.session.value
        if folder not in session.model_folders:
            folders = (*session.model_folders, folder)
            self._context.session.set(replace(session, model_folders=folders))
        self.scan()

    def _planned(self, path: str, settings: LoadSettings, event: Event) -> None:
        self._job = 0
        if isinstance(event, Finished) and isinstance(event.result, Plan):
            if self.stage != "stopping" and event.result.fits:
                self._load(path, settings, force=False)
                return
            if not event.result.fits:
                self._offer(path, settings, event.result)
        self._ended(event)

    def _offer(self, path: str, settings: LoadSettings, plan: Plan) -> None:
        parts = "\n".join(f"{part.owner}: {format_bytes(part.bytes)}" for part in plan.parts)
        self._context.notices.show(
            "warning",
            plan.verdict,
            "\n".join(plan.proposals),
            f"{path}\ncontext {plan.n_ctx:,} tokens on {plan.device}\n{parts}\n"
            f"total {format_bytes(plan.total_bytes)}, free {format_bytes(plan.free_bytes)}",
            (("Load anyway", lambda: self.load(path, settings, force=True)),),
        )

    def _load(self, path: str, settings: LoadSettings, force: bool) -> None:
        self._say("loading", None)
        self._job = self._context.client.send(
            LoadModel(path=path, settings=settings, force=force),
            done=lambda event: self._load_done(path, settings, event),
            on_event=self._progress,
        )

    def _progress(self, event: Event) -> None:
        if isinstance(event, Progress) and self.stage != "stopping":
            self._say(event.stage, event.fraction)

    def _load_done(self, path: str, settings: LoadSettings, event: Event) -> None:
        self._job = 0
        if isinstance(event, Finished) and isinstance(event.result, ModelInfo):
            self.model = event.result
            session = self._context.session.value
            self._context.session.set(replace(session, model_path=path, load_settings=settings))
            self._levels.model_loaded()
            self.loaded.emit(event.result)
        self._ended(event)

    def _ended(self, event: Event) -> None:
        """Nothing is under way any more; start what waits for that."""
        self.loading = ""
        self._say("", None)
        self._report(event)
        if self._next is not None:
            waiting, self._next = self._next, None
            waiting()

    def _report(self, event: Event) -> None:
        if isinstance(event, Failed):
            self._context.notices.show_error(event.error)

    def _scanned(self, event: Event) -> None:
        self._scan_job = 0
        self._report(event)
        if isinstance(event, Finished) and isinstance(event.result, tuple):
            self.found = event.result
        self.found_changed.emit()
        self.changed.emit()

    def _levels_changed(self, event: LevelsChanged) -> None:
        if not event.levels and self.model is not None:
            self.model = None
            self.changed.emit()

    def _say(self, stage: str, fraction: float | None) -> None:
        self.stage, self.fraction = stage, fraction
        self.changed.emit()


def model_name(path: str) -> str:
    """What to call a model before it is loaded: its folder or its file without the suffix."""
    found = Path(path)
    return found.stem if found.suffix.lower() == ".gguf" else found.name
