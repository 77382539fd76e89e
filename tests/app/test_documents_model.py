"""The table of documents as a Qt model."""

from __future__ import annotations

from PySide6.QtCore import Qt
from pytestqt.modeltest import ModelTester

from app.models.documents import ROW_ROLE, Column, DocumentsModel, DocumentsProxy
from engine.protocol import DocumentRow, ErrorInfo

LOCKED = ErrorInfo(text="This PDF is locked.", hint="Save a copy without a password.", detail="code 4")


def row(number: int, name: str = "", **changes: object) -> DocumentRow:
    name = name or f"doc-{number:03}.pdf"
    values: dict[str, object] = {
        "document_id": str(number), "name": name, "path": f"/docs/{name}", "kind": "PDF",
        "n_pages": number, "n_chunks": 2 * number, "size_bytes": 1000 * number, "state": "ready",
    }  # fmt: skip
    return DocumentRow(**(values | changes))  # type: ignore[arg-type]


def names(proxy: DocumentsProxy) -> list[str]:
    return [proxy.index(i, 0).data(ROW_ROLE).name for i in range(proxy.rowCount())]


def test_the_model_keeps_qts_rules_through_every_change(qtmodeltester: ModelTester) -> None:
    model = DocumentsModel()
    proxy = DocumentsProxy(model)
    qtmodeltester.check(model)
    qtmodeltester.check(proxy)
    model.upsert([row(i) for i in range(6)])
    proxy.sort(Column.SIZE, Qt.SortOrder.DescendingOrder)
    model.upsert([row(2, state="embedding", progress=0.5), row(9)])
    model.remove(["0", "1", "4", "nobody"])
    proxy.set_query("doc-00")
    assert names(proxy) == ["doc-009.pdf", "doc-005.pdf", "doc-003.pdf", "doc-002.pdf"]
    model.set_rows([])
    assert proxy.rowCount() == 0


def test_an_update_changes_its_row_in_place() -> None:
    model = DocumentsModel()
    model.upsert([row(1), row(2)])
    model.upsert([row(1, state="embedding", progress=0.64)])
    assert model.rowCount() == 2
    assert model.index(0, Column.STATE).data() == "Embedding 64%"


def test_a_failure_is_told_in_the_row_and_explained_in_the_tooltip() -> None:
    model = DocumentsModel()
    model.set_rows([row(1, state="failed", error=LOCKED)])
    cell = model.index(0, Column.STATE)
    assert cell.data() == LOCKED.text
    tip = cell.data(Qt.ItemDataRole.ToolTipRole)
    assert LOCKED.hint in tip
    assert LOCKED.detail in tip


def test_sizes_beyond_two_gigabytes_sort_by_number() -> None:
    model = DocumentsModel()
    proxy = DocumentsProxy(model)
    model.set_rows([row(1, size_bytes=9_000), row(2, size_bytes=5_000_000_000), row(3, size_bytes=80_000)])
    proxy.sort(Column.SIZE)
    assert [proxy.index(i, Column.SIZE).data() for i in range(3)] == ["9.00 kB", "80.0 kB", "5.00 GB"]


def test_the_filter_wants_every_word_in_any_case() -> None:
    model = DocumentsModel()
    proxy = DocumentsProxy(model)
    model.set_rows([row(1, "Lease 2024.pdf"), row(2, "Lease 2019.pdf"), row(3, "rules.md")])
    proxy.set_query("2024 LEASE")
    assert names(proxy) == ["Lease 2024.pdf"]
    proxy.set_query("")
    assert proxy.rowCount() == 3
