"""How a model is loaded: what the picker's lower half sets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QGridLayout, QSpinBox, QVBoxLayout, QWidget

from app.context import AppContext
from app.views.parts import label, mind_manners
from engine.protocol import LoadSettings

_CHOICES: dict[str, tuple[str, str, tuple[tuple[str, object], ...]]] = {
    "kv_type": (
        "KV cache type",
        "Smaller types hold a longer context in the same memory.",
        (("automatic", "auto"), ("f32", "f32"), ("f16", "f16"), ("q8_0", "q8_0"), ("q4_0", "q4_0")),
    ),
    "flash_attention": (
        "Flash attention",
        "Faster on a long context; needed for a quantised KV cache.",
        (("automatic", None), ("on", True), ("off", False)),
    ),
    "dtype": (
        "Weights as",
        "Hugging Face models only.",
        (("automatic", "auto"), ("float32", "float32"), ("bfloat16", "bfloat16"), ("float16", "float16")),
    ),
    "device": (
        "Device",
        "Hugging Face models only.",
        (("automatic", "auto"), ("CPU", "cpu"), ("CUDA", "cuda")),
    ),
}
_NUMBERS: dict[str, tuple[str, str, int, int, int, str]] = {
    "n_ctx": ("Context", "Tokens the model sees at once.", 0, 1_048_576, 512, "the model's own"),
    "n_gpu_layers": (
        "GPU layers",
        "GGUF models only: how many layers go to the GPU.",
        -1,
        999,
        1,
        "all that fit",
    ),
    "threads": ("Threads", "CPU threads for the model.", 0, 256, 1, "automatic"),
}


class LoadSettingsForm(QWidget):
    """Edits the session's ``load_settings``; they hold from the next load on."""

    def __init__(self, context: AppContext) -> None:
        super().__init__()
        self._context = context
        self._combos: dict[str, QComboBox] = {}
        self._boxes: dict[str, QSpinBox] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(8)
        fields = ("n_ctx", "n_gpu_layers", "kv_type", "flash_attention", "dtype", "device", "threads")
        for index, name in enumerate(fields):
            grid.addLayout(self._cell(name), index // 2, index % 2)
        context.session.changed.connect(lambda old, new: self._show(new.load_settings))
        self._show(context.session.value.load_settings)

    def _cell(self, name: str) -> QVBoxLayout:
        text, tip = (_NUMBERS[name] if name in _NUMBERS else _CHOICES[name])[:2]
        field = self._number(name) if name in _NUMBERS else self._choice(name)
        field.setAccessibleName(text)
        field.setToolTip(tip)
        caption = label(text, "muted")
        caption.setToolTip(tip)
        cell = QVBoxLayout()
        cell.setSpacing(2)
        cell.addWidget(caption)
        cell.addWidget(field)
        return cell

    def _number(self, name: str) -> QSpinBox:
        _, _, low, high, step, special = _NUMBERS[name]
        box = QSpinBox()
        box.setRange(low, high)
        box.setSingleStep(step)
        box.setSpecialValueText(special)
        mind_manners(box)
        box.setAlignment(Qt.AlignmentFlag.AlignLeft)
        box.setGroupSeparatorShown(True)
        keeps_minimum = name == "n_gpu_layers"
        box.valueChanged.connect(
            lambda value: self._write(name, value if keeps_minimum or value != low else None)
        )
        self._boxes[name] = box
        return box

    def _choice(self, name: str) -> QComboBox:
        combo = QComboBox()
        combo.view().setAccessibleName(_CHOICES[name][0])
        for text, value in _CHOICES[name][2]:
            combo.addItem(text, value)
        combo.activated.connect(lambda index: self._write(name, combo.itemData(index)))
        self._combos[name] = combo
        return combo

    def _write(self, name: str, value: Any) -> None:
        session = self._context.session.value
        settings = replace(session.load_settings, **{name: value})
        self._context.session.set(replace(session, load_settings=settings))

    def _show(self, settings: LoadSettings) -> None:
        for name, box in self._boxes.items():
            value = getattr(settings, name)
            box.blockSignals(True)
            box.setValue(box.minimum() if value is None else value)
            box.blockSignals(False)
        for name, combo in self._combos.items():
            values = [value for _, value in _CHOICES[name][2]]
            wanted = getattr(settings, name)
            if wanted not in values:  # a device such as cuda:1 comes from the settings file
                combo.addItem(str(wanted), wanted)
                values.append(wanted)
            combo.setCurrentIndex(values.index(wanted))
