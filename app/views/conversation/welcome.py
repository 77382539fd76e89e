"""What stands in an empty conversation: what to ask, and one slider to try."""

from __future__ import annotations

import json
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.resources import resource
from app.views.parts import button, label

SHOWN = 3


def sample_questions(path: Path | None = None) -> tuple[str, ...]:
    """The questions that the sample documents suggest; without the file there are none."""
    source = path or resource("samples", "questions.json")
    if not source.is_file():
        return ()
    suggested: list[str] = json.loads(source.read_text(encoding="utf-8"))["suggested"]
    return tuple(suggested[:SHOWN])


class Welcome(QWidget):
    """``asked`` gives the question that was pressed."""

    asked = Signal(str)

    def __init__(self, questions: tuple[str, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setSpacing(8)
        column.addStretch(2)
        self._add(column, label("Ask your documents", "title"))
        hint = "Answers cite the passages they come from. Press a number to open its page."
        self._add(column, label(hint, "muted", wrap=True))
        column.addSpacing(8)
        for question in questions:
            chip = button(question)
            chip.setAccessibleName(f"Ask: {question}")
            chip.clicked.connect(lambda _checked=False, text=question: self.asked.emit(text))
            column.addWidget(chip, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addSpacing(8)
        slider = "Then move a level's slider at the left and ask again: the answer changes with it."
        self._add(column, label(slider, "muted", wrap=True))
        column.addStretch(3)

    @staticmethod
    def _add(column: QVBoxLayout, text: QWidget) -> None:
        column.addWidget(text)
        if hasattr(text, "setAlignment"):
            text.setAlignment(Qt.AlignmentFlag.AlignHCenter)
