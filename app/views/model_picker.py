"""The popup under the model button: what is on this disk, grouped by where it was found."""

from __future__ import annotations

from itertools import groupby

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QGridLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app.context import AppContext
from app.icons import bind_icon
from app.model_loader import ModelLoader
from app.theme import Theme, text_font
from app.units import format_bytes
from app.views.load_settings import LoadSettingsForm
from app.views.parts import button, label, rule
from engine.protocol import FoundModel

WIDTH_PX, ROW_PX, HEADING_PX, LIST_PX = 460, 44, 26, 264
_MODEL = Qt.ItemDataRole.UserRole
_Index = QModelIndex | QPersistentModelIndex


class ModelPicker(QFrame):
    """Choosing a row loads it."""

    closed = Signal()

    def __init__(self, context: AppContext, loader: ModelLoader, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._context, self._loader = context, loader
        self.setObjectName("popup")
        self.setAccessibleName("Models")
        self.setFixedWidth(WIDTH_PX)
        self._filter = QLineEdit()
        self._filter.setPlaceholderText("Find a model on this disk…")
        self._filter.setAccessibleName("Find a model")
        self._filter.setClearButtonEnabled(True)
        self._filter.textChanged.connect(self._fill)
        self._list = QListWidget()
        self._list.setAccessibleName("Models on this disk")
        self._list.setItemDelegate(_ModelRow(context.theme, self._list))
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setFixedHeight(LIST_PX)
        self._list.itemActivated.connect(self._chosen)
        self._list.itemClicked.connect(self._chosen)
        self._state = label("", "muted", wrap=True)
        self._form = LoadSettingsForm(context)
        self._form.hide()
        self._lay_out()
        loader.found_changed.connect(self._fill)
        loader.changed.connect(self._fill)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(8)
        for widget in (self._filter, self._list, self._state, rule()):
            layout.addWidget(widget)
        buttons = QGridLayout()
        buttons.setSpacing(8)
        for column, (text, tip, callback) in enumerate(
            (
                ("Open a folder…", "A Hugging Face model: a folder with config.json", self.choose_folder),
                ("Open a GGUF…", "A single .gguf file", self.choose_file),
                ("Look in…", "Look for models in another folder too", self.choose_search_folder),
            )
        ):
            choose = button(text, tip)
            choose.clicked.connect(callback)
            buttons.addWidget(choose, 0, column)
        layout.addLayout(buttons)
        self._settings = button("Load settings", "Context, GPU layers, cache type, threads", flat=True)
        self._settings.setCheckable(True)
        self._settings.toggled.connect(self._unfold)
        bind_icon(self._settings, "chevron-right", self._context.theme, "muted")
        self._reload = button("Reload with these", "Load the present model again with these settings")
        self._reload.clicked.connect(self._reload_model)
        self._reload.hide()
        row = QGridLayout()
        row.addWidget(self._settings, 0, 0, Qt.AlignmentFlag.AlignLeft)
        row.addWidget(self._reload, 0, 1, Qt.AlignmentFlag.AlignRight)
        layout.addLayout(row)
        layout.addWidget(self._form)

    def open_below(self, anchor: QWidget) -> None:
        """Show the popup under ``anchor`` and look through the disk."""
        self._fill()
        self._loader.scan()
        self.adjustSize()
        self.move(anchor.mapToGlobal(QPoint(0, anchor.height() + 4)))
        self.show()
        self._filter.setFocus()

    def choose_folder(self) -> None:
        """Ask for a Hugging Face folder and load it."""
        self.hide()
        path = QFileDialog.getExistingDirectory(self.parentWidget(), "Open a model folder")
        if path:
            self._loader.load(path)

    def choose_file(self) -> None:
        """Ask for a GGUF file and load it."""
        self.hide()
        path, _ = QFileDialog.getOpenFileName(
            self.parentWidget(), "Open a GGUF model", "", "GGUF models (*.gguf);;All files (*)"
        )
        if path:
            self._loader.load(path)

    def choose_search_folder(self) -> None:
        """Ask for a folder in which to look for models from now on."""
        self.hide()
        path = QFileDialog.getExistingDirectory(self.parentWidget(), "Look for models in")
        if path:
            self._loader.add_folder(path)

    def _unfold(self, shown: bool) -> None:
        self._form.setVisible(shown)
        bind_icon(self._settings, "chevron-down" if shown else "chevron-right", self._context.theme, "muted")
        self._reload.setVisible(shown and self._loader.model is not None)
        self.adjustSize()

    def _reload_model(self) -> None:
        self.hide()
        if self._loader.model is not None:
            self._loader.load(self._context.session.value.model_path)

    def _chosen(self, item: QListWidgetItem) -> None:
        model = item.data(_MODEL)
        if isinstance(model, FoundModel):
            self.hide()
            self._loader.load(model.path)

    def _fill(self, *_: object) -> None:
        wanted = self._filter.text().strip().lower()
        found = [m for m in self._loader.found if wanted in f"{m.name} {m.architecture} {m.source}".lower()]
        self._list.clear()
        for source, models in groupby(
            sorted(found, key=lambda m: (m.source, m.name.lower())), lambda m: m.source
        ):
            heading = QListWidgetItem(source)
            heading.setFlags(Qt.ItemFlag.NoItemFlags)
            self._list.addItem(heading)
            for model in models:
                item = QListWidgetItem(model.name)
                item.setData(_MODEL, model)
                item.setToolTip(model.path)
                self._list.addItem(item)
        self._state.setText(self._state_text(len(found)))
        self._state.setVisible(bool(self._state.text()))

    def _state_text(self, shown: int) -> str:
        if self._loader.scanning:
            return "Looking through this disk…"
        if shown:
            return ""
        return "Nothing found. Open a folder or a GGUF file, or drop one on the window."


class _ModelRow(QStyledItemDelegate):
    """A heading, or a model: its name, and what it is below."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        is_model = isinstance(index.data(_MODEL), FoundModel)
        return QSize(WIDTH_PX - 40, ROW_PX if is_model else HEADING_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        colors, rect = self._theme.colors, QRect(option.rect)
        model = index.data(_MODEL)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not isinstance(model, FoundModel):
            painter.setFont(text_font(8.5))
            painter.setPen(QColor(colors.muted))
            painter.drawText(rect.adjusted(8, 0, 0, -2), Qt.AlignmentFlag.AlignBottom, str(index.data()))
        else:
            active = QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver
            if option.state & active:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(colors.hover))
                painter.drawRoundedRect(rect, 6, 6)
            self._paint_model(painter, rect.adjusted(10, 4, -10, -4), model)
        painter.restore()

    def _paint_model(self, painter: QPainter, rect: QRect, model: FoundModel) -> None:
        colors = self._theme.colors
        kind = " · ".join(part for part in (model.architecture, model.quantisation) if part)
        backend = "GGUF" if model.backend == "gguf" else "Hugging Face"
        painter.setPen(QColor(colors.text))
        name = painter.fontMetrics().elidedText(model.name, Qt.TextElideMode.ElideMiddle, rect.width() - 90)
        painter.drawText(rect, Qt.AlignmentFlag.AlignTop, name)
        painter.setPen(QColor(colors.muted))
        painter.drawText(
            rect, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight, format_bytes(model.size_bytes)
        )
        painter.setFont(text_font(8.5))
        painter.drawText(rect, Qt.AlignmentFlag.AlignBottom, f"{kind} · {backend}" if kind else backend)
