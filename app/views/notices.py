"""The open notices, stacked at the lower right of the window; nothing under them is blocked."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from app.icons import pixmap
from app.notices import NoticeItem, Notices
from app.theme import Theme, mono_font
from app.views.parts import button, icon_button, label

WIDTH_PX, MARGIN_PX, SHOWN = 380, 20, 4
INFO_MS = 6000
_ICONS = {"info": ("info", "accent"), "warning": ("warning", "warn"), "error": ("error", "error")}


class NoticeCard(QFrame):
    """One notice: words, a way out, details to unfold, buttons."""

    def __init__(self, item: NoticeItem, notices: Notices, theme: Theme) -> None:
        super().__init__()
        self.item, self._notices, self._theme = item, notices, theme
        self.setObjectName("notice")
        self.setAccessibleName(f"{item.severity}: {item.text}")
        self._sign = QLabel()
        self._detail = self._make_detail()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(12, 10, 8, 10)
        outer.setSpacing(6)
        outer.addLayout(self._top())
        if item.hint:
            hint = label(item.hint, "muted", wrap=True)
            hint.setContentsMargins(26, 0, 8, 0)
            outer.addWidget(hint)
        outer.addWidget(self._detail)
        if item.detail or item.actions or item.severity != "info":
            outer.addLayout(self._buttons())
        theme.changed.connect(self._colour)
        self._colour()
        if item.severity == "info" and not item.actions:
            self.fade = QTimer(self, singleShot=True, interval=INFO_MS)
            self.fade.timeout.connect(lambda: notices.dismiss(item.key))
            self.fade.start()

    def _top(self) -> QHBoxLayout:
        text = label(self.item.text, wrap=True)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        close = icon_button("close", "Dismiss", self._theme)
        close.clicked.connect(lambda: self._notices.dismiss(self.item.key))
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(text, 1)
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        return row

    def _make_detail(self) -> QPlainTextEdit:
        detail = QPlainTextEdit(self.item.detail)
        detail.setReadOnly(True)
        detail.setFont(mono_font(8.5))
        detail.setAccessibleName("Details")
        detail.setFixedHeight(120)
        detail.hide()
        return detail

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(22, 0, 4, 0)
        row.setSpacing(4)
        if self.item.detail:
            more = button("Details", "Show what the libraries say", flat=True)
            more.setCheckable(True)
            more.toggled.connect(self._unfold)
            row.addWidget(more)
        copy = button("Copy", "Copy everything this notice says", flat=True)
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.item.as_text()))
        row.addWidget(copy)
        row.addStretch(1)
        for text, callback in self.item.actions:
            act = button(text, primary=True)
            act.clicked.connect(callback)
            act.clicked.connect(lambda: self._notices.dismiss(self.item.key))
            row.addWidget(act)
        return row

    def _unfold(self, shown: bool) -> None:
        self._detail.setVisible(shown)
        self.updateGeometry()

    def _colour(self) -> None:
        name, role = _ICONS[self.item.severity]
        self._sign.setPixmap(pixmap(name, getattr(self._theme.colors, role), 18))


class NoticeStack(QWidget):
    """A child of the window that is exactly as large as its cards."""

    def __init__(self, notices: Notices, theme: Theme, window: QWidget) -> None:
        super().__init__(window)
        self._notices, self._theme, self._window = notices, theme, window
        self._cards: dict[int, NoticeCard] = {}
        self._more = label("", "chip")
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(8)
        self._layout.addWidget(self._more, 0, Qt.AlignmentFlag.AlignRight)
        self.setFixedWidth(WIDTH_PX)
        window.installEventFilter(self)
        notices.added.connect(self._add)
        notices.removed.connect(self._remove)
        for item in notices.items:
            self._add(item)
        self._arrange()

    @property
    def cards(self) -> tuple[NoticeCard, ...]:
        """The open cards, oldest first."""
        return tuple(self._cards.values())

    def _add(self, item: NoticeItem) -> None:
        card = NoticeCard(item, self._notices, self._theme)
        self._cards[item.key] = card
        self._layout.addWidget(card)
        self._arrange()

    def _remove(self, key: int) -> None:
        card = self._cards.pop(key, None)
        if card is not None:
            self._layout.removeWidget(card)
            card.hide()
            card.deleteLater()
            self._arrange()

    def _arrange(self) -> None:
        """The newest cards are seen; how many wait behind them is said."""
        cards = self.cards
        hidden = max(0, len(cards) - SHOWN)
        for index, card in enumerate(cards):
            card.setVisible(index >= hidden)
        self._more.setVisible(hidden > 0)
        self._more.setText(f"{hidden} more")
        self.setVisible(bool(cards))
        self._place()

    def _place(self) -> None:
        self._layout.activate()
        height = (
            self._layout.heightForWidth(WIDTH_PX)
            if self._layout.hasHeightForWidth()
            else self.sizeHint().height()
        )
        window = self._window
        room = max(80, window.height() - MARGIN_PX - MARGIN_PX)
        self.resize(QSize(WIDTH_PX, min(height, room)))
        self.move(window.width() - WIDTH_PX - MARGIN_PX, window.height() - self.height() - MARGIN_PX)
        self.raise_()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            self._place()
        return super().event(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self._place()
        return False
