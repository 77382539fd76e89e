"""A card: a rounded frame with a header row (title, subtitle, tools) above its content."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from app.views.parts import label

HEADER_PX = 24


class Card(QFrame):
    """Put widgets into ``content``; ``add_tool`` puts a button at the right of the header."""

    def __init__(self, title: str, subtitle: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAccessibleName(title)
        self._title = label(title, "title")
        self._subtitle = label(subtitle, "muted")
        self._subtitle.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.header = QHBoxLayout()
        self.header.setSpacing(8)
        self._title.setMinimumHeight(HEADER_PX)
        self.header.addWidget(self._title)
        self.header.addStretch(1)
        self.header.addWidget(self._subtitle)
        self.content = QVBoxLayout()
        self.content.setSpacing(8)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(14, 8, 14, 12)
        outer.setSpacing(8)
        outer.addLayout(self.header)
        outer.addLayout(self.content, 1)

    def set_title(self, text: str) -> None:
        """Change the title."""
        self._title.setText(text)
        self.setAccessibleName(text)

    def set_subtitle(self, text: str) -> None:
        """Change the muted text at the right of the header."""
        self._subtitle.setText(text)

    def add_tool(self, widget: QWidget) -> None:
        """Add ``widget`` at the right end of the header."""
        self.header.addWidget(widget)
