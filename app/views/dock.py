"""Docks without a heavy title bar: the card inside has a title, so a slim grip is enough."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QEnterEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QDockWidget, QMainWindow, QWidget

from app.theme import Theme, text_font

GRIP_PX, FLOATING_PX = 8, 26


class Dock(QDockWidget):
    """A movable pane; its object name is what the saved layout knows it by."""

    def __init__(self, id: str, title: str, content: QWidget, theme: Theme, window: QMainWindow) -> None:
        super().__init__(title, window)
        self.setObjectName(id)
        self.setWidget(content)
        self.setTitleBarWidget(_Grip(self, theme))
        self.setAllowedAreas(Qt.DockWidgetArea.AllDockWidgetAreas)


class _Grip(QWidget):
    """Drag it to move the dock, double-click to float it; its dots show under the pointer."""

    def __init__(self, dock: QDockWidget, theme: Theme) -> None:
        super().__init__(dock)
        self._dock, self._theme, self._hovered = dock, theme, False
        self.setCursor(Qt.CursorShape.SizeAllCursor)
        self.setToolTip(f"Drag to move “{dock.windowTitle()}”, double-click to float it")
        dock.topLevelChanged.connect(self._resized)

    def sizeHint(self) -> QSize:
        return QSize(60, FLOATING_PX if self._dock.isFloating() else GRIP_PX)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def _resized(self) -> None:
        self.updateGeometry()
        self.update()

    def enterEvent(self, event: QEnterEvent) -> None:
        self._hovered = True
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        self._hovered = False
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colors = self._theme.colors
        if self._dock.isFloating():
            painter.fillRect(self.rect(), QColor(colors.bg))
            painter.setPen(QColor(colors.muted))
            painter.setFont(text_font(9))
            painter.drawText(QRectF(self.rect()), Qt.AlignmentFlag.AlignCenter, self._dock.windowTitle())
        elif self._hovered:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.dash))
            for step in range(-2, 3):
                painter.drawEllipse(QPointF(self.width() / 2 + 7 * step, self.height() / 2), 1.5, 1.5)
        painter.end()
