"""A quiet pyqtgraph plot: fixed ranges, given ticks, no mouse panning; it tells where the pointer is
and can be walked with the arrow keys."""

from __future__ import annotations

from collections.abc import Iterable

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QObject, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QFont, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QGraphicsItem, QVBoxLayout, QWidget

from app.theme import Theme
from app.views.parts import label
from app.views.plots.scale import Tick

LEFT_AXIS_PX, BOTTOM_AXIS_PX = 46, 20
AXIS_POINTS = 8.5
_FRAME_PX = 2
_FAR = 1_000_000
_STEPS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
    Qt.Key.Key_PageUp: (-10, 0),
    Qt.Key.Key_PageDown: (10, 0),
    Qt.Key.Key_Home: (-_FAR, 0),
    Qt.Key.Key_End: (_FAR, 0),
}


class Chart(QWidget):
    """Draws the items that are added; ranges and ticks are set, never guessed."""

    hovered = Signal(float, float)  # where the pointer is, in the plot's coordinates
    left = Signal()
    clicked = Signal(float, float)
    stepped = Signal(int, int)  # arrow keys: columns to the right, rows down
    resized = Signal()

    def __init__(self, theme: Theme, name: str, caption: str = "") -> None:
        """``caption`` names the bottom axis; it stands under the left one."""
        super().__init__()
        self._theme = theme
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(name)
        self._view = pg.GraphicsView(background=None)
        self._box = pg.ViewBox(enableMenu=False, enableMouse=False, defaultPadding=0.0)
        self._left = pg.AxisItem("left", linkView=self._box)
        self._bottom = pg.AxisItem("bottom", linkView=self._box)
        self._hover_line = pg.InfiniteLine(angle=90, movable=False)
        self._mark_line = pg.InfiniteLine(angle=90, movable=False)
        self._grid: list[pg.InfiniteLine] = []
        self._ticks: tuple[list[Tick], list[Tick]] | None = None
        self._caption = label(caption, "muted")
        self._caption.setParent(self)
        self._caption.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(_FRAME_PX, _FRAME_PX, _FRAME_PX, _FRAME_PX)
        layout.addWidget(self._view)
        self._caption.raise_()
        self._arrange()
        for line in (self._hover_line, self._mark_line):
            line.setZValue(20)
            line.hide()
            self.add(line)
        theme.changed.connect(self._restyle)
        self._restyle()

    def _arrange(self) -> None:
        """Box and axes by hand: pyqtgraph's PlotItem builds menus of 45 controls that nobody opens."""
        self._view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._view.viewport().setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._view.viewport().installEventFilter(self)
        self._view.setStyleSheet("background: transparent; border: none")
        grid = pg.GraphicsLayout()
        grid.setContentsMargins(0, 8, 0, 0)
        grid.setSpacing(0)
        grid.addItem(self._left, 0, 0)
        grid.addItem(self._box, 0, 1)
        grid.addItem(self._bottom, 1, 1)
        self._view.setCentralItem(grid)
        self._box.disableAutoRange()
        self._left.setWidth(LEFT_AXIS_PX)
        self._bottom.setHeight(BOTTOM_AXIS_PX)
        for axis in (self._left, self._bottom):
            axis.setStyle(
                tickLength=0,
                tickAlpha=0,
                tickTextOffset=4,
                autoExpandTextSpace=False,
                hideOverlappingLabels=False,
            )
            axis.enableAutoSIPrefix(False)

    def _restyle(self) -> None:
        colors = self._theme.colors
        font = QFont(self.font())
        font.setPointSizeF(AXIS_POINTS)
        self._left.setPen(QPen(Qt.PenStyle.NoPen))
        self._bottom.setPen(_thin(colors.line))
        for axis in (self._left, self._bottom):
            axis.setTextPen(QColor(colors.muted))
            axis.setTickFont(font)
        for line in self._grid:
            line.setPen(_thin(colors.grid))
        self._hover_line.setPen(_thin(colors.muted))
        self._mark_line.setPen(_thin(colors.text))
        self.update()

    def add(self, item: QGraphicsItem) -> None:
        """Put ``item`` into the plot's coordinates; it never widens the range."""
        self._box.addItem(item, ignoreBounds=True)

    def set_range(self, left: float, right: float, top: float, bottom: float = 0.0) -> None:
        """Show exactly this part."""
        wanted = [[left, right], [bottom, top]]
        if self._box.viewRange() != wanted:
            self._box.setRange(xRange=wanted[0], yRange=wanted[1], padding=0.0, disableAutoRange=True)

    def set_ticks(self, bottom: Iterable[Tick], left: Iterable[Tick] = ()) -> None:
        """Label the axes; a hairline goes from each label at the left."""
        labelled, below = list(left), list(bottom)
        if (labelled, below) == self._ticks:
            return  # an axis with new ticks is laid out anew
        self._ticks = (labelled, below)
        self._bottom.setTicks([below])
        self._left.setTicks([labelled])
        # The axis can draw a grid itself, but then it hides the labels at both ends.
        while len(self._grid) < len(labelled):
            line = pg.InfiniteLine(angle=0, movable=False, pen=_thin(self._theme.colors.grid))
            line.setZValue(-10)
            self._grid.append(line)
            self.add(line)
        for i, line in enumerate(self._grid):
            self._place(line, labelled[i][0] if i < len(labelled) else None)

    def flip_vertical(self) -> None:
        """Count rows from the top."""
        self._box.invertY(True)

    @property
    def plot_rect(self) -> QRectF:
        """The drawing area inside the axes, in this widget's pixels."""
        rect: QRectF = self._box.sceneBoundingRect()
        return rect.translated(_FRAME_PX, _FRAME_PX)

    def pixel_y(self, y: float) -> float:
        """The height of ``y`` in this widget's pixels."""
        low, high = self._box.viewRange()[1]
        share = (y - low) / (high - low) if high > low else 0.0
        rect = self.plot_rect
        inverted = self._box.yInverted()
        return rect.top() + share * rect.height() if inverted else rect.bottom() - share * rect.height()

    def show_hover_line(self, x: float | None) -> None:
        """Move the thin line under the pointer; None hides it."""
        self._place(self._hover_line, x)

    def show_mark(self, x: float | None) -> None:
        """Move the marker of what is selected; None hides it."""
        self._place(self._mark_line, x)

    def _place(self, line: pg.InfiniteLine, x: float | None) -> None:
        line.setVisible(x is not None)
        if x is not None:
            line.setPos(x)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Turn the view's mouse events into the chart's signals."""
        if isinstance(event, QMouseEvent) and event.type() in (
            QEvent.Type.MouseMove,
            QEvent.Type.MouseButtonPress,
        ):
            inside = self._box.sceneBoundingRect().contains(event.position())
            point: QPointF = self._box.mapSceneToView(event.position())
            pressed = event.type() == QEvent.Type.MouseButtonPress
            if inside and pressed and event.button() == Qt.MouseButton.LeftButton:
                self.clicked.emit(point.x(), point.y())
            elif inside and not pressed:
                self.hovered.emit(point.x(), point.y())
            elif not inside:
                self.left.emit()
            if pressed:
                self.setFocus(Qt.FocusReason.MouseFocusReason)
        elif event.type() == QEvent.Type.Leave:
            self.left.emit()
        elif event.type() == QEvent.Type.Resize:
            row = QRect(0, self.height() - BOTTOM_AXIS_PX, LEFT_AXIS_PX - 6, BOTTOM_AXIS_PX)
            self._caption.setGeometry(row)
            self.resized.emit()
        return False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrow keys, Home, End and Page keys walk the values; Escape lets go."""
        step = _STEPS.get(Qt.Key(event.key()))
        if step is not None:
            self.stepped.emit(*step)
        elif event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """The read-out goes with the focus."""
        super().focusOutEvent(event)
        self.left.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """A focus ring, as on every other control."""
        if self.hasFocus():
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(self._theme.colors.accent), 1))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
            painter.end()


def _thin(colour: str) -> QPen:
    pen = QPen(QColor(colour))
    pen.setCosmetic(True)
    return pen
