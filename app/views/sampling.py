"""How answers are drawn and whether they use the documents."""

from __future__ import annotations

import json
from dataclasses import fields, replace

from PySide6.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QGridLayout,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.context import AppContext
from app.session import Session
from app.settings import SAMPLING_BOUNDS
from app.undo import Answering, SetAnswering
from app.views.card import Card
from app.views.parts import icon_button, label, mind_manners
from engine.protocol import Sampling

MAX_SEED = 2**31 - 1
_NUMBERS: tuple[tuple[str, str, float, int, str], ...] = (
    ("temperature", "Temperature", 0.05, 2, "0 always takes the likeliest token; higher is bolder."),
    ("max_tokens", "Max tokens", 64, 0, "The longest answer, in tokens."),
    ("top_k", "Top-k", 1, 0, "Draw among the k likeliest tokens; 0 is off."),
    ("top_p", "Top-p", 0.01, 2, "Draw among the likeliest tokens that hold this much probability; 1 is off."),
    ("min_p", "Min-p", 0.01, 2, "Leave out tokens below this share of the likeliest one; 0 is off."),
    ("repetition_penalty", "Repetition", 0.05, 2, "Above 1 makes repeating less likely; 1 is off."),
)


class SamplingPanel(Card):
    """Shows the session's sampling; every edit is one undoable step."""

    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__("Sampling", parent=parent)
        self._context = context
        self._boxes: dict[str, QSpinBox | QDoubleSpinBox] = {}
        grid = QGridLayout()
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(6)
        for index, (name, text, step, decimals, tip) in enumerate(_NUMBERS):
            low, high = SAMPLING_BOUNDS[name]
            box = self._box(name, low, high, step, decimals)
            self._place(grid, index, text, box, tip)
        self._seed = self._box("seed", -1, MAX_SEED, 1, 0)
        self._seed.setSpecialValueText("random")
        self._place(
            grid,
            6,
            "Seed",
            self._seed,
            "The same seed draws the same answer; at the bottom: a fresh one each time.",
        )
        self._passages = self._box("passages", 1, 20, 1, 0)
        self._place(
            grid, 7, "Passages", self._passages, "How many passages of your documents go into the prompt."
        )
        self._stop = QLineEdit()
        self._stop.setPlaceholderText("stop strings, e.g.  END, \\n\\n")
        self._stop.setAccessibleName("Stop strings")
        self._stop.setToolTip(
            "The answer ends before any of these; separate them by commas, \\n is a new line."
        )
        self._stop.editingFinished.connect(self._stop_edited)
        self._documents = QCheckBox("Answer from my documents")
        self._documents.setToolTip("Search the library for passages and let the model answer from them.")
        self._documents.clicked.connect(lambda on: self._push("use_documents", use_documents=on))
        self.content.addLayout(grid)
        self.content.addWidget(self._stop)
        self.content.addWidget(self._documents)
        self._add_reset()
        context.session.changed.connect(lambda old, new: self._show(new))
        self._show(context.session.value)

    def _add_reset(self) -> None:
        action = self._context.actions.add(
            "chat.reset_sampling", "Reset sampling", self._reset, menu="Chat", icon="reset"
        )
        tool = icon_button("reset", "Reset sampling to its defaults", self._context.theme)
        tool.clicked.connect(action.trigger)
        self.add_tool(tool)

    def _box(
        self, name: str, low: float, high: float, step: float, decimals: int
    ) -> QSpinBox | QDoubleSpinBox:
        box: QSpinBox | QDoubleSpinBox
        if decimals:
            box = QDoubleSpinBox()
            box.setDecimals(decimals)
            box.setRange(low, high)
            box.setSingleStep(step)
        else:
            box = QSpinBox()
            box.setRange(int(low), int(high))
            box.setSingleStep(int(step))
            box.setGroupSeparatorShown(name == "max_tokens")
        mind_manners(box)
        box.setMinimumWidth(56)
        box.valueChanged.connect(lambda value: self._edited(name, value))
        self._boxes[name] = box
        return box

    def _place(self, grid: QGridLayout, index: int, text: str, box: QWidget, tip: str) -> None:
        cell = QVBoxLayout()
        cell.setSpacing(2)
        caption = label(text, "muted")
        caption.setBuddy(box)
        for widget in (caption, box):
            widget.setToolTip(tip)
            cell.addWidget(widget)
        box.setAccessibleName(text)
        box.setAccessibleDescription(tip)
        grid.addLayout(cell, index // 2, index % 2)

    def _edited(self, name: str, value: float) -> None:
        if name == "passages":
            self._push(name, passages=int(value))
        elif name == "seed":
            self._push(name, seed=None if value < 0 else int(value))
        else:
            self._push(name, **{name: value})

    def _push(self, field: str, **changes: object) -> None:
        before = Answering.of(self._context.session.value)
        own = {name for name in changes if name in {"use_documents", "passages"}}
        if own:
            after = replace(before, **changes)  # type: ignore[arg-type]
        else:
            after = replace(before, sampling=replace(before.sampling, **changes))  # type: ignore[arg-type]
        if after != before:
            text = field.replace("_", " ")
            self._context.undo.push(
                SetAnswering(self._context.session, after, f"{text} {_words(changes)}", field)
            )

    def _stop_edited(self) -> None:
        self._push("stop", stop=parse_stop(self._stop.text()))

    def _reset(self) -> None:
        before = Answering.of(self._context.session.value)
        fresh = Session()
        after = Answering(Sampling(), fresh.use_documents, fresh.passages)
        if after != before:
            self._context.undo.push(SetAnswering(self._context.session, after, "reset sampling"))

    def _show(self, session: Session) -> None:
        values: dict[str, float] = {
            f.name: getattr(session.sampling, f.name) for f in fields(Sampling) if f.name in self._boxes
        }
        values["seed"] = -1 if session.sampling.seed is None else session.sampling.seed
        values["passages"] = session.passages
        for name, box in self._boxes.items():
            box.blockSignals(True)
            box.setValue(values[name])  # type: ignore[arg-type]
            box.blockSignals(False)
        self._passages.setEnabled(session.use_documents)
        self._documents.setChecked(session.use_documents)
        if not self._stop.hasFocus():
            self._stop.setText(format_stop(session.sampling.stop))


def parse_stop(text: str) -> tuple[str, ...]:
    """``'END, \\\\n'`` as ``('END', '\\n')``; blanks around a part and empty parts fall away."""
    parts = (part.strip() for part in text.split(","))
    return tuple(part.replace("\\n", "\n").replace("\\t", "\t") for part in parts if part)


def format_stop(stop: tuple[str, ...]) -> str:
    """The inverse of ``parse_stop``."""
    return ", ".join(json.dumps(part, ensure_ascii=False)[1:-1] for part in stop)


def _words(changes: dict[str, object]) -> str:
    return ", ".join("random" if value is None else str(value) for value in changes.values())
