"""One collection: its database, its search index, and what must hold between the two."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from engine.errors import DamagedFile
from engine.library.database import Database
from engine.library.documents import DocumentTable
from engine.library.embedder import Embedder
from engine.library.store import IndexStore
from engine.library.texts import TextTable
from engine.library.words import inverse_frequencies, stems

_EMBEDDER = "embedder"
_INDEX_DOCUMENTS = 500


class Collection:
    """Order of writing: text into the database, then the index, then the state. A kill between any two
    is mended by :meth:`recover`; chunks that the database does not know are never shown."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._database = _open_database(folder / "documents.sqlite")
        self.documents = DocumentTable(self._database)
        self.texts = TextTable(self._database)
        self.store = _open_index(folder / "index")
        self._recovered = False

    @staticmethod
    def folder_name(name: str) -> str:
        """A folder for any name that a person may choose."""
        if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,40}", name):
            return name
        readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24]
        return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"

    def index_waiting(self) -> None:
        """Make stored texts searchable; in the same commit the documents they replace go."""
        while waiting := self.documents.unindexed(_INDEX_DOCUMENTS):
            outdated = self.documents.outdated_by(waiting)
            chunks = [chunk for document_id in waiting for chunk in self.texts.chunks(document_id)]
            self.store.insert(chunks, outdated)
            self.documents.take_place(waiting)

    def remove(self, document_ids: Iterable[str]) -> tuple[str, ...]:
        """Remove documents with all that belongs to them. Returns those that were there."""
        present = tuple(key for key in dict.fromkeys(document_ids) if self.documents.row(key) is not None)
        self.documents.delete(present)
        self.store.delete(present)
        return present

    def recover(self) -> None:
        """Bring database and index together after a killed run; all but the first step is done once."""
        self.index_waiting()
        if self._recovered:
            return
        known = {row.document_id for row in self.documents.rows()}
        present = self.store.document_ids()
        self.store.delete(sorted(present - known))
        self.documents.mark_unindexed(known - present)
        self.index_waiting()
        self.count_missing_vectors()
        self._recovered = True

    def count_missing_vectors(self) -> None:
        """Set progress and readiness from what the index lacks."""
        self.documents.set_embedded(self.store.count_without_vector())

    def adopt(self, embedder: Embedder) -> None:
        """Make ``embedder`` the one whose vectors are here; those of another are dropped, to be made
        anew from the stored text."""
        if self._database.meta(_EMBEDDER) == embedder.id:
            return
        self._database.set_meta(_EMBEDDER, "")
        self.store.drop_vectors()
        self.count_missing_vectors()
        self._database.set_meta(_EMBEDDER, embedder.id)

    def has_vectors_of(self, embedder: Embedder) -> bool:
        """Whether the vectors here are comparable with those of ``embedder``."""
        return self._database.meta(_EMBEDDER) == embedder.id

    def weights(self, text: str) -> dict[str, float]:
        """How rare each word of a text is in this collection: idf by stem."""
        found = stems(text)
        return inverse_frequencies(self.texts.term_counts(found), found, self.texts.n_chunks())

    def close(self) -> None:
        """Close the database; the index needs no closing."""
        self._database.close()


def _open_database(path: Path) -> Database:
    try:
        return Database(path)
    except sqlite3.DatabaseError as error:
        raise DamagedFile(
            f"The library's file of documents is damaged: {path}.",
            "Move it to another place and start again; then add your documents anew.",
            str(error),
        ) from error


def _open_index(folder: Path) -> IndexStore:
    try:
        return IndexStore(folder)
    except (OSError, ValueError, RuntimeError) as error:
        raise DamagedFile(
            f"The library's search index cannot be opened: {folder}.",
            "Delete that folder and start again: the index is rebuilt from the stored texts.",
            str(error),
        ) from error
