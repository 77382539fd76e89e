"""What a search found: passages with their document, page and score, the query's words in bold."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QPainter, QTextCharFormat, QTextLayout
from PySide6.QtWidgets import QAbstractItemView, QApplication, QListView, QStyle, QStyledItemDelegate
from PySide6.QtWidgets import QStyleOptionViewItem as Option

from app.theme import Theme
from app.views.library.snippet import Snippet, make_snippet
from engine.protocol import Hit

Index = QModelIndex | QPersistentModelIndex
HIT_ROLE: Final = int(Qt.ItemDataRole.UserRole) + 1
SNIPPET_ROLE: Final = int(Qt.ItemDataRole.UserRole) + 2
_HIT_PX, _PAD_PX = 46, 8


def where(hit: Hit) -> str:
    """Document, page and section of a hit."""
    parts = [hit.document, f"p. {hit.page}" if hit.page is not None else "", hit.heading]
    return " · ".join(part for part in parts if part)


class HitsModel(QAbstractListModel):
    """Hits, best first."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._hits: tuple[tuple[Hit, Snippet], ...] = ()

    def set_hits(self, query: str, hits: tuple[Hit, ...]) -> None:
        """Replace everything."""
        self.beginResetModel()
        self._hits = tuple((hit, make_snippet(hit.text, query)) for hit in hits)
        self.endResetModel()

    def rowCount(self, parent: Index | None = None) -> int:
        """Hits; a hit has no children."""
        return 0 if parent is not None and parent.isValid() else len(self._hits)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Texts, the hit itself (``HIT_ROLE``), its snippet (``SNIPPET_ROLE``)."""
        if not index.isValid() or index.row() >= len(self._hits):
            return None
        hit, snippet = self._hits[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return f"{where(hit)}: {snippet.text}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{hit.path}\n\n{hit.text}"
        if role == HIT_ROLE:
            return hit
        return snippet if role == SNIPPET_ROLE else None


class HitDelegate(QStyledItemDelegate):
    """Two lines a hit: where it is and how well it fits; the snippet."""

    def __init__(self, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._theme = theme

    def sizeHint(self, option: Option, index: Index) -> QSize:
        """Rows of one height."""
        return QSize(80, _HIT_PX)

    def paint(self, painter: QPainter, option: Option, index: Index) -> None:
        """The style draws the selection, this the words."""
        frame = Option(option)
        self.initStyleOption(frame, index)
        frame.text = ""
        style = frame.widget.style() if frame.widget is not None else QApplication.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, frame, painter, frame.widget)
        area = frame.rect.adjusted(_PAD_PX, 5, -_PAD_PX, -5)
        painter.save()
        self._paint_place(painter, QRect(area.topLeft(), QSize(area.width(), 17)), index.data(HIT_ROLE))
        self._paint_snippet(painter, area.adjusted(0, 18, 0, 0), index.data(SNIPPET_ROLE), frame.font)
        painter.restore()

    def _paint_place(self, painter: QPainter, line: QRect, hit: Hit) -> None:
        colors = self._theme.colors
        painter.setPen(QColor(colors.muted))
        score = f"{hit.score:.2f}"
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, score)
        painter.setPen(QColor(colors.accent))
        room = line.width() - painter.fontMetrics().horizontalAdvance(score) - 12
        text = painter.fontMetrics().elidedText(where(hit), Qt.TextElideMode.ElideRight, room)
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)

    def _paint_snippet(self, painter: QPainter, area: QRect, snippet: Snippet, font: QFont) -> None:
        layout = QTextLayout(snippet.text, font)
        strong = QTextCharFormat()
        strong.setFontWeight(QFont.Weight.Bold)
        layout.setFormats([_range(start, length, strong) for start, length in snippet.bold])
        dots = painter.fontMetrics().horizontalAdvance("…")
        layout.beginLayout()
        line = layout.createLine()
        line.setLineWidth(max(area.width() - dots, dots))
        layout.endLayout()
        painter.setClipRect(area)
        painter.setPen(QColor(self._theme.colors.text))
        line.draw(painter, QPointF(area.topLeft()))
        if line.textLength() < len(snippet.text):
            end = QPointF(area.left() + line.naturalTextWidth(), area.top() + line.ascent())
            painter.drawText(end, "…")


class HitList(QListView):
    """Return or a double click opens a hit."""

    opened = Signal(object)  # Hit

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._hits = HitsModel(self)
        self.setAccessibleName("Passages found")
        self.setModel(self._hits)
        self.setItemDelegate(HitDelegate(theme, self))
        self.setUniformItemSizes(True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.activated.connect(lambda index: self.opened.emit(index.data(HIT_ROLE)))
        theme.changed.connect(self.viewport().update)

    def set_hits(self, query: str, hits: tuple[Hit, ...]) -> None:
        """Show ``hits``, the first one current so that Return opens it."""
        self._hits.set_hits(query, hits)
        if hits:
            self.setCurrentIndex(self._hits.index(0))


def _range(start: int, length: int, text_format: QTextCharFormat) -> QTextLayout.FormatRange:
    out = QTextLayout.FormatRange()
    out.start, out.length, out.format = start, length, text_format
    return out
