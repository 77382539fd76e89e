"""The row below a message: copy, again, edit, versions, and the answer's figures."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QToolTip, QWidget

from app.theme import Theme
from app.views.parts import icon_button, label

HEIGHT_PX = 26


class MessageTools(QWidget):
    """Buttons show while the message is under the pointer, has the focus or is the last; versions
    and figures always."""

    copied = Signal()
    again = Signal()
    edited = Signal()
    version = Signal(int)  # -1 or +1

    def __init__(self, theme: Theme, question: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(HEIGHT_PX)
        self._previous = icon_button("chevron-left", "Previous version", theme)
        self._next = icon_button("chevron-right", "Next version", theme)
        self._count = label("", "muted")
        self._figures = label("", "muted")
        self._figures.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._buttons = self._make_buttons(theme, question)
        self._previous.clicked.connect(lambda: self.version.emit(-1))
        self._next.clicked.connect(lambda: self.version.emit(1))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        if question:
            row.addStretch(1)
        figures = () if question else (self._figures,)
        for widget in (*figures, self._previous, self._count, self._next, *self._buttons):
            row.addWidget(widget)
        if not question:
            row.addStretch(1)
        self.show_versions(1, 1)
        self.show_buttons(False)

    def show_versions(self, number: int, count: int) -> None:
        """'2/3' between two arrows, or nothing for a single version."""
        for widget in (self._previous, self._count, self._next):
            widget.setVisible(count > 1)
        self._count.setText(f"{number}/{count}")
        self._count.setAccessibleName(f"Version {number} of {count}")
        self._previous.setEnabled(number > 1)
        self._next.setEnabled(number < count)

    def show_figures(self, text: str, tip: str = "") -> None:
        """The muted line at the right of the buttons."""
        self._figures.setText(text)
        self._figures.setToolTip(tip)

    def show_buttons(self, shown: bool) -> None:
        """Show or hide the buttons; the row keeps its height."""
        for item in self._buttons:
            item.setVisible(shown)

    def _make_buttons(self, theme: Theme, question: bool) -> tuple[QToolButton, ...]:
        copy = icon_button("copy", "Copy question" if question else "Copy answer", theme)
        copy.clicked.connect(self.copied)
        copy.clicked.connect(lambda: QToolTip.showText(QCursor.pos(), "Copied", self))
        if question:
            edit = icon_button("edit", "Edit and send again", theme)
            edit.clicked.connect(self.edited)
            return copy, edit
        again = icon_button("refresh", "Answer again", theme)
        again.clicked.connect(self.again)
        return copy, again
