"""The welcome for files and folders: drop them, or choose them."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout

from app.context import AppContext
from app.views.library.drops import Offer
from app.views.parts import icon_button, label, restyle

TITLE = "Drop documents here"
PROMISE = "PDF, Word, Markdown, web pages, text and more. They stay on this machine."


class DropZone(QFrame):
    """Shows what a drag over the library would do; the panel feeds it."""

    def __init__(self, context: AppContext) -> None:
        super().__init__()
        self.setObjectName("drop")
        self.setAccessibleName(TITLE)
        self.setAccessibleDescription(PROMISE)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self._title = label(TITLE, "title", wrap=True)
        self._words = label(PROMISE, "muted", wrap=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 10, 10, 10)
        layout.setSpacing(4)
        layout.addStretch(1)
        for text in (self._title, self._words):
            text.setAlignment(Qt.AlignmentFlag.AlignCenter)
            layout.addWidget(text)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addStretch(1)
        for id, icon, words in (
            ("library.add_files", "plus", "Files…"),
            ("library.add_folder", "folder", "Folder…"),
        ):
            action = context.actions.get(id)
            button = icon_button(icon, action.text(), context.theme)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setText(words)  # shorter than the action's: the zone may be narrow
            button.setToolTip(action.toolTip())
            button.setObjectName("chip")
            button.clicked.connect(action.trigger)
            buttons.addWidget(button)
        buttons.addStretch(1)
        layout.addSpacing(6)
        layout.addLayout(buttons)
        layout.addStretch(1)

    def show_offer(self, offer: Offer | None) -> None:
        """Light up for what can be added, say why not, or (None) return to the welcome."""
        state = "" if offer is None else "accept" if offer.paths else "refuse"
        self._title.setText(TITLE if offer is None else offer.words)
        if self.property("state") != state:
            self.setProperty("state", state)
            restyle(self)

    @property
    def title(self) -> str:
        """What it says now."""
        return self._title.text()
