"""Finding models on the disk, and telling what a path is."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from engine.errors import BadInput, DamagedFile, EngineError, UnsupportedInput
from engine.models import places
from engine.models.catalog import detect_backend, scan
from engine.models.hf_header import read_hf_header
from engine.protocol import FoundModel

CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "num_hidden_layers": 1,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "vocab_size": 10,
    "max_position_embeddings": 64,
    "tie_word_embeddings": True,
}
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"


def make_folder(folder: Path, config: dict[str, object] = CONFIG, **tensors: np.ndarray) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    weights = {"model.embed_tokens.weight": np.zeros((10, 8), np.float16), **tensors}
    save_file(weights, folder / "model.safetensors")
    return folder


def make_gguf(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_embedding_length(8)
    writer.add_head_count(2)
    writer.add_context_length(64)
    writer.add_vocab_size(10)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_tensor("token_embd.weight", np.zeros((10, 8), np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(autouse=True)
def no_starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "bundled_starter", lambda: tmp_path / "no starter")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "models" / "tiny")


def names(found: list[FoundModel]) -> list[tuple[str, str]]:
    return [(model.name, model.source) for model in found]


def test_a_chosen_folder_gives_folders_and_gguf_files(tmp_path: Path, model: Path) -> None:
    make_gguf(tmp_path / "models" / "deep" / "er" / "small-f16.gguf")
    found = {entry.name: entry for entry in scan([tmp_path / "models"])}
    assert found["tiny"] == FoundModel(
        name="tiny",
        path=str(model),
        backend="hf",
        source="folder",
        architecture="llama",
        size_bytes=160,
        quantisation="F16",
    )
    small = found["small-f16"]
    assert (small.backend, small.architecture, small.quantisation) == ("gguf", "llama", "F16")
    assert len(found) == 2


def test_the_hugging_face_cache_gives_the_snapshot_of_main(own_home: Path) -> None:
    repository = own_home / "cache" / "huggingface" / "hub" / "models--acme--tiny"
    for revision in ("aaa", "bbb"):
        make_folder(repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("aaa")
    (found,) = scan([])
    assert (found.name, found.source) == ("acme/tiny", "Hugging Face")
    assert found.path.endswith("aaa")


def test_hf_home_moves_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "elsewhere"))
    make_folder(tmp_path / "elsewhere" / "hub" / "models--acme--tiny" / "snapshots" / "aaa")
    assert names(list(scan([]))) == [("acme/tiny", "Hugging Face")]


def test_ollama_models_get_the_names_people_type(own_home: Path) -> None:
    root = own_home / ".ollama" / "models"
    digest = "ab" * 32
    make_gguf(root / "blobs" / f"sha256-{digest}")
    layers = [
        {"mediaType": "application/vnd.ollama.image.license", "digest": f"sha256:{'cd' * 32}"},
        {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}"},
    ]
    for place in ("registry.ollama.ai/library/llama3.2/1b", "hf.co/acme/tiny/Q8_0"):
        manifest = root / "manifests" / place
        manifest.parent.mkdir(parents=True)
        manifest.write_text(json.dumps({"layers": layers}))
    found = list(scan([]))
    assert names(found) == [("acme/tiny:Q8_0", "Ollama")]
    assert names(list(scan([]))) == names(found)
    assert detect_backend(Path(found[0].path)) == "gguf"


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"layers": 3}', '{"layers": [{"digest": "sha256:../../etc/passwd"}]}', "[" * 100_000],
)
def test_a_foreign_ollama_manifest_names_nothing(own_home: Path, content: str) -> None:
    manifest = own_home / ".ollama" / "models" / "manifests" / "registry" / "library" / "x" / "latest"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(content)
    assert list(scan([])) == []


def test_lm_studio_and_llama_cpp_caches_are_found(own_home: Path) -> None:
    make_gguf(own_home / ".lmstudio" / "models" / "acme" / "tiny-GGUF" / "tiny-Q8_0.gguf")
    make_gguf(own_home / "cache" / "lm-studio" / "models" / "acme" / "old" / "old.gguf")
    make_gguf(own_home / "cache" / "llama.cpp" / "acme_flat.gguf")
    assert names(list(scan([]))) == [
        ("tiny-Q8_0", "LM Studio"),
        ("old", "LM Studio"),
        ("acme_flat", "llama.cpp"),
    ]


def test_the_starter_comes_first(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starter = make_folder(tmp_path / "starter" / "hf")
    monkeypatch.setattr(places, "bundled_starter", lambda: starter.parent)
    assert names(list(scan([model.parent]))) == [("Strata starter", "starter"), ("tiny", "folder")]


def test_broken_and_foreign_models_are_told_and_do_not_stop_the_scan(tmp_path: Path, model: Path) -> None:
    root = model.parent
    cut = make_gguf(root / "cut.gguf")
    cut.write_bytes(cut.read_bytes()[:-40])
    (root / "note.gguf").write_bytes(LFS_POINTER)
    (root / "empty.gguf").touch()
    make_folder(root / "encoder", {**CONFIG, "architectures": ["BertModel"]})
    (make_folder(root / "damaged") / "model.safetensors").write_bytes(b"\xff" * 64)
    skipped: dict[str, EngineError] = {}
    found = list(scan([root], lambda path, why: skipped.update({path.name: why})))
    assert names(found) == [("tiny", "folder")]
    assert set(skipped) == {"cut.gguf", "note.gguf", "empty.gguf", "encoder", "damaged"}
    assert all(why.text for why in skipped.values())


def test_a_split_model_is_listed_once(tmp_path: Path) -> None:
    whole = make_gguf(tmp_path / "models" / "tiny.gguf")
    for part in (1, 2):
        shutil.copy(whole, whole.with_name(f"big-0000{part}-of-00002.gguf"))
    whole.unlink()
    told: list[str] = []
    assert list(scan([tmp_path / "models"], lambda path, why: told.append(path.name))) == []
    assert told == ["big-00001-of-00002.gguf"]  # its parts do not add up, which is said of the first


def test_missing_hidden_and_very_deep_folders_are_passed_over(tmp_path: Path, model: Path) -> None:
    make_folder(tmp_path / "models" / ".trash" / "old")
    make_folder(tmp_path.joinpath("models", *"abcdefgh", "deep"))
    assert names(list(scan([tmp_path / "missing", tmp_path / "models"]))) == [("tiny", "folder")]


def test_a_closed_folder_does_not_stop_the_scan(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "models" / "closed"
    closed.mkdir()
    look = os.scandir

    def guarded(path: str) -> Iterator[os.DirEntry[str]]:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", path)
        return look(path)

    monkeypatch.setattr(os, "scandir", guarded)  # root, as in many a container, may read every folder
    assert names(list(scan([closed, tmp_path / "models"]))) == [("tiny", "folder")]


def test_the_same_model_by_two_ways_is_listed_once(tmp_path: Path, model: Path) -> None:
    (tmp_path / "link").symlink_to(model)
    assert len(list(scan([model, tmp_path / "link", model.parent]))) == 1


def test_backends_are_told_from_what_is_there(model: Path) -> None:
    assert detect_backend(model) == "hf"
    assert detect_backend(make_gguf(model.parent / "tiny.gguf")) == "gguf"


def _pickle_folder(folder: Path) -> Path:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02")
    return folder


def _adapter_folder(folder: Path) -> Path:
    (folder / "config.json").rename(folder / "adapter_config.json")
    return folder


def _without_weights(folder: Path) -> Path:
    (folder / "model.safetensors").unlink()
    return folder


def _file(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def _folder_of_ggufs(folder: Path) -> Path:
    (folder / "config.json").unlink()
    return make_gguf(folder / "a.gguf").parent


def _empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


@pytest.mark.parametrize(
    ("make", "kind", "says"),
    [
        (_pickle_folder, UnsupportedInput, "pickles"),
        (_adapter_folder, UnsupportedInput, "adapter"),
        (_without_weights, BadInput, "no model.safetensors"),
        (_folder_of_ggufs, BadInput, "has to be chosen"),
        (_empty, BadInput, "is empty"),
        (lambda folder: folder / "nothing", BadInput, "does not exist"),
        (lambda folder: folder / "model.safetensors", BadInput, "part of a model"),
        (lambda folder: _file(folder, "x.gguf", LFS_POINTER), DamagedFile, "LFS"),
        (lambda folder: _file(folder, "x.gguf", b"PK\x03\x04"), DamagedFile, "not a GGUF"),
        (lambda folder: _file(folder, "x.gguf", b""), DamagedFile, "is empty"),
        (lambda folder: _file(folder, "pytorch_model.bin", b"\x80"), UnsupportedInput, "pickle"),
        (lambda folder: _file(folder, "notes.txt", b"hello"), UnsupportedInput, "no model"),
    ],
)
def test_what_is_no_model_is_named_with_a_way_out(
    model: Path, make: object, kind: type[EngineError], says: str
) -> None:
    path = make(model)  # type: ignore[operator]
    with pytest.raises(kind, match=says) as caught:
        detect_backend(path)
    assert caught.value.hint


def test_a_header_tells_the_facts(model: Path) -> None:
    header = read_hf_header(model)
    assert (header.architecture, header.n_layers, header.d_model, header.n_heads) == ("llama", 1, 8, 2)
    assert (header.n_kv_heads, header.head_dim, header.d_ff, header.n_vocab) == (2, 4, 16, 10)
    assert (header.n_ctx_train, header.dtype, header.n_params) == (64, "F16", 80)


def test_a_tied_output_matrix_is_counted_once(tmp_path: Path) -> None:
    matrix = np.zeros((10, 8), np.float16)
    tied = make_folder(tmp_path / "tied", **{"lm_head.weight": matrix})
    untied = make_folder(
        tmp_path / "own", {**CONFIG, "tie_word_embeddings": False}, **{"lm_head.weight": matrix}
    )
    assert read_hf_header(tied).weights_bytes == 160
    assert read_hf_header(untied).weights_bytes == 320


def test_gpt2_s_own_words_are_understood(tmp_path: Path) -> None:
    config = {
        "model_type": "gpt2",
        "n_layer": 2,
        "n_embd": 8,
        "n_head": 4,
        "n_positions": 32,
        "vocab_size": 10,
    }
    header = read_hf_header(make_folder(tmp_path / "gpt2", config))
    assert (header.n_layers, header.n_kv_heads, header.head_dim, header.n_ctx_train) == (2, 4, 2, 32)


def test_a_text_model_inside_a_picture_model_is_found(tmp_path: Path) -> None:
    inner = {key: CONFIG[key] for key in CONFIG if key not in ("model_type", "architectures")}
    config = {"model_type": "gemma3", "text_config": {"model_type": "gemma3_text", **inner}}
    header = read_hf_header(make_folder(tmp_path / "both", config))
    assert (header.architecture, header.d_model) == ("gemma3", 8)


def _write_index(folder: Path, shards: object) -> Path:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": shards}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def test_a_sharded_model_is_read_whole(model: Path) -> None:
    shards = {}
    for number in (1, 2):
        save_file({f"w{number}": np.zeros(4, np.float32)}, model / f"part-{number}.safetensors")
        shards[f"w{number}"] = f"part-{number}.safetensors"
    header = read_hf_header(_write_index(model, shards))
    assert (header.weights_bytes, header.dtype) == (32, "F32")


@pytest.mark.parametrize(
    ("shards", "says"),
    [
        ({"w": "gone.safetensors"}, "1 of the model's 1 weight files"),
        ({"w": "../outside.safetensors"}, "outside its folder"),
        ({}, "outside its folder"),
        ({"w": 3}, "does not say which file"),
        (None, "does not say which file"),
    ],
)
def test_a_bad_index_is_refused(model: Path, shards: object, says: str) -> None:
    with pytest.raises(DamagedFile, match=says):
        read_hf_header(_write_index(model, shards))


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (b"{", DamagedFile),
        (b"[]", DamagedFile),
        (b"[" * 100_000, DamagedFile),
        (b'{"model_type": "llama"}', UnsupportedInput),
        (b'{"hidden_size": 8, "num_hidden_layers": "many"}', UnsupportedInput),
        (b"\xff\xfe\x00", DamagedFile),
        (LFS_POINTER, DamagedFile),
    ],
)
def test_a_bad_config_is_refused(model: Path, config: bytes, kind: type[EngineError]) -> None:
    (model / "config.json").write_bytes(config)
    with pytest.raises(kind):
        read_hf_header(model)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(values=st.fixed_dictionaries({}, optional=dict.fromkeys([*CONFIG, "text_config", "head_dim"], JSON)))
def test_no_config_does_worse_than_being_refused(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, object]
) -> None:
    folder = make_folder(tmp_path_factory.mktemp("any") / "model", CONFIG | values)
    try:
        header = read_hf_header(folder)
    except EngineError:
        return
    assert min(header.n_layers, header.d_model, header.n_heads, header.n_kv_heads, header.n_vocab) >= 1
    assert header.architecture


@pytest.mark.parametrize("cut", [0, 4, 30, -8])
def test_a_truncated_weights_file_is_damaged(model: Path, cut: int) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:cut])
    with pytest.raises(DamagedFile):
        read_hf_header(model)


def test_real_models_are_found(shared_data: Path) -> None:
    found = {entry.backend: entry for entry in scan([shared_data / "models"])}
    assert found["hf"].name == "stories260k"
    assert found["hf"].size_bytes == 1_040_128
    assert found["gguf"].quantisation == "F32"
