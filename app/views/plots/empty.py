"""What stands where a plot will be: its title and how to fill it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel

from app.views.card import Card
from app.views.parts import label

MEMORY = "Memory by owner"
NO_MEMORY = "Memory is measured twice a second as soon as the engine runs."
TOKENS = "Activity by token"
NO_TOKENS = "Lay an adapter on a level and ask something to see its activity, token by token."
LAYERS = "Activity by layer"
NO_LAYERS = "Lay an adapter on a level and ask something to see which layers it works in."


def sentence(text: str) -> QLabel:
    """How to fill an empty plot."""
    out = label(text, "muted", wrap=True)
    out.setAlignment(Qt.AlignmentFlag.AlignCenter)
    return out


class EmptyCard(Card):
    """Stands in for a plot until pyqtgraph is imported."""

    def __init__(self, title: str, text: str) -> None:
        super().__init__(title)
        self.content.addWidget(sentence(text), 1)
