"""An error where it happened: what and why, what to do, the detail on demand."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.icons import pixmap
from app.theme import Theme, mono_font
from app.views.parts import button, label
from engine.protocol import ErrorInfo

ICON_PX = 18


class ErrorCard(QFrame):
    """``retried`` when the person wants another try."""

    retried = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("notice")
        self._theme = theme
        self._error = ErrorInfo(text="")
        self._mark = QLabel()
        self._text, self._hint = label("", wrap=True), label("", "muted", wrap=True)
        self._detail = label("", "muted", wrap=True)
        self._detail.setFont(mono_font(8.5))
        self._more = button("Details", flat=True)
        self._more.setCheckable(True)
        self._more.toggled.connect(self._detail.setVisible)
        self._lay_out()
        theme.changed.connect(self._colour)
        self._colour()

    def show_error(self, error: ErrorInfo) -> None:
        """Show this error."""
        self._error = error
        self._text.setText(error.text)
        self._hint.setText(error.hint)
        self._hint.setVisible(bool(error.hint))
        self._detail.setText(error.detail)
        self._more.setVisible(bool(error.detail))
        self._detail.setVisible(bool(error.detail) and self._more.isChecked())
        self.setAccessibleName(f"Error: {error.text} {error.hint}".strip())

    def _lay_out(self) -> None:
        retry = button("Try again")
        retry.clicked.connect(self.retried)
        copy = button("Copy", "Copy the whole error", flat=True)
        copy.clicked.connect(self._copy)
        buttons = QHBoxLayout()
        for widget in (retry, self._more, copy):
            buttons.addWidget(widget)
        buttons.addStretch(1)
        words = QVBoxLayout()
        words.setSpacing(4)
        for text in (self._text, self._hint, self._detail):
            words.addWidget(text)
        words.addLayout(buttons)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 10, 12, 10)
        row.setSpacing(10)
        marks = QVBoxLayout()
        marks.addWidget(self._mark)
        marks.addStretch(1)
        row.addLayout(marks)
        row.addLayout(words, 1)

    def _colour(self) -> None:
        self._mark.setPixmap(pixmap("error", self._theme.colors.error, ICON_PX))

    def _copy(self) -> None:
        parts = (self._error.text, self._error.hint, self._error.detail)
        QGuiApplication.clipboard().setText("\n\n".join(part for part in parts if part))
