"""Small widgets that every pane uses."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractSpinBox, QFrame, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from app.icons import bind_icon
from app.theme import Theme


def label(text: str, role: str = "", wrap: bool = False) -> QLabel:
    """A label in one of the style sheet's roles: title, muted, num, chip, warn, error."""
    out = QLabel(text)
    out.setObjectName(role)
    out.setTextFormat(Qt.TextFormat.PlainText)
    out.setWordWrap(wrap)
    return out


def rule() -> QFrame:
    """A hairline."""
    out = QFrame()
    out.setObjectName("rule")
    return out


def button(text: str, tip: str = "", primary: bool = False, flat: bool = False) -> QPushButton:
    """A push button; ``primary`` in the accent colour, ``flat`` without a border."""
    out = QPushButton(text)
    out.setToolTip(tip)
    out.setProperty("primary", primary)
    out.setProperty("flat", flat)
    out.setCursor(Qt.CursorShape.PointingHandCursor)
    return out


def icon_button(
    icon: str, name: str, theme: Theme, role: str = "muted", checkable: bool = False
) -> QToolButton:
    """A small button with an icon; ``name`` is its tooltip and what a screen reader says."""
    out = QToolButton()
    bind_icon(out, icon, theme, role)
    out.setIconSize(QSize(16, 16))
    out.setToolTip(name)
    out.setAccessibleName(name)
    out.setCheckable(checkable)
    out.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return out


def action_button(action: QAction, text_too: bool = False) -> QToolButton:
    """A button for an action of the registry."""
    out = QToolButton()
    out.setDefaultAction(action)
    out.setAccessibleName(action.text().replace("&", ""))
    out.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    if text_too:
        out.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    return out


class _BoxManners(QObject):
    """A number box leaves Ctrl+Z to the window, and the wheel to the pane while it is not in focus."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            keys = QKeySequence.StandardKey
            if event.matches(keys.Undo) or event.matches(keys.Redo):
                event.ignore()
                return True
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return False


def mind_manners(box: QAbstractSpinBox) -> None:
    """Make a number box look and behave like all others: the figures at the right."""
    box.lineEdit().setTextMargins(0, 0, 3, 0)
    box.setAlignment(Qt.AlignmentFlag.AlignRight)
    box.setKeyboardTracking(False)
    box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    manners = _BoxManners(box)
    box.installEventFilter(manners)
    box.lineEdit().installEventFilter(manners)


def restyle(widget: QWidget) -> None:
    """Let the style sheet look again at a property or a name that changed."""
    widget.style().unpolish(widget)
    widget.style().polish(widget)


class ElidedLabel(QLabel):
    """A label that shortens its text to its width and shows the whole in its tooltip."""

    def __init__(
        self, text: str = "", role: str = "", mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight
    ) -> None:
        super().__init__(text)
        self.setObjectName(role)
        self._mode = mode
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setMinimumWidth(16)

    def shown_text(self) -> str:
        """The text as it fits now."""
        return self.fontMetrics().elidedText(self.text(), self._mode, self.contentsRect().width())

    def minimumSizeHint(self) -> QSize:
        return QSize(16, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        shown = self.shown_text()
        if shown == self.text():
            super().paintEvent(event)
            return
        painter = QPainter(self)
        self.style().drawItemText(
            painter,
            self.contentsRect(),
            int(self.alignment()),
            self.palette(),
            self.isEnabled(),
            shown,
            self.foregroundRole(),
        )
        painter.end()
