"""A piece of rendered text as tall as its content; it loads nothing and scrolls nothing."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QByteArray, QEvent, QPoint, QRect, Qt, QUrl, Signal
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextOption,
    QWheelEvent,
)
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QFrame, QSizePolicy, QTextBrowser, QTextEdit, QToolTip, QWidget

from app.formulas import Formula
from app.markdown import Rendered
from app.source_map import SourceMap

CARET_WIDTH_PX = 3
PICTURE_SCALE = 2.0
TICK_WIDTH_PX, TICK_NEAR_PX = 2, 4


class RichText(QTextBrowser):
    """``clicked`` gives the position in the rendered text (UTF-16) of a click on no link."""

    clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("rich")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setOpenLinks(False)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setTabStopDistance(4 * self.fontMetrics().horizontalAdvance("0"))
        self.document().setDocumentMargin(0)
        self.document().setIndentWidth(22)
        self.document().setUndoRedoEnabled(False)
        self._source_map: SourceMap | None = None
        self._pressed: QPoint | None = None
        self._caret: QColor | None = None
        self._ticks: tuple[tuple[int, str], ...] = ()
        self._tick_colour = QColor()

    def show_rendered(self, rendered: Rendered, offset: int = 0) -> None:
        """Show HTML; ``offset`` is where its source begins in the whole message."""
        document = self.document()
        for name, formula in rendered.formulas.items():
            document.addResource(QTextDocument.ResourceType.ImageResource, QUrl(name), _picture(formula))
        self.setHtml(rendered.html)
        self._drop_empty_end()
        self._source_map = SourceMap(self.toPlainText(), rendered.leaves, offset)
        self.fit()

    def show_plain(self, text: str) -> None:
        """Show text as it is."""
        self._source_map = None
        self.setPlainText(text)
        self.fit()

    def set_caret(self, colour: QColor | None) -> None:
        """Draw a writing mark after the last character, or none."""
        self._caret = colour
        self.viewport().update()

    def source_at(self, shown: int) -> int | None:
        """The source character at a position of the rendered text."""
        return self._source_map.to_source(shown) if self._source_map is not None else None

    def mark(self, spans: Sequence[tuple[int, int, QTextCharFormat]]) -> None:
        """Mark source spans (start, end, how), replacing earlier marks."""
        marks: list[QTextEdit.ExtraSelection] = []
        for start, end, look in spans:
            shown = self._source_map.to_shown(start, end) if self._source_map is not None else None
            if shown is not None:
                marks.append(self._selection(*shown, look))
        self.setExtraSelections(marks)

    def set_ticks(self, ticks: Sequence[tuple[int, str]], colour: QColor) -> None:
        """Draw a thin line before each of these source characters; its words are the tooltip."""
        self._ticks, self._tick_colour = tuple(ticks), colour
        self.viewport().update()

    def rect_of(self, start: int, end: int) -> QRect | None:
        """Where a source span is drawn, in this widget; None if nothing of it shows."""
        shown = self._source_map.to_shown(start, end) if self._source_map is not None else None
        if shown is None:
            return None
        cursor = QTextCursor(self.document())
        cursor.setPosition(shown[0])
        first = self.cursorRect(cursor)
        cursor.setPosition(shown[1])
        last = self.cursorRect(cursor)
        if last.top() > first.top():
            last = QRect(first.right() + 8, first.top(), 1, first.height())
        return first.united(last)

    def fit(self) -> None:
        """Take the height of the text at the present width."""
        width = self.viewport().width()
        if width > 0:
            self.document().setTextWidth(width)
            self.setFixedHeight(max(1, int(self.document().size().height() + 0.999)))

    def loadResource(self, kind: int, name: QUrl | str) -> object:
        """Nothing is read from files or from the network."""
        return None

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()  # the transcript scrolls

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        self._pressed = event.position().toPoint() if event.button() == Qt.MouseButton.LeftButton else None

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        at = event.position().toPoint()
        pressed, self._pressed = self._pressed, None
        still = pressed is not None and (at - pressed).manhattanLength() < 4
        if still and not self.textCursor().hasSelection() and not self.anchorAt(at):
            self._tell_click(at)

    def _tell_click(self, at: QPoint) -> None:
        # hitTest rounds to the nearest gap between characters: take the character under the pointer.
        cursor = self.cursorForPosition(at)
        position = cursor.position()
        if self.cursorRect(cursor).left() > at.x() and position > 0:
            position -= 1
        self.clicked.emit(position)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        for line, _ in self._tick_lines():
            painter = QPainter(self.viewport())
            painter.fillRect(line, self._tick_colour)
            painter.end()
        if self._caret is not None:
            self._paint_caret(self._caret)

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            near = [words for line, words in self._tick_lines() if _near(line, event.pos())]
            QToolTip.showText(event.globalPos(), near[0] if near else "", self)
            return True
        return super().viewportEvent(event)

    def _tick_lines(self) -> list[tuple[QRect, str]]:
        out = []
        for at, words in self._ticks:
            rect = self.rect_of(at, at + 1)
            if rect is not None:
                out.append((QRect(rect.left() - 1, rect.top(), TICK_WIDTH_PX, rect.height()), words))
        return out

    def _paint_caret(self, colour: QColor) -> None:
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        at = self.cursorRect(cursor)
        painter = QPainter(self.viewport())
        height = self.fontMetrics().height() - 2
        painter.fillRect(at.left() + 2, at.center().y() - height // 2, CARET_WIDTH_PX, height, colour)

    def _selection(self, start: int, end: int, look: QTextCharFormat) -> QTextEdit.ExtraSelection:
        out = QTextEdit.ExtraSelection()
        cursor = QTextCursor(self.document())
        cursor.setPosition(start)
        cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
        out.cursor, out.format = cursor, look
        return out

    def _drop_empty_end(self) -> None:
        """A table leaves an empty line behind, the last paragraph its margin: take them off."""
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        block = cursor.blockFormat()
        block.setBottomMargin(0)
        if not cursor.block().text():
            block.setLineHeight(1, 2)  # QTextBlockFormat.FixedHeight
        cursor.setBlockFormat(block)


def _near(line: QRect, at: QPoint) -> bool:
    return line.adjusted(-TICK_NEAR_PX, 0, TICK_NEAR_PX, 0).contains(at)


def _picture(formula: Formula) -> QImage:
    size = formula.width * PICTURE_SCALE, formula.height * PICTURE_SCALE
    image = QImage(int(size[0]) or 1, int(size[1]) or 1, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(0)
    painter = QPainter(image)
    QSvgRenderer(QByteArray(formula.svg.encode())).render(painter)
    painter.end()
    return image
