"""What a drag over the window would do, said while it hovers; an adapter chooses its level."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QWidget

from app.drops import Dropped, dropped
from app.icons import pixmap
from app.theme import LEVEL_COLOURS, Theme, text_font
from engine.protocol import LEVELS

_CARD = (460.0, 150.0)
_TARGET_PX, _GAP_PX = 132.0, 12.0
_ICONS = {"model": "model", "adapter": "level", "documents": "library", "nothing": "close"}


class DropOverlay(QWidget):
    """Covers the window while something is dragged over it; takes the drop itself."""

    chosen = Signal(object, str)  # Dropped, level ('' but for adapters)

    def __init__(self, theme: Theme, window: QWidget) -> None:
        super().__init__(window)
        self._theme, self._window = theme, window
        self._what: Dropped | None = None
        self._level = ""
        self.setAcceptDrops(True)
        self.setMouseTracking(True)
        self.setAccessibleName("Drop here")
        self.hide()

    @property
    def what(self) -> Dropped | None:
        """What is being dragged."""
        return self._what

    def begin(self, event: QDragEnterEvent) -> None:
        """Cover the window: a drag with files has come in."""
        self._what, self._level = dropped(event.mimeData()), ""
        self.setGeometry(self._window.rect())
        self.raise_()
        self.show()
        self._judge(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        self._what = dropped(event.mimeData())
        self._judge(event)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        self._judge(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        self.hide()
        self._level = self.level_at(event.position()) if self._is_adapter() else ""
        if not self._can_drop():
            event.ignore()
            return
        event.acceptProposedAction()
        self.chosen.emit(self._what, self._level)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """The mouse moves freely, so the drag has ended without a word."""
        self.hide()

    def _judge(self, event: QDragMoveEvent) -> None:
        """Show what a drop here would do."""
        self._level = self.level_at(event.position()) if self._is_adapter() else ""
        if self._can_drop():
            event.acceptProposedAction()
        else:  # accepted all the same: else Qt would not tell when the drag leaves
            event.setDropAction(Qt.DropAction.IgnoreAction)
            event.accept()
        self.update()

    def _is_adapter(self) -> bool:
        return self._what is not None and self._what.kind == "adapter"

    def _can_drop(self) -> bool:
        kind = self._what.kind if self._what is not None else "nothing"
        return kind in ("model", "documents") or (kind == "adapter" and bool(self._level))

    def target(self, level: str) -> QRectF:
        """The drop target of ``level``."""
        width = len(LEVELS) * _TARGET_PX + (len(LEVELS) - 1) * _GAP_PX
        x = (self.width() - width) / 2 + LEVELS.index(level) * (_TARGET_PX + _GAP_PX)
        return QRectF(x, self.height() / 2 - 10, _TARGET_PX, _TARGET_PX)

    def level_at(self, point: QPointF) -> str:
        """The level whose target is under ``point``, or ''."""
        return next((level for level in LEVELS if self.target(level).contains(point)), "")

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._what is None:
            return
        colors = self._theme.colors
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        veil = QColor(colors.bg)
        veil.setAlphaF(0.92)
        painter.fillRect(self.rect(), veil)
        refused = self._what.kind == "nothing"
        edge = QColor(colors.error if refused else colors.accent)
        painter.setPen(QPen(edge, 2, Qt.PenStyle.DashLine))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(12, 12, -12, -12), 14, 14)
        self._paint_words(painter, self._what, edge)
        if self._what.kind == "adapter":
            for level in LEVELS:
                self._paint_target(painter, level)
        painter.end()

    def _paint_words(self, painter: QPainter, what: Dropped, edge: QColor) -> None:
        colors, middle = self._theme.colors, self.height() / 2
        top = middle - 150 if what.kind == "adapter" else middle - 60
        picture = pixmap(_ICONS[what.kind], edge.name(), 40)
        painter.drawPixmap(QPointF(self.width() / 2 - 20, top), picture)
        font = text_font(15)
        font.setWeight(font.Weight.DemiBold)
        for text, size, colour, y in (
            (what.title, font, colors.text, top + 54),
            (what.explanation, text_font(10.5), colors.muted, top + 86),
        ):
            painter.setFont(size)
            painter.setPen(QColor(colour))
            line = QRectF(40, y, self.width() - 80, 28)
            painter.drawText(
                line,
                Qt.AlignmentFlag.AlignCenter,
                painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, int(line.width())),
            )

    def _paint_target(self, painter: QPainter, level: str) -> None:
        colors, rect = self._theme.colors, self.target(level)
        hovered = level == self._level
        fill = QColor(LEVEL_COLOURS[level])
        fill.setAlphaF(0.35 if hovered else 0.12)
        painter.setPen(QPen(QColor(LEVEL_COLOURS[level]), 3 if hovered else 1.5))
        painter.setBrush(fill)
        painter.drawRoundedRect(rect, 12, 12)
        painter.setPen(QColor(colors.text))
        font = text_font(11)
        font.setWeight(font.Weight.DemiBold)
        painter.setFont(font)
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, level)
