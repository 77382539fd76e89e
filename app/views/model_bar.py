"""The header: wordmark, model and what it is, progress of a load, what the engine does, theme."""

from __future__ import annotations

from PySide6.QtCore import QElapsedTimer, QSize, Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QWidget

from app.context import AppContext
from app.icons import bind_icon, pixmap
from app.model_loader import ModelLoader, model_name
from app.views.model_picker import ModelPicker
from app.views.parts import ElidedLabel, icon_button, label
from engine.protocol import Cancelled, Event, Failed, Finished, ModelInfo, PromptReady, TokenStats

SPEED_INTERVAL_MS = 150
BACKENDS = {"hf": "Hugging Face", "gguf": "llama.cpp"}


class ModelButton(QPushButton):
    """Shows which model is there; opens the picker."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Model")
        self.setToolTip("Choose a model")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFixedWidth(220)
        self._text = ElidedLabel("", "", Qt.TextElideMode.ElideMiddle)
        self._text.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.chevron = QLabel()
        self.chevron.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 0, 8, 0)
        row.addWidget(self._text, 1)
        row.addWidget(self.chevron)

    def show_name(self, name: str) -> None:
        """Show and say the model's name."""
        self._text.setText(name)
        self.setAccessibleName(f"Model: {name}")
        self.setToolTip(f"{name}\nChoose a model")

    def sizeHint(self) -> QSize:
        return QSize(220, 32)


class ModelBar(QWidget):
    """The header of the window."""

    def __init__(self, context: AppContext, loader: ModelLoader, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("header")
        self._context, self._loader = context, loader
        self._clock = QElapsedTimer()
        self._answering = 0
        self._speed = 0.0
        self.button = ModelButton()
        self.picker = ModelPicker(context, loader, self)
        self._chips = {name: label("", "chip") for name in ("context", "layers", "backend")}
        self._stage = label("", "muted")
        self._progress = QProgressBar()
        self._progress.setAccessibleName("Loading the model")
        self._progress.setFixedWidth(140)
        self._progress.setTextVisible(False)
        self._cancel = icon_button("stop", "Stop loading", context.theme)
        self._status = label("", "chip")
        self._theme_button = icon_button("moon", "Light or dark", context.theme)
        self._lay_out()
        self._register_actions()
        loader.changed.connect(self._show)
        for kind in (PromptReady, TokenStats):
            context.client.subscribe(kind, self._answer_goes_on)
        for final in (Finished, Cancelled, Failed):
            context.client.subscribe(final, self._ended)
        context.theme.changed.connect(self._show)
        self._show()

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(2, 4, 0, 2)
        row.setSpacing(8)
        row.addWidget(label("Strata", "wordmark"))
        row.addSpacing(12)
        row.addWidget(self.button)
        for chip in self._chips.values():
            row.addWidget(chip)
        for widget in (self._progress, self._stage, self._cancel):
            row.addWidget(widget)
        row.addStretch(1)
        row.addWidget(self._status)
        row.addWidget(self._theme_button)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.button.clicked.connect(lambda: self.picker.open_below(self.button))
        self._cancel.clicked.connect(self._loader.cancel)

    def _register_actions(self) -> None:
        add = self._context.actions.add
        add(
            "model.choose",
            "Choose a model…",
            lambda: self.picker.open_below(self.button),
            "Ctrl+M",
            "Model",
            "model",
        )
        add("model.folder", "Open a model folder…", self.picker.choose_folder, "", "Model", "folder")
        add("model.gguf", "Open a GGUF model…", self.picker.choose_file, "", "Model", "open")
        add(
            "model.search",
            "Look for models in…",
            self.picker.choose_search_folder,
            menu="Model",
            icon="search",
        )
        add("model.stop", "Stop loading", self._loader.cancel, menu="Model", icon="stop")
        add("model.unload", "Unload the model", self._loader.unload, menu="Model", icon="trash")
        toggle = add("view.theme", "Light or dark", self._toggle_theme, "Ctrl+Shift+L", "View", "moon")
        self._theme_button.clicked.connect(toggle.trigger)

    def _toggle_theme(self) -> None:
        self._context.theme.set_mode("light" if self._context.theme.dark else "dark")

    def _show(self) -> None:
        loader, model = self._loader, self._loader.model
        self.button.show_name(
            model_name(loader.loading)
            if loader.loading
            else self._loader.shown_name
            if model
            else "Choose a model"
        )
        self._show_chips(None if loader.loading else model)
        for widget in (self._progress, self._stage, self._cancel):
            widget.setVisible(bool(loader.loading))
        self._stage.setText(loader.stage)
        self._progress.setRange(0, 0 if loader.fraction is None else 100)
        self._progress.setValue(round(100 * (loader.fraction or 0)))
        self.button.chevron.setPixmap(pixmap("chevron-down", self._context.theme.colors.muted, 14))
        bind_icon(
            self._theme_button, "sun" if self._context.theme.dark else "moon", self._context.theme, "muted"
        )
        for name, enabled in (("model.stop", bool(loader.loading)), ("model.unload", model is not None)):
            self._context.actions.get(name).setEnabled(enabled)
        self._show_status()

    def _show_chips(self, model: ModelInfo | None) -> None:
        for chip in self._chips.values():
            chip.setVisible(model is not None)
        if model is None:
            return
        self._chips["context"].setText(f"ctx {model.n_ctx:,}")
        self._chips["context"].setToolTip(
            f"{model.n_ctx:,} tokens of context (trained with {model.n_ctx_train:,})"
        )
        self._chips["layers"].setText(f"{model.n_layers} layers")
        self._chips["layers"].setToolTip(
            f"{model.architecture}, width {model.d_model}, {model.n_params:,} parameters"
        )
        self._chips["backend"].setText(f"{model.dtype} · {model.device}")
        self._chips["backend"].setToolTip(f"{BACKENDS[model.backend]}: {model.path}")

    def _answer_goes_on(self, event: Event) -> None:
        self._answering = event.job
        if isinstance(event, TokenStats):
            self._speed = event.tokens_per_second
            if self._clock.isValid() and self._clock.elapsed() < SPEED_INTERVAL_MS:
                return
            self._clock.start()
        self._show_status()

    def _ended(self, event: Event) -> None:
        if event.job == self._answering:
            self._answering = 0
            self._show_status()

    def status_text(self) -> str:
        """What the status chip says."""
        return self._status.accessibleName()

    def _show_status(self) -> None:
        if self._answering:
            text, colour = f"generating  {self._speed:.1f} tok/s", self._context.theme.colors.accent
        elif self._loader.loading:
            text, colour = "loading", self._context.theme.colors.warn
        elif self._loader.model is None:
            text, colour = "no model", self._context.theme.colors.dash
        else:
            text = f"ready  {self._speed:.1f} tok/s" if self._speed else "ready"
            colour = self._context.theme.colors.ok
        self._status.setTextFormat(Qt.TextFormat.RichText)
        self._status.setText(f'<span style="color:{colour}">●</span>&nbsp; {text}')
        self._status.setAccessibleName(f"Engine: {text}")
