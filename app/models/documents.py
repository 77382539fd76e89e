"""The library's table: one row per document, sortable and filtered by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
)

from app.units import format_bytes
from engine.protocol import DocumentRow

Index = QModelIndex | QPersistentModelIndex
ROW_ROLE: Final = int(Qt.ItemDataRole.UserRole) + 1
SORT_ROLE: Final = int(Qt.ItemDataRole.UserRole) + 2
STATES: Final = ("failed", "embedding", "reading", "queued", "ready")
STATE_WORDS: Final = {
    "queued": "Waiting",
    "reading": "Reading",
    "embedding": "Embedding",
    "ready": "Ready",
    "failed": "Failed",
}


class Column(IntEnum):
    """Columns, left to right."""

    NAME = 0
    KIND = 1
    PAGES = 2
    CHUNKS = 3
    SIZE = 4
    STATE = 5


HEADERS: Final = ("Name", "Kind", "Pages", "Chunks", "Size", "State")
_NUMBERS: Final = (Column.PAGES, Column.CHUNKS, Column.SIZE)


def state_text(row: DocumentRow) -> str:
    """The state in words, with the error in the row when it failed."""
    if row.state == "failed" and row.error is not None:
        return row.error.text
    if row.state in ("reading", "embedding") and row.progress > 0:
        return f"{STATE_WORDS[row.state]} {row.progress:.0%}"
    return STATE_WORDS[row.state]


class DocumentsModel(QAbstractTableModel):
    """Rows are kept in order of arrival and found by document id."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[DocumentRow] = []
        self._places: dict[str, int] = {}

    def rowCount(self, parent: Index | None = None) -> int:
        """Documents; a document has no children."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index | None = None) -> int:
        """Columns; a document has no children."""
        return 0 if parent is not None and parent.isValid() else len(Column)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """Column titles; numbers are headed at the right, over their digits."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(Column):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return HEADERS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(Column(section))
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Texts, sort keys (``SORT_ROLE``), the row itself (``ROW_ROLE``), error and hint as tooltip."""
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        row, column = self._rows[index.row()], Column(index.column())
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(row, column)
        if role == ROW_ROLE:
            return row
        if role == SORT_ROLE:
            return _sort_key(row, column)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleDescriptionRole):
            return _tooltip(row)
        return None

    def set_rows(self, rows: Sequence[DocumentRow]) -> None:
        """Replace everything."""
        self.beginResetModel()
        self._rows = list(rows)
        self._index()
        self.endResetModel()

    def upsert(self, rows: Iterable[DocumentRow]) -> None:
        """Update the rows that are known, append the others in one insertion."""
        latest = {row.document_id: row for row in rows}
        for document_id in [key for key in latest if key in self._places]:
            place = self._places[document_id]
            self._rows[place] = latest.pop(document_id)
            self.dataChanged.emit(self.index(place, 0), self.index(place, len(Column) - 1))
        if latest:
            first = len(self._rows)
            self.beginInsertRows(QModelIndex(), first, first + len(latest) - 1)
            self._rows.extend(latest.values())
            self._index()
            self.endInsertRows()

    def remove(self, document_ids: Iterable[str]) -> None:
        """Drop rows; ids that are not there are ignored."""
        places = sorted(self._places[i] for i in set(document_ids) if i in self._places)
        for first, last in reversed(_runs(places)):
            self.beginRemoveRows(QModelIndex(), first, last)
            del self._rows[first : last + 1]
            self._index()
            self.endRemoveRows()

    def _index(self) -> None:
        self._places = {row.document_id: place for place, row in enumerate(self._rows)}


class DocumentsProxy(QSortFilterProxyModel):
    """Sorted by clicks on the header, filtered by the words of a query in name, kind and path."""

    def __init__(self, source: DocumentsModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._words: tuple[str, ...] = ()
        self.setSourceModel(source)
        self.setSortRole(SORT_ROLE)

    def set_query(self, query: str) -> None:
        """Show the documents that hold every word of ``query``; '' shows all."""
        self._words = tuple(query.casefold().split())
        self.setFilterFixedString(query)  # filters anew; invalidateRowsFilter is deprecated since Qt 6.10

    def filterAcceptsRow(self, source_row: int, source_parent: Index) -> bool:
        """Whether the document holds every word."""
        row = self.sourceModel().index(source_row, 0, source_parent).data(ROW_ROLE)
        text = f"{row.name} {row.kind} {row.path}".casefold()
        return all(word in text for word in self._words)


def _runs(places: list[int]) -> list[tuple[int, int]]:
    """Ascending places as unbroken stretches (first, last): one removal each."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and place == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs


def _text(row: DocumentRow, column: Column) -> str:
    pending = row.state != "ready"
    match column:
        case Column.NAME:
            return row.name
        case Column.KIND:
            return row.kind
        case Column.PAGES:
            return f"{row.n_pages:,}" if row.n_pages else "–"
        case Column.CHUNKS:
            return f"{row.n_chunks:,}" if row.n_chunks or not pending else "–"
        case Column.SIZE:
            return format_bytes(row.size_bytes)
    return state_text(row)


def _sort_key(row: DocumentRow, column: Column) -> object:
    match column:
        case Column.NAME:
            return row.name.casefold()
        case Column.KIND:
            return row.kind.casefold()
        case Column.PAGES:
            return row.n_pages
        case Column.CHUNKS:
            return row.n_chunks
        case Column.SIZE:
            return float(row.size_bytes)  # a Python int over 2**31 does not survive QVariant's int
    return STATES.index(row.state)


def _alignment(column: Column) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _NUMBERS else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def _tooltip(row: DocumentRow) -> str:
    if row.error is None:
        return row.path
    parts = (row.error.text, row.error.hint, row.error.detail, row.path)
    return "\n".join(part for part in parts if part)
