"""A small bubble that points at one thing to try."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QPoint, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from app.theme import Theme
from app.views.parts import icon_button, label


class Hint(QFrame):
    """Stays at the right of ``anchor`` (at the height that ``point`` gives) until it is dismissed."""

    dismissed = Signal()

    def __init__(
        self, text: str, anchor: QWidget, point: Callable[[], QPoint], theme: Theme, window: QWidget
    ) -> None:
        super().__init__(window)
        self._anchor, self._point, self._window = anchor, point, window
        self.setObjectName("hint")
        self.setAccessibleName(text)
        close = icon_button("close", "Got it", theme, "accent_text")
        close.clicked.connect(self.dismiss)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 4, 4, 4)
        row.addWidget(label("◂  " + text))
        row.addWidget(close)
        for watched in (window, anchor):
            watched.installEventFilter(self)
        self.place()

    def place(self) -> None:
        """Move beside the anchor; hidden while the anchor is."""
        self.adjustSize()
        spot = self._anchor.mapTo(self._window, self._point())
        self.move(spot.x() + 8, spot.y() - self.height() // 2)
        self.setVisible(self._anchor.isVisible())
        self.raise_()

    def dismiss(self) -> None:
        """Close it for good."""
        for watched in (self._window, self._anchor):
            watched.removeEventFilter(self)
        self.hide()
        self.dismissed.emit()
        self.deleteLater()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        moves = (QEvent.Type.Resize, QEvent.Type.Move, QEvent.Type.Show, QEvent.Type.Hide)
        if event.type() in moves:
            self.place()
        return False

    def mousePressEvent(self, event: object) -> None:
        self.dismiss()
