"""Whatever goes wrong becomes words with a way out."""

import errno
import sqlite3
from pathlib import Path

import pytest

from engine.errors import BadInput
from engine.jobs.failure import error_info
from engine.library.database import Database


def _full_database(path: Path) -> sqlite3.OperationalError:
    db = sqlite3.connect(path)
    db.execute("create table t(x)")
    db.execute("pragma max_page_count=3")
    with pytest.raises(sqlite3.OperationalError) as caught:
        db.executemany("insert into t values(zeroblob(?))", [(4000,)] * 100)
    db.close()
    return caught.value


def test_a_full_disk_is_named_whoever_met_it(tmp_path: Path) -> None:
    for error in (OSError(errno.ENOSPC, "No space left"), _full_database(tmp_path / "a.sqlite")):
        info = error_info(error)
        assert "disk is full" in info.text and "Free some space" in info.hint and not info.bad_input


def test_bad_input_stays_bad_input_and_surprises_carry_their_trace() -> None:
    assert error_info(BadInput("No.", "Do.")).bad_input
    surprise = error_info(RuntimeError("odd"))
    assert "odd" in surprise.text and surprise.hint and "RuntimeError" in surprise.detail


def test_a_full_disk_inside_a_transaction_keeps_its_own_error(tmp_path: Path) -> None:
    database = Database(tmp_path / "documents.sqlite")
    pages = database.select("pragma page_count")[0][0]
    database.select(f"pragma max_page_count={pages}")
    rows = [(str(number), "x" * 4000) for number in range(200)]
    with pytest.raises(sqlite3.OperationalError, match="full"), database.transaction() as db:
        db.executemany("insert into meta values(?, ?)", rows)
    assert database.meta("0") == ""
