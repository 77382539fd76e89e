"""The table of documents: sort, select, remove, retry, paste."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QDesktopServices,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableView

from app.context import AppContext
from app.library import LibraryController
from app.models.documents import ROW_ROLE, Column, DocumentsModel, DocumentsProxy
from app.views.library.delegate import ROW_PX, DocumentDelegate
from app.views.library.drops import judge
from engine.protocol import DocumentRow

_WIDTHS = {Column.KIND: 92, Column.PAGES: 62, Column.CHUNKS: 68, Column.SIZE: 76}
# In a narrow table the columns that say least leave first: the icon tells the kind, too.
_SHOWN_FROM_PX = {Column.SIZE: 620, Column.KIND: 560, Column.PAGES: 440, Column.CHUNKS: 360}


class DocumentTable(QTableView):
    """Follows the library; keys: Delete removes, Ctrl+V adds pasted paths, Return shows an error."""

    pasted = Signal(object)  # Offer

    def __init__(self, context: AppContext, library: LibraryController) -> None:
        super().__init__()
        self._context, self._library = context, library
        self._model = DocumentsModel(self)
        self._proxy = DocumentsProxy(self._model, self)
        self.setAccessibleName("Documents")
        self.setModel(self._proxy)
        self.setItemDelegate(DocumentDelegate(context.theme, self))
        self._look()
        self._model.set_rows(library.rows)
        library.reset.connect(self._model.set_rows)
        library.rows_changed.connect(self._model.upsert)
        library.rows_removed.connect(self._model.remove)
        context.theme.changed.connect(self.viewport().update)
        self.activated.connect(lambda index: self._show_error(index.data(ROW_ROLE)))

    def _look(self) -> None:
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setSortingEnabled(True)
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)  # as they came, until a header is clicked
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        rows.setVisible(False)
        rows.setDefaultSectionSize(ROW_PX)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        columns.setHighlightSections(False)
        columns.setMinimumSectionSize(48)
        for column in (Column.NAME, Column.STATE):
            columns.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        for column, width in _WIDTHS.items():
            self.setColumnWidth(column, width)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the room to names and states."""
        super().resizeEvent(event)
        for column, least_px in _SHOWN_FROM_PX.items():
            hidden = event.size().width() < least_px
            if self.isColumnHidden(column) != hidden:
                self.setColumnHidden(column, hidden)

    def set_query(self, query: str) -> None:
        """Show only documents whose name, kind or path holds the words."""
        self._proxy.set_query(query)

    def selected_rows(self) -> tuple[DocumentRow, ...]:
        """The documents that are selected, as sorted."""
        return tuple(index.data(ROW_ROLE) for index in self.selectionModel().selectedRows())

    def remove_selected(self) -> None:
        """Take the selected documents out of the library."""
        self._library.remove([row.document_id for row in self.selected_rows()])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete and paste; everything else is Qt's."""
        if event.matches(QKeySequence.StandardKey.Delete):
            self.remove_selected()
        elif event.matches(QKeySequence.StandardKey.Paste):
            self.paste()
        else:
            super().keyPressEvent(event)

    def paste(self) -> None:
        """Add the files whose paths are on the clipboard."""
        self.pasted.emit(judge(QGuiApplication.clipboard().mimeData()))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """What can be done with the selected documents."""
        menu = self.make_menu()
        if menu is not None:
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(event.globalPos())

    def make_menu(self) -> QMenu | None:
        """The context menu for the selection; None when nothing is selected."""
        rows = self.selected_rows()
        if not rows:
            return None
        menu = QMenu(self)
        failed = [row for row in rows if row.state == "failed"]
        if len(rows) == 1:
            menu.addAction("Open file", _opens(rows[0].path))
            menu.addAction("Show folder", _opens(str(Path(rows[0].path).parent)))
        if failed:
            menu.addAction("Try again", lambda: self._library.retry([row.document_id for row in failed]))
            menu.addAction("Show error", lambda: self._show_error(failed[0]))
            menu.addAction("Copy error", lambda: _copy("\n\n".join(map(_error_text, failed))))
        menu.addSeparator()
        menu.addAction("Remove from library", self.remove_selected)
        return menu

    def _show_error(self, row: DocumentRow) -> None:
        """A failed document's error as a notice, which can be expanded and copied."""
        if row.error is not None:
            self._context.notices.show_error(row.error)


def _opens(path: str) -> Callable[[], object]:
    return lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(path))


def _copy(text: str) -> None:
    QGuiApplication.clipboard().setText(text)


def _error_text(row: DocumentRow) -> str:
    if row.error is None:
        return row.path
    parts = (row.path, row.error.text, row.error.hint, row.error.detail)
    return "\n".join(part for part in parts if part)
