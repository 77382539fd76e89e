"""What a dropped path is taken for."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QUrl

from app.drops import dropped, gguf_type, path_kind


def gguf(path: Path, *pairs: tuple[str, str], arrays: bool = False) -> Path:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    body = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs) + arrays)
    if arrays:
        body += text("tokens") + struct.pack("<IIQ", 9, 8, 1) + text("x")
    for key, value in pairs:
        body += text(key) + struct.pack("<I", 8) + text(value)
    path.write_bytes(body)
    return path


def mime(*paths: Path) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def folder(path: Path, name: str) -> Path:
    path.mkdir()
    (path / name).write_text("{}")
    return path


def test_folders_are_told_by_their_files(tmp_path: Path) -> None:
    assert path_kind(folder(tmp_path / "m", "config.json")) == "model"
    assert path_kind(folder(tmp_path / "a", "adapter_config.json")) == "adapter"
    assert path_kind(folder(tmp_path / "d", "letter.txt")) == "documents"


def test_a_gguf_file_says_itself_what_it_is(tmp_path: Path) -> None:
    architecture = ("general.architecture", "llama")
    assert path_kind(gguf(tmp_path / "a.gguf", architecture, ("general.type", "adapter"))) == "adapter"
    assert path_kind(gguf(tmp_path / "m.gguf", architecture, ("general.type", "model"))) == "model"
    assert path_kind(gguf(tmp_path / "o.gguf", architecture)) == "model"


@pytest.mark.parametrize("data", [b"", b"GGUF", b"GGUF" + b"\xff" * 64, b"\x00" * 100])
def test_a_damaged_gguf_is_not_read_beyond_its_head(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(data)
    assert gguf_type(path) == ""


def test_reading_stops_at_an_array(tmp_path: Path) -> None:
    assert gguf_type(gguf(tmp_path / "x.gguf", ("general.type", "adapter"), arrays=True)) == ""


def test_a_web_address_is_refused() -> None:
    data = QMimeData()
    data.setUrls([QUrl("https://example.org/a.pdf")])
    assert dropped(data).kind == "nothing"


def test_a_model_among_documents_is_refused(tmp_path: Path) -> None:
    model = folder(tmp_path / "m", "config.json")
    other = tmp_path / "a.txt"
    other.write_text("a")
    assert dropped(mime(model, other)).kind == "nothing"
    assert dropped(mime(other)).kind == "documents"
    assert dropped(mime(model)).kind == "model"
