"""What the model knew when it chose one token: its probability, what else it might have said, what
each level did. A card beside the token, never in the way of the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHideEvent, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from app.chat_record import level_means
from app.theme import LEVEL_COLOURS, Theme, mono_font
from app.views.parts import icon_button, label
from engine.protocol import LEVELS, TokenStats

ROW_PX, NAME_PX, NUMBER_PX, BAR_PX, WIDTH_PX = 20, 84, 58, 6, 300
ALTERNATIVES = 5
_VISIBLE = str.maketrans({" ": "␣", "\n": "↵", "\t": "⇥", "\r": "↵"})


def visible(text: str) -> str:
    """A token's text with its white space shown; an empty one in words."""
    return text.translate(_VISIBLE) or "no text"


@dataclass(frozen=True, slots=True)
class Bar:
    """``share`` is 0..1 of the full length."""

    name: str
    share: float
    number: str
    colour: str
    strong: bool = False


class Bars(QWidget):
    """Rows of name, bar and number."""

    def __init__(self, theme: Theme, mono: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._mono = theme, mono
        self._bars: tuple[Bar, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_bars(self, bars: Sequence[Bar]) -> None:
        """Show these rows."""
        self._bars = tuple(bars)
        self.setAccessibleDescription("; ".join(f"{bar.name} {bar.number}" for bar in bars))
        self.updateGeometry()
        self.update()

    def bars(self) -> tuple[Bar, ...]:
        """The rows that are shown."""
        return self._bars

    def sizeHint(self) -> QSize:
        return QSize(WIDTH_PX - 28, ROW_PX * len(self._bars))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for i, bar in enumerate(self._bars):
            self._paint(painter, bar, i * ROW_PX)

    def _paint(self, painter: QPainter, bar: Bar, top: int) -> None:
        colors, width = self._theme.colors, self.width()
        font = mono_font(8.5) if self._mono else self.font()
        font.setBold(bar.strong)
        painter.setFont(font)
        painter.setPen(QColor(colors.text))
        centre = Qt.AlignmentFlag.AlignVCenter
        name = painter.fontMetrics().elidedText(bar.name, Qt.TextElideMode.ElideRight, NAME_PX)
        painter.drawText(QRectF(0, top, NAME_PX, ROW_PX), centre | Qt.AlignmentFlag.AlignLeft, name)
        painter.setFont(self.font())
        painter.setPen(QColor(colors.muted))
        right = QRectF(width - NUMBER_PX, top, NUMBER_PX, ROW_PX)
        painter.drawText(right, centre | Qt.AlignmentFlag.AlignRight, bar.number)
        full = QRectF(NAME_PX + 8, top + (ROW_PX - BAR_PX) / 2, width - NAME_PX - NUMBER_PX - 12, BAR_PX)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colors.line))
        painter.drawRoundedRect(full, 3, 3)
        if bar.share > 0:
            full.setWidth(max(3.0, full.width() * min(1.0, bar.share)))
            painter.setBrush(QColor(bar.colour))
            painter.drawRoundedRect(full, 3, 3)


class TokenInspector(QFrame):
    """``moved`` asks for the token ``delta`` places on (arrow keys), ``closed`` for none (Esc)."""

    moved = Signal(int)
    closed = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setObjectName("popup")
        self.setAccessibleName("Token")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFixedWidth(WIDTH_PX)
        self._text = label("")
        self._text.setFont(mono_font(11))
        self._place = label("", "muted")
        self._chance = label("", "num")
        self._gains = label("", "muted", wrap=True)
        self._heading = label("Level activity, mean over layers", "muted")
        self._unmeasured = label("Activity was not measured at this token.", "muted", wrap=True)
        self.alternatives, self.levels = Bars(theme, mono=True), Bars(theme, mono=False)
        self.alternatives.setAccessibleName("Most likely tokens")
        self.levels.setAccessibleName("Activity of the levels")
        self._lay_out()
        self.hide()

    def show_token(self, stats: TokenStats, n_tokens: int, gains: Sequence[float]) -> None:
        """Fill the card; ``gains`` are those at this token (empty: not known)."""
        chance = math.exp(stats.logprob) if math.isfinite(stats.logprob) else float("nan")
        self._text.setText(visible(stats.text))
        self._place.setText(f"{stats.index + 1:,} of {n_tokens:,}")
        self._chance.setText(f"{_percent(chance)} likely   ·   log-probability {_signed(stats.logprob)}")
        accent = self._theme.colors.accent
        self.alternatives.show_bars(
            [
                Bar(visible(text), math.exp(logprob), _percent(math.exp(logprob)), accent, text == stats.text)
                for text, logprob in stats.alternatives[:ALTERNATIVES]
            ]
        )
        means = level_means(stats)
        top = max(means, default=0.0) or 1.0
        self.levels.show_bars(
            [
                Bar(name, mean / top, f"{mean:.3f}", LEVEL_COLOURS[name])
                for name, mean in zip(LEVELS, means, strict=False)
            ]
        )
        self.levels.setVisible(bool(means))
        self._heading.setVisible(bool(means))
        self._unmeasured.setVisible(not means)
        words = ", ".join(f"{name} {gain:.2f}" for name, gain in zip(LEVELS, gains, strict=False))
        self._gains.setText(f"Gains: {words}" if words else f"Stack revision {stats.revision}")
        self._gains.setToolTip(f"Stack revision {stats.revision}")
        self.setAccessibleDescription(f"{stats.text!r}: {self._chance.text()}")
        self.adjustSize()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: -10, Qt.Key.Key_Down: 10}
        key = Qt.Key(event.key())
        if key in steps:
            self.moved.emit(steps[key])
        elif key == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        # Esc closes the card before it stops an answer.
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
        ):
            event.accept()
            return True
        return super().event(event)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.clearFocus()

    def _lay_out(self) -> None:
        close = icon_button("close", "Close", self._theme)
        close.clicked.connect(self.closed)
        back = icon_button("chevron-left", "Previous token", self._theme)
        back.clicked.connect(lambda: self.moved.emit(-1))
        on = icon_button("chevron-right", "Next token", self._theme)
        on.clicked.connect(lambda: self.moved.emit(1))
        head = QHBoxLayout()
        head.setSpacing(4)
        head.addWidget(self._text)
        head.addStretch(1)
        for widget in (self._place, back, on, close):
            head.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 10, 12, 12)
        column.setSpacing(6)
        column.addLayout(head)
        column.addWidget(self._chance)
        column.addWidget(self.alternatives)
        column.addSpacing(2)
        column.addWidget(self._heading)
        column.addWidget(self.levels)
        column.addWidget(self._unmeasured)
        column.addWidget(self._gains)


def _signed(number: float) -> str:
    words = f"{number:.2f}"
    return "0.00" if words == "-0.00" else words.replace("-", "−")


def _percent(share: float) -> str:
    if not math.isfinite(share):
        return "?"
    return f"{share:.1%}" if share >= 0.001 else "< 0.1%"
