"""The scrolling list of messages: one widget each, those far above built when they are reached."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from app.chat import ChatController
from app.chat_tree import Node
from app.theme import Theme
from app.views.conversation.answer import AnswerView
from app.views.conversation.message import MessageView
from app.views.conversation.question import QuestionView
from app.views.parts import button

BATCH = 24
NEAR_END_PX = 32
WIDEST_PX = 860
# A growing answer is drawn at most this often, and less where drawing it is slow.
PERIOD_MS, LOAD_SHARE = 66, 0.25
# So long after the last change of height, messages built above count as placed.
SETTLE_MS = 150


class Transcript(QScrollArea):
    """Follows the chat's active path. While an answer grows it stays at the end unless the person
    scrolled away."""

    token_clicked = Signal(str, int)
    citation_opened = Signal(str, int)
    link_followed = Signal(str)

    def __init__(self, chat: ChatController, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._chat, self._theme = chat, theme
        self.setObjectName("transcript")
        self.setAccessibleName("Messages")
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setStyleSheet("QTextBrowser#rich { background: transparent; border: none; padding: 0 }")
        self._page = QWidget()
        self._page.setObjectName("plain")
        self._column = QVBoxLayout(self._page)
        self._column.setSpacing(6)
        self._column.addStretch(1)  # the messages stand above it
        self.setWidget(self._page)
        self._views: dict[str, MessageView] = {}
        self._chat_id, self._first = "", 0
        self._at_end, self._from_bottom = True, -1
        self._dirty: set[str] = set()
        self._clock = QTimer(self, singleShot=True)
        self._clock.timeout.connect(self._draw)
        self._settled = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._settled.timeout.connect(self._earlier_done)
        self._to_end = button("Jump to latest ↓", "Go to the newest message")
        self._to_end.setParent(self)
        self._to_end.hide()
        self._to_end.clicked.connect(self.go_to_end)
        bar = self.verticalScrollBar()
        bar.rangeChanged.connect(self._range_changed)
        bar.valueChanged.connect(self._scrolled)
        chat.path_changed.connect(self.sync)
        chat.message_changed.connect(self._message_changed)

    def view(self, message_id: str) -> MessageView | None:
        """The widget of a message, if it is built."""
        return self._views.get(message_id)

    def views(self) -> list[MessageView]:
        """The widgets that are built, oldest message first."""
        return [self._views[node.message_id] for node in self._chat.path[self._first :]]

    def go_to_end(self) -> None:
        """Scroll to the newest message and stay there."""
        self._at_end = True
        self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())
        self._place_button()

    def sync(self) -> None:
        """Make the widgets those of the active path."""
        path = self._chat.path
        if self._chat.chat_id != self._chat_id:
            self._chat_id, self._first = self._chat.chat_id, max(0, len(path) - BATCH)
            self._at_end = True
        self._first = min(self._first, max(0, len(path) - 1))
        shown = path[self._first :]
        keep = {node.message_id for node in shown}
        for message_id in [known for known in self._views if known not in keep]:
            self._remove(message_id)
        for place, node in enumerate(shown):
            if node.message_id not in self._views:
                self._insert(place, node)
        self._describe(shown)
        if shown and shown[-1].running:
            self.go_to_end()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_End:
            self.go_to_end()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        bar = self.verticalScrollBar()
        # The text keeps its width when the bar comes, so that nothing is wrapped anew.
        width = self.width() - bar.sizeHint().width()
        side = max(4, (width - WIDEST_PX) // 2)
        right = side + max(0, self.viewport().width() - width)
        self._column.setContentsMargins(side, 4, right, 8)
        self._place_button()

    def _insert(self, place: int, node: Node) -> None:
        view: MessageView
        if node.role == "user":
            question = QuestionView(node, self._theme, self._page)
            question.resent.connect(self._chat.edit_and_resend)
            view = question
        else:
            answer = AnswerView(node, self._theme, self._page)
            answer.token_clicked.connect(self.token_clicked)
            answer.citation_opened.connect(self.citation_opened)
            answer.link_followed.connect(self.link_followed)
            view = answer
        view.copied.connect(self._chat.copy)
        view.again.connect(self._chat.regenerate)
        view.version.connect(self._chat.show_version)
        self._views[node.message_id] = view
        self._column.insertWidget(place, view)

    def _remove(self, message_id: str) -> None:
        view = self._views.pop(message_id)
        self._column.removeWidget(view)
        view.hide()
        view.deleteLater()

    def _describe(self, shown: list[Node]) -> None:
        for node in shown:
            view = self._views[node.message_id]
            view.set_versions(*self._chat.tree.versions(node.message_id))
            view.set_last(node is shown[-1])

    def _message_changed(self, message_id: str) -> None:
        view = self._views.get(message_id)
        if not isinstance(view, AnswerView):
            return
        if not view.node.running or not view.node.text:
            self._dirty.discard(message_id)
            view.refresh()
            self._describe(self._chat.path[self._first :])
            if not view.node.running:
                self._announce(view.accessibleName())
            return
        self._dirty.add(message_id)
        if not self._clock.isActive():
            self._clock.start(max(PERIOD_MS, int(view.body.render_ms / LOAD_SHARE)))

    def _announce(self, words: str) -> None:
        """Have a screen reader say that the answer is there."""
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, words))

    def _draw(self) -> None:
        for message_id in self._dirty:
            view = self._views.get(message_id)
            if isinstance(view, AnswerView):
                view.refresh()
        self._dirty.clear()

    def _range_changed(self, _low: int, high: int) -> None:
        bar = self.verticalScrollBar()
        if self._from_bottom >= 0:  # earlier messages came above: keep what is read where it is
            bar.setValue(high - self._from_bottom)
            self._settled.start()
        elif self._at_end:
            bar.setValue(high)
        self._place_button()

    def _scrolled(self, value: int) -> None:
        bar = self.verticalScrollBar()
        self._at_end = value >= bar.maximum() - NEAR_END_PX
        self._place_button()
        if value <= NEAR_END_PX and self._first > 0 and self._from_bottom < 0 and bar.maximum() > 0:
            self._from_bottom = bar.maximum() - value
            QTimer.singleShot(0, self._earlier)

    def _earlier(self) -> None:
        """Build one more batch above."""
        self._first = max(0, self._first - BATCH)
        self.sync()
        self._settled.start()

    def _earlier_done(self) -> None:
        self._from_bottom = -1

    def _place_button(self) -> None:
        away = not self._at_end and self.verticalScrollBar().maximum() > NEAR_END_PX
        self._to_end.setVisible(away)
        if away:
            size, view = self._to_end.sizeHint(), self.viewport().geometry()
            corner = QPoint(view.center().x() - size.width() // 2, view.bottom() - size.height() - 8)
            self._to_end.setGeometry(QRect(corner, size))
            self._to_end.raise_()
