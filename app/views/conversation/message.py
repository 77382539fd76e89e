"""What the two kinds of messages share: focus, hover, the row of tools."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QColor, QEnterEvent, QFocusEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QApplication, QFrame, QVBoxLayout, QWidget

from app.chat_tree import Node
from app.theme import Theme
from app.views.conversation.tools import MessageTools


class MessageView(QFrame):
    """One message of the transcript. Tab reaches it and then its buttons."""

    copied = Signal(str)  # message id
    again = Signal(str)
    version = Signal(str, int)

    def __init__(self, node: Node, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.node, self._theme = node, theme
        self.setObjectName("assistant")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.tools = MessageTools(theme, question=node.role == "user", parent=self)
        self.tools.copied.connect(lambda: self.copied.emit(node.message_id))
        self.tools.again.connect(lambda: self.again.emit(node.message_id))
        self.tools.version.connect(lambda delta: self.version.emit(node.message_id, delta))
        self._last = False
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(4, 2, 4, 2)
        self.column.setSpacing(6)
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.focusChanged.connect(self._focus_moved)

    def set_versions(self, number: int, count: int) -> None:
        """Which version this is."""
        self.tools.show_versions(number, count)

    def set_last(self, last: bool) -> None:
        """The last message always shows its buttons."""
        self._last = last
        self.show_tools()

    def show_tools(self) -> None:
        """Show the buttons if they are wanted now."""
        focus = QApplication.focusWidget()
        within = focus is not None and (focus is self or self.isAncestorOf(focus))
        self.tools.show_buttons(not self.node.running and (self._last or within or self.underMouse()))

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self.show_tools()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.show_tools()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(self._theme.colors.accent)))
            painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1), 8, 8)

    def _focus_moved(self, old: QWidget | None, new: QWidget | None) -> None:
        for widget in (old, new):
            if widget is not None and (widget is self or self.isAncestorOf(widget)):
                self.show_tools()
                return
