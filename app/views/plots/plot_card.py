"""What the three plots share: a card with a chart, direct labels, an empty state and export."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from PySide6.QtCore import QPoint
from PySide6.QtGui import QContextMenuEvent, QGuiApplication
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QStackedLayout, QToolButton, QWidget

from app.context import AppContext
from app.views.card import Card
from app.views.parts import icon_button
from app.views.plots import export
from app.views.plots.chart import Chart
from app.views.plots.edge_labels import EdgeLabels
from app.views.plots.empty import sentence
from engine.errors import BadInput


class PlotCard(Card):
    """Subclasses fill ``chart`` and ``labels`` in ``refresh`` and say their numbers in ``table``."""

    def __init__(self, context: AppContext, title: str, chart: Chart, labels: EdgeLabels, empty: str) -> None:
        super().__init__(title)
        self.context = context
        self.chart, self.labels = chart, labels
        plot = QWidget()
        row = QHBoxLayout(plot)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(chart, 1)
        row.addWidget(labels)
        self._pages = QStackedLayout()
        self._pages.addWidget(sentence(empty))
        self._pages.addWidget(plot)
        self.content.addLayout(self._pages, 1)
        self._export_button = self._make_export_button()
        self.add_tool(self._export_button)
        self.setMinimumHeight(118)
        chart.resized.connect(self.refresh)
        context.theme.changed.connect(self.refresh)

    def _make_export_button(self) -> QToolButton:
        button = icon_button("export", f"Export: {self.accessibleName()}", self.context.theme)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setMenu(self._make_menu(button))
        return button

    def _make_menu(self, parent: QWidget) -> QMenu:
        menu = QMenu(parent)
        menu.addAction("Save plot as PNG, SVG or CSV…", self.ask_and_export)
        menu.addAction("Copy picture", self.copy_picture)
        menu.addAction("Copy numbers", self.copy_numbers)
        return menu

    @abstractmethod
    def refresh(self) -> None:
        """Draw what is known now."""

    @abstractmethod
    def table(self) -> export.Table:
        """The numbers behind the plot."""

    def set_empty(self, empty: bool) -> None:
        """Show the sentence in place of the plot, or the plot."""
        self._pages.setCurrentIndex(0 if empty else 1)
        self._export_button.setEnabled(not empty)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return self._pages.currentIndex() == 0

    def describe(self, text: str) -> None:
        """Tell assistive technology the current values."""
        self.chart.setAccessibleDescription(text)
        self.setAccessibleDescription(text)

    def ask_and_export(self) -> None:
        """Ask for a file name and write the plot there."""
        name = self.accessibleName().lower().replace(" ", "-").replace("(", "").replace(")", "")
        chosen, _ = QFileDialog.getSaveFileName(self, "Save plot", f"{name}.png", export.FILTERS)
        if chosen:
            self.export_to(Path(chosen))

    def export_to(self, path: Path) -> None:
        """Write the plot; a file that cannot be written becomes a notice."""
        try:
            export.write(path, self, self.table())
        except BadInput as error:
            self.context.notices.show("error", error.text, error.hint, error.detail)

    def copy_picture(self) -> None:
        """Put the plot on the clipboard."""
        QGuiApplication.clipboard().setPixmap(export.picture(self))

    def copy_numbers(self) -> None:
        """Put the numbers on the clipboard, as a spreadsheet takes them."""
        header, rows = self.table()
        lines = ["\t".join(header)] + ["\t".join(str(cell) for cell in row) for row in rows]
        QGuiApplication.clipboard().setText("\n".join(lines))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """The export menu, by right click or the menu key."""
        if not self.is_empty:
            at = event.globalPos() if event.reason() == QContextMenuEvent.Reason.Mouse else self._corner()
            self._export_button.menu().popup(at)

    def _corner(self) -> QPoint:
        return self._export_button.mapToGlobal(QPoint(0, self._export_button.height()))
