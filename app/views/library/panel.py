"""The bottom of the window: drop zone at the left, documents or found passages at the right."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent, QKeyEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QStackedWidget,
    QTabBar,
    QVBoxLayout,
    QWidget,
)

from app.context import AppContext
from app.icons import bind_icon
from app.library import LibraryController
from app.views.library.document_table import DocumentTable
from app.views.library.drop_zone import DropZone
from app.views.library.drops import Offer, judge
from app.views.library.hits import HitList
from app.views.library.progress import LibraryProgress
from app.views.parts import label
from engine.protocol import Hit

SEARCH_PAUSE_MS: Final = 250
REFUSAL_SHOWN_MS: Final = 2500
NO_DOCUMENTS = "No documents yet. Drop some here, and answers can cite them."
A_MODEL = "That is a model. Drop it on the window to load it."
NO_HITS = "No passage holds this. Try other words."
_DOCUMENTS, _PASSAGES = 0, 1


class LibraryPanel(QWidget):
    """Takes drops anywhere on it."""

    open_hit = Signal(object)  # Hit

    def __init__(
        self, context: AppContext, library: LibraryController, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._context, self._library = context, library
        self.setAcceptDrops(True)
        self.setAccessibleName("Library")
        self._register()
        self.zone = DropZone(context)
        self.table = DocumentTable(context, library)
        self.hits = HitList(context.theme)
        self.search = self._make_search()
        self.tabs = self._make_tabs()
        self.progress = LibraryProgress(context, library)
        self._message = label("", "muted", wrap=True)
        self._pages = QStackedWidget()
        self._query = ""
        self._hits_count: int | None = None
        self._pause = QTimer(self, singleShot=True, interval=SEARCH_PAUSE_MS)
        self._relax = QTimer(self, singleShot=True, interval=REFUSAL_SHOWN_MS)
        self._lay_out()
        self._connect()
        self._refresh()

    def _register(self) -> None:
        add = self._context.actions.add
        add("library.add_files", "Add files…", self.ask_files, "Ctrl+O", "Library", "plus")
        add("library.add_folder", "Add folder…", self.ask_folder, "Ctrl+Shift+O", "Library", "folder")
        add("library.search", "Search the documents", self.focus_search, "Ctrl+F", "Library", "search")
        add("library.remove", "Remove selected documents", self._remove, "", "Library", "trash")
        add("library.retry_failed", "Read failed documents again", self._retry, "", "Library", "refresh")
        add("library.cancel", "Stop reading documents", self._library.cancel, "", "Library", "stop")

    def _make_search(self) -> QLineEdit:
        field = QLineEdit()
        field.setPlaceholderText("Search")
        field.setAccessibleName("Search the documents")
        field.setClearButtonEnabled(True)
        field.setMinimumWidth(84)
        field.setMaximumWidth(230)
        glass = QAction("Search the documents", field)
        bind_icon(glass, "search", self._context.theme, "muted")
        field.addAction(glass, QLineEdit.ActionPosition.LeadingPosition)
        field.installEventFilter(self)
        return field

    def _make_tabs(self) -> QTabBar:
        tabs = QTabBar()
        tabs.setDrawBase(False)
        tabs.setExpanding(False)
        tabs.setAccessibleName("Documents or passages")
        tabs.addTab("Documents")
        tabs.addTab("Passages")
        return tabs

    def _lay_out(self) -> None:
        header = QHBoxLayout()
        header.setSpacing(8)
        header.addWidget(self.tabs)
        header.addWidget(self.progress, 1)
        header.addWidget(self.search, 1)
        self._message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        for page in (self.table, self.hits, self._message):
            self._pages.addWidget(page)
        card = QFrame()
        card.setObjectName("card")
        inside = QVBoxLayout(card)
        inside.setContentsMargins(8, 6, 8, 6)
        inside.setSpacing(2)
        inside.addLayout(header)
        inside.addWidget(self._pages, 1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addWidget(self.zone, 1)
        layout.addWidget(card, 3)
        self.zone.setMinimumWidth(210)
        self.zone.setMaximumWidth(420)

    def _connect(self) -> None:
        library = self._library
        for signal in (library.reset, library.rows_changed, library.rows_removed):
            signal.connect(self._refresh)
        library.hits_found.connect(self._show_hits)
        self.tabs.currentChanged.connect(self._refresh)
        self.search.textChanged.connect(self._query_changed)
        self.search.returnPressed.connect(self._search_now)
        self._pause.timeout.connect(self._search_now)
        self._relax.timeout.connect(lambda: self.zone.show_offer(None))
        self.hits.opened.connect(self.open_hit)
        self.table.pasted.connect(self.take)
        self.table.selectionModel().selectionChanged.connect(self._refresh)

    def take(self, offer: Offer) -> None:
        """Add what is offered, or say for a moment why not."""
        if offer.paths:
            self.zone.show_offer(None)
            self._library.add_paths(offer.paths)
        else:
            self.zone.show_offer(offer if offer.refusal else Offer(refusal=A_MODEL))
            self._relax.start()

    def ask_files(self) -> None:
        """Let the person choose files."""
        paths, _ = QFileDialog.getOpenFileNames(self, "Add documents", str(Path.home()))
        self._library.add_paths(paths)

    def ask_folder(self) -> None:
        """Let the person choose a folder; everything readable in it is added."""
        path = QFileDialog.getExistingDirectory(self, "Add a folder of documents", str(Path.home()))
        if path:
            self._library.add_paths([path])

    def focus_search(self) -> None:
        """Put the cursor into the search field."""
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def _remove(self) -> None:
        self.table.remove_selected()

    def _retry(self) -> None:
        self._library.retry([row.document_id for row in self._library.rows if row.state == "failed"])

    def _query_changed(self, text: str) -> None:
        self.table.set_query(text)
        self._pause.start()

    def _search_now(self) -> None:
        self._pause.stop()
        query = self.search.text().strip()
        if query == self._query:
            return
        self._query = query
        if query:
            self._library.search(query)
        else:
            self._hits_count = None
            self.tabs.setCurrentIndex(_DOCUMENTS)
            self._refresh()

    def _show_hits(self, query: str, hits: tuple[Hit, ...]) -> None:
        if query != self._query:
            return
        self.hits.set_hits(query, hits)
        self._hits_count = len(hits)
        self.tabs.setCurrentIndex(_PASSAGES)
        self._refresh()

    def _refresh(self) -> None:
        """Counts on the tabs, the page to show, the actions that make sense."""
        rows = self._library.rows
        self.tabs.setTabText(_DOCUMENTS, f"Documents  {len(rows):,}" if rows else "Documents")
        found = self._hits_count
        self.tabs.setTabText(_PASSAGES, "Passages" if found is None else f"Passages  {found:,}")
        self.tabs.setTabVisible(_PASSAGES, found is not None)
        self.search.setEnabled(bool(rows))
        actions = self._context.actions
        actions.get("library.remove").setEnabled(self.table.selectionModel().hasSelection())
        actions.get("library.retry_failed").setEnabled(any(row.state == "failed" for row in rows))
        self._pages.setCurrentWidget(self._page())

    def _page(self) -> QWidget:
        if self.tabs.currentIndex() == _PASSAGES and self._hits_count is not None:
            self._message.setText(NO_HITS)
            return self.hits if self._hits_count else self._message
        self._message.setText(NO_DOCUMENTS)
        return self.table if self._library.rows else self._message

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """In the search field: Escape clears, Down goes to the list below."""
        if watched is self.search and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() == Qt.Key.Key_Escape and self.search.text():
                self.search.clear()
                self._search_now()
                return True
            if event.key() == Qt.Key.Key_Down:
                self._page().setFocus(Qt.FocusReason.TabFocusReason)
                return True
        return False

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Light up for documents, refuse what is none, leave models to the window."""
        offer = judge(event.mimeData())
        self._relax.stop()
        self.zone.show_offer(offer if offer.paths or offer.refusal else None)
        if offer.paths:
            event.acceptProposedAction()
        else:
            event.ignore()
            if offer.refusal:
                self._relax.start()  # a refused drag sends no leave event

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        """Still welcome."""
        event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Back to the welcome."""
        self.zone.show_offer(None)

    def dropEvent(self, event: QDropEvent) -> None:
        """Add the files."""
        self.take(judge(event.mimeData()))
        event.acceptProposedAction()
