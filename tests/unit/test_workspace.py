"""One writer at a time; every write is whole; an abrupt end is noticed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import BadInput, Busy
from engine.workspace import Workspace, atomic_write

_HOLD = """
import sys, time
from pathlib import Path
from engine.workspace import Workspace
held = Workspace.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


def _other_process(path: Path) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], cwd=root, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "open\n"
    return process


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    process = _other_process(tmp_path)
    try:
        with pytest.raises(Busy, match="already open"):
            Workspace.open(tmp_path)
        assert not Workspace.open(tmp_path, write=False).writable
    finally:
        process.kill()
        process.communicate()
    workspace = Workspace.open(tmp_path)
    assert workspace.ended_abruptly
    workspace.close()


def test_an_orderly_end_is_not_called_abrupt(tmp_path: Path) -> None:
    Workspace.open(tmp_path).close()
    again = Workspace.open(tmp_path)
    assert not again.ended_abruptly
    again.close()


def test_opening_twice_in_one_process_is_one_lock_counted(tmp_path: Path) -> None:
    first, second = Workspace.open(tmp_path), Workspace.open(tmp_path)
    first.close()
    assert (tmp_path / "running").exists()
    second.close()
    assert not (tmp_path / "running").exists()


def test_a_file_in_place_of_the_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match="cannot be used"):
        Workspace.open(tmp_path / "file")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user without root's rights")
def test_a_folder_without_permission_is_a_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(BadInput, match="cannot be used"):
        Workspace.open(tmp_path / "inside")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.json"
    atomic_write(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["settings.json"]
