"""The levels at the left of the window: five strips, slowest first."""

from __future__ import annotations

from array import array
from functools import partial
from pathlib import Path

from PySide6.QtCore import QElapsedTimer
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from app.context import AppContext
from app.levels import LevelsController
from app.views.card import Card
from app.views.levels.strip import LevelStrip
from engine.protocol import LEVELS, TokenStats

ACTIVITY_INTERVAL_MS = 50


class LevelsPanel(Card):
    """Strips that show the session and hand edits to the controller."""

    def __init__(self, context: AppContext, levels: LevelsController, parent: QWidget | None = None) -> None:
        super().__init__("Adapter levels", parent=parent)
        self._context, self._levels = context, levels
        self._clock = QElapsedTimer()
        self.strips = {name: LevelStrip(name, context.theme) for name in LEVELS}
        self.content.setSpacing(14)
        for strip in self.strips.values():
            self._connect(strip)
            self.content.addWidget(strip)
        self.content.addStretch(1)
        context.session.changed.connect(self._refresh)
        levels.infos_changed.connect(self._refresh)
        levels.busy_changed.connect(self._refresh)
        context.client.subscribe(TokenStats, self._token)
        self._register_actions()
        self._refresh()

    def _connect(self, strip: LevelStrip) -> None:
        name, levels = strip.level, self._levels
        strip.gain_edited.connect(lambda gain, drag: levels.set_gain(name, gain, drag))
        strip.muted_edited.connect(lambda muted: levels.set_muted(name, muted))
        strip.solo_edited.connect(lambda solo: levels.set_solo(name, solo))
        strip.reset_asked.connect(lambda: levels.set_gain(name, 1.0))
        strip.menu_wanted.connect(lambda: self._fill_menu(strip.menu, name))

    def _register_actions(self) -> None:
        add, levels = self._context.actions.add, self._levels
        for number, name in enumerate(LEVELS, 1):
            focus = self.strips[name].slider.setFocus
            add(f"levels.focus.{name}", f"Go to the {name} level", focus, f"Ctrl+{number}", "Levels", "level")
        for name in LEVELS:
            add(f"levels.load.{name}", f"Load an adapter on {name}…", partial(self.choose_folder, name))
            add(f"levels.gguf.{name}", f"Load a GGUF adapter on {name}…", partial(self.choose_file, name))
            add(f"levels.unload.{name}", f"Unload {name}", partial(levels.unload, name))
            add(f"levels.reset.{name}", f"Reset the gain of {name}", partial(levels.set_gain, name, 1.0))
        mute, unmute = partial(levels.set_all_muted, True), partial(levels.set_all_muted, False)
        add("levels.mute_all", "Mute all levels", mute, "Ctrl+Shift+M", "Levels", "mute")
        add("levels.unmute_all", "Unmute all levels", unmute, "", "Levels", "sound")

    def _fill_menu(self, menu: QMenu, name: str) -> None:
        menu.clear()
        state = self._context.session.value.level(name)
        menu.addAction("Load an adapter folder…", lambda: self.choose_folder(name))
        menu.addAction("Load a GGUF adapter…", lambda: self.choose_file(name))
        menu.addAction("Unload", lambda: self._levels.unload(name)).setEnabled(bool(state.adapter_path))
        menu.addSeparator()
        menu.addAction("Reset the gain to 1", lambda: self._levels.set_gain(name, 1.0))
        menu.addAction(
            "Unmute" if state.muted else "Mute", lambda: self._levels.set_muted(name, not state.muted)
        )
        menu.addAction(
            "Solo off" if state.solo else "Solo", lambda: self._levels.set_solo(name, not state.solo)
        )

    def choose_folder(self, name: str) -> None:
        """Ask for a PEFT folder and lay it on ``name``."""
        path = QFileDialog.getExistingDirectory(
            self, f"Adapter for the {name} level", self._start_folder(name)
        )
        if path:
            self._levels.load_adapter(name, path)

    def choose_file(self, name: str) -> None:
        """Ask for a GGUF adapter and lay it on ``name``."""
        path, _ = QFileDialog.getOpenFileName(
            self, f"GGUF adapter for the {name} level", self._start_folder(name), "GGUF adapters (*.gguf)"
        )
        if path:
            self._levels.load_adapter(name, path)

    def _start_folder(self, name: str) -> str:
        path = self._context.session.value.level(name).adapter_path
        return str(Path(path).parent) if path else ""

    def _refresh(self, *_: object) -> None:
        session = self._context.session.value
        for state, effective in zip(session.levels, session.effective_gains(), strict=True):
            self.strips[state.name].show_state(
                state, effective, self._levels.info(state.name), self._levels.is_busy(state.name)
            )
        used = sum(bool(state.adapter_path) for state in session.levels)
        speaking = sum(
            bool(state.adapter_path) and gain != 0.0
            for state, gain in zip(session.levels, session.effective_gains(), strict=True)
        )
        self.set_subtitle(f"{speaking} of {used} active" if used else "none loaded")

    def _token(self, event: TokenStats) -> None:
        """Show the newest token's activity, at most every 50 ms; the last one stays."""
        if not event.activity or (self._clock.isValid() and self._clock.elapsed() < ACTIVITY_INTERVAL_MS):
            return
        self._clock.start()
        values = array("f", event.activity)  # [levels, layers]; numpy would slow the first paint
        for number, name in enumerate(LEVELS):
            row = values[number * event.n_layers : (number + 1) * event.n_layers]
            self.strips[name].activity.set_activity(sum(row) / len(row))
