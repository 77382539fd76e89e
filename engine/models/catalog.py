"""Models that lie on this disk already, told from their headers alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal

from engine.errors import BadInput, DamagedFile, EngineError, UnsupportedInput
from engine.models import places
from engine.models.gguf_header import read_header
from engine.models.hf_header import PICKLE_PATTERNS, read_hf_header, weight_files
from engine.models.places import Candidate
from engine.protocol import FoundModel

_log = logging.getLogger(__name__)
_GGUF_MAGIC = b"GGUF"
_LFS_MARK = b"version https://git-lfs"
_WRITERS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")

SkipFn = Callable[[Path, EngineError], None]
"""Called with a file or folder that looks like a model and cannot be used, and why."""


def _log_skipped(path: Path, why: EngineError) -> None:
    _log.info("not in the list of models: %s: %s %s", path, why.text, why.detail)


def scan(folders: Sequence[Path], on_skip: SkipFn = _log_skipped) -> Iterator[FoundModel]:
    """The bundled starter, then ``folders``, then what other programs keep: each model once.

    Only headers are read. What is broken or no language model goes to ``on_skip``; a folder that is
    missing or closed is passed over.
    """
    seen: set[Path] = set()
    for candidate in _candidates(folders):
        path = candidate.path.resolve()
        if path in seen:
            continue
        seen.add(path)
        try:
            yield _look(candidate)
        except EngineError as error:
            on_skip(candidate.path, error)
        except OSError as error:
            why = error.strerror or "an error of the disk"
            on_skip(candidate.path, BadInput(f"{candidate.name} cannot be read: {why}."))


def detect_backend(path: Path) -> Literal["hf", "gguf"]:
    """Which backend loads ``path``: a GGUF file, or a folder with config.json and safetensors.

    Raises BadInput, DamagedFile or UnsupportedInput with what the path is instead.
    """
    try:
        if path.is_dir():
            _check_folder(path)
            return "hf"
        if not path.exists():
            raise BadInput(f"{path} does not exist.", "Choose a model folder or a GGUF file.")
        _check_file(path)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read: {error.strerror or error}.", "Check its permissions.", str(error)
        ) from error
    return "gguf"


def _candidates(folders: Sequence[Path]) -> Iterator[Candidate]:
    return chain(
        places.models_below(places.bundled_starter(), "starter", "Strata starter"),
        *(places.models_below(folder, "folder") for folder in folders),
        places.hugging_face(places.hugging_face_hub()),
        *(places.models_below(root, "LM Studio") for root in places.lm_studio()),
        *(places.ollama(root) for root in places.ollama_roots()),
        places.models_below(places.llama_cpp(), "llama.cpp"),
    )


def _look(candidate: Candidate) -> FoundModel:
    if candidate.path.is_dir():
        return _look_at_folder(candidate)
    header = read_header(candidate.path)
    return FoundModel(
        name=candidate.name,
        path=str(candidate.path),
        backend="gguf",
        source=candidate.source,
        architecture=header.architecture,
        size_bytes=sum(part.stat().st_size for part in header.parts),
        quantisation=header.quantisation,
    )


def _look_at_folder(candidate: Candidate) -> FoundModel:
    header = read_hf_header(candidate.path)
    if header.classes and not any(name.endswith(_WRITERS) for name in header.classes):
        raise UnsupportedInput(f"{candidate.name} writes no text.", "", ", ".join(header.classes))
    return FoundModel(
        name=candidate.name,
        path=str(candidate.path),
        backend="hf",
        source=candidate.source,
        architecture=header.architecture,
        size_bytes=header.weights_bytes,
        quantisation=header.quantisation or header.dtype,
    )


def _check_folder(folder: Path) -> None:
    names = {entry.name for entry in folder.iterdir()}
    if "config.json" in names:
        weight_files(folder)
        return
    if "adapter_config.json" in names:
        raise UnsupportedInput(
            f"{folder.name} is an adapter (a LoRA), not a model.",
            "Load its base model first, then lay the adapter on a level.",
        )
    ggufs = sorted(name for name in names if name.lower().endswith(".gguf"))
    if ggufs:
        raise BadInput(
            f"{folder.name} holds GGUF files; one of them has to be chosen.",
            "Choose the file itself.",
            "\n".join(ggufs),
        )
    raise BadInput(
        f"{folder.name} is no model: there is no config.json in it." if names else f"{folder.name} is empty.",
        "Choose the folder that holds config.json and model.safetensors, or a GGUF file.",
    )


def _check_file(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(len(_LFS_MARK))
    if start.startswith(_GGUF_MAGIC):
        return
    if start == _LFS_MARK:
        raise DamagedFile(
            f"{path.name} is only a Git LFS pointer: the file itself was never downloaded.",
            "Run 'git lfs pull' in its folder, or download the file again.",
        )
    if path.suffix.lower() == ".gguf":
        raise DamagedFile(
            f"{path.name} is empty."
            if not start
            else f"{path.name} is not a GGUF file, whatever its name says.",
            "Download the file again.",
            f"it begins with {start[:8]!r}",
        )
    if path.suffix.lower() == ".safetensors":
        raise BadInput(f"{path.name} is a part of a model.", f"Choose its folder: {path.parent}")
    if any(path.match(pattern) for pattern in PICKLE_PATTERNS) or path.suffix.lower() in (".bin", ".pkl"):
        raise UnsupportedInput(
            f"{path.name} may be a Python pickle, which can run code when it is opened.",
            "Choose a version of the model in safetensors or GGUF.",
        )
    raise UnsupportedInput(
        f"{path.name} is no model that Strata knows.", "Choose a GGUF file or a Hugging Face model folder."
    )
