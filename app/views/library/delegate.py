"""How the cells of the documents' table are painted: an icon of the kind, the state with its bar."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPalette
from PySide6.QtWidgets import QApplication, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.icons import icon, pixmap
from app.models.documents import ROW_ROLE, Column, state_text
from app.theme import Theme
from engine.protocol import DocumentRow

Index = QModelIndex | QPersistentModelIndex
ROW_PX: Final = 27
_BAR_PX, _BAR_GAP_PX, _ICON_PX = 72, 8, 14
_KIND_ICONS: Final = {
    "PDF": "file-pdf",
    "Web page": "file-web",
    "Book": "file-book",
    "Sheet": "file-table",
    "Table": "file-table",
    "Slides": "file-slides",
    "E-mail": "file-mail",
    "Code": "file-code",
    "Data": "file-code",
    "XML": "file-code",
    "Notebook": "file-code",
}
_STATE_ICONS: Final = {"ready": ("check", "ok"), "failed": ("error", "error")}


def kind_icon(kind: str) -> str:
    """The icon for a kind of document; plain paper for what has none."""
    return _KIND_ICONS.get(kind, "file-text")


class DocumentDelegate(QStyledItemDelegate):
    """Name with icon, muted details, state as icon and words or as a bar."""

    def __init__(self, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Rows of one height."""
        return QSize(super().sizeHint(option, index).width(), ROW_PX)

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """Icon and colours by column."""
        super().initStyleOption(option, index)
        row: DocumentRow = index.data(ROW_ROLE)
        column = Column(index.column())
        if column == Column.NAME:
            option.features |= QStyleOptionViewItem.ViewItemFeature.HasDecoration
            option.icon = icon(kind_icon(row.kind), self._theme, self._theme.colors.muted)
            option.decorationSize = QSize(16, 16)
            option.textElideMode = Qt.TextElideMode.ElideMiddle
        else:
            colour = QColor(self._theme.colors.muted)
            for role in (QPalette.ColorRole.Text, QPalette.ColorRole.HighlightedText):
                option.palette.setColor(role, colour)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """The state column is drawn here, the others by the style."""
        if index.column() != Column.STATE:
            super().paint(painter, option, index)
            return
        cell = QStyleOptionViewItem(option)
        self.initStyleOption(cell, index)
        cell.text = ""
        style = cell.widget.style() if cell.widget is not None else QApplication.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, cell, painter, cell.widget)
        row: DocumentRow = index.data(ROW_ROLE)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = cell.rect.adjusted(8, 0, -6, 0)
        if row.state in ("reading", "embedding"):
            area = self._paint_bar(painter, area, row.progress)
        elif row.state in _STATE_ICONS:
            area = self._paint_icon(painter, area, *_STATE_ICONS[row.state])
        self._paint_words(painter, area, row)
        painter.restore()

    def _paint_bar(self, painter: QPainter, area: QRect, progress: float) -> QRect:
        width = min(_BAR_PX, area.width() // 2)
        bar = QRectF(area.left(), area.center().y() - 2, width, 5)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.colors.line))
        painter.drawRoundedRect(bar, 2.5, 2.5)
        bar.setWidth(max(5.0, width * min(max(progress, 0.0), 1.0)))
        painter.setBrush(QColor(self._theme.colors.accent))
        painter.drawRoundedRect(bar, 2.5, 2.5)
        return area.adjusted(width + _BAR_GAP_PX, 0, 0, 0)

    def _paint_icon(self, painter: QPainter, area: QRect, name: str, role: str) -> QRect:
        picture = pixmap(name, getattr(self._theme.colors, role), _ICON_PX)
        painter.drawPixmap(area.left(), area.center().y() - _ICON_PX // 2 + 1, picture)
        return area.adjusted(_ICON_PX + 6, 0, 0, 0)

    def _paint_words(self, painter: QPainter, area: QRect, row: DocumentRow) -> None:
        colors = self._theme.colors
        painter.setPen(QColor(colors.error if row.state == "failed" else colors.muted))
        text = painter.fontMetrics().elidedText(state_text(row), Qt.TextElideMode.ElideRight, area.width())
        painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
