"""Untrusted GGUF files: every kind of damage is one clear sentence, before llama.cpp sees the file."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import pytest
from gguf import GGUFWriter
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BadInput, DamagedFile, UnsupportedInput
from engine.gguf_file import read_gguf
from engine.models.gguf_header import read_header
from tests.unit.tiny_gguf import VOCABULARIES, gguf_file


def _copy(folder: Path, data: bytes, name: str = "model.gguf") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _header(n_tensors: int, n_keys: int, rest: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, n_tensors, n_keys) + rest


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def _tensor(name: str, dims: tuple[int, ...], offset: int) -> bytes:
    return _text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, 0, offset)


def test_a_model_says_what_it_is() -> None:
    header = read_header(gguf_file())
    assert (header.architecture, header.n_layers, header.d_model) == ("llama", 2, 64)
    assert (header.n_heads, header.n_kv_heads, header.head_dim) == (4, 2, 16)
    assert (header.n_ctx_train, header.n_vocab, header.quantisation) == (1100, 330, "F32")
    assert header.chat_template is not None
    assert header.weights_bytes == 4 * header.n_params


def test_a_file_cut_short_says_how_many_bytes_are_missing(tmp_path: Path) -> None:
    data = gguf_file().read_bytes()
    with pytest.raises(DamagedFile, match="1,000 of"):
        read_header(_copy(tmp_path, data[:-1000]))


@pytest.mark.parametrize("length", [0, 3, 4, 10, 23, 24, 100, 3000])
def test_a_file_that_ends_inside_its_header_is_damaged(tmp_path: Path, length: int) -> None:
    with pytest.raises(DamagedFile):
        read_header(_copy(tmp_path, gguf_file().read_bytes()[:length]))


def test_a_copy_in_text_mode_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match="header does not make sense"):
        read_header(_copy(tmp_path, gguf_file().read_bytes().replace(b"\n", b"\r\n")))


def test_a_git_lfs_pointer_is_named_as_such(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"
    with pytest.raises(DamagedFile, match="Git LFS pointer") as caught:
        read_header(_copy(tmp_path, pointer))
    assert "git lfs pull" in caught.value.hint


@pytest.mark.parametrize(
    "data",
    [
        _header(1 << 60, 0, b"\0" * 100),
        _header(0, 1 << 60, b"\0" * 100),
        _header(0, 1, struct.pack("<Q", 1 << 62) + b"\0" * 100),
        _header(0, 1, _text("a") + struct.pack("<IIQ", 9, 8, 1 << 59) + b"\0" * 100),
        _header(0, 1, _text("a") + struct.pack("<IIQ", 9, 9, 1) + b"\0" * 100),
        _header(0, 1, _text("a") + struct.pack("<I", 99) + b"\0" * 100),
        _header(1, 0, _tensor("t", (1 << 62, 1 << 62), 0) + b"\0" * 100),
        _header(1, 0, _tensor("t", (0,), 0) + b"\0" * 100),
        _header(2, 0, _tensor("a", (8,), 0) + _tensor("b", (8,), 0) + b"\0" * 200),
        _header(2, 0, _tensor("a", (8,), 0) + _tensor("a", (8,), 32) + b"\0" * 200),
        _header(1, 0, _tensor("t", (8,), 5) + b"\0" * 200),
        _header(1, 0, _tensor("t", (8,), (1 << 64) - 32) + b"\0" * 200),
    ],
)
def test_counts_and_places_are_not_believed(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DamagedFile):
        read_gguf(_copy(tmp_path, data))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(4, 2500), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(gguf_file().read_bytes())
    for place, byte in changes:
        data[place] = byte
    path = _copy(tmp_path_factory.mktemp("flipped"), bytes(data))
    with suppress(BadInput):
        assert read_header(path).tensors


def test_an_adapter_is_no_model(tmp_path: Path) -> None:
    writer = GGUFWriter(tmp_path / "a.gguf", "llama")
    writer.add_type("adapter")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(UnsupportedInput, match="is an adapter"):
        read_header(tmp_path / "a.gguf")


@pytest.mark.parametrize(
    ("architecture", "words"),
    [("zebra", "architecture 'zebra'"), ("bert", "embedding model"), ("llama", "vocab")],
)
def test_what_cannot_be_talked_to_is_refused(tmp_path: Path, architecture: str, words: str) -> None:
    writer = GGUFWriter(tmp_path / "m.gguf", architecture)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(UnsupportedInput, match=words):
        read_header(tmp_path / "m.gguf")


def test_a_split_model_needs_all_its_parts(tmp_path: Path) -> None:
    path = _copy(tmp_path, gguf_file().read_bytes(), "m-00001-of-00003.gguf")
    with pytest.raises(DamagedFile, match="2 of them are not") as caught:
        read_header(path)
    assert "m-00002-of-00003.gguf" in caught.value.detail


@pytest.mark.skipif(not VOCABULARIES.exists(), reason="the shared sample files are not here")
def test_real_vocabulary_files_are_refused() -> None:
    for path in VOCABULARIES.glob("*.gguf"):
        with pytest.raises(BadInput):
            read_header(path)
