"""Where programs on this machine keep their models, and what those folders hold.

Names and layouts: huggingface_hub's cache, Ollama's manifests (registry layout), LM Studio's
publisher/repository folders, llama.cpp's flat cache.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import EngineError
from engine.models.hf_header import read_json

MAX_DEPTH = 6
MAX_ENTRIES = 50_000
_SKIPPED_FOLDERS = {"node_modules", "__pycache__", "site-packages", "$RECYCLE.BIN"}
_FORMATS = {"hf", "transformers", "safetensors"}
_MANIFEST_LIMIT_BYTES = 2**20
_OLLAMA_MODEL = "application/vnd.ollama.image.model"
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_HIGHER_SPLIT = re.compile(r".*-(?!00001)\d{5}-of-\d{5}\.gguf", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file or folder that may be a model. ``source`` is the program it belongs to."""

    path: Path
    name: str
    source: str


def bundled_starter() -> Path:
    """The model that comes with Strata."""
    return Path(__file__).parents[2] / "resources" / "starter"


def hugging_face_hub() -> Path:
    """huggingface_hub's cache folder, by its own environment variables."""
    if named := os.environ.get("HF_HUB_CACHE"):
        return Path(named)
    home = os.environ.get("HF_HOME")
    return (Path(home) if home else _cache() / "huggingface") / "hub"


def hugging_face(hub: Path) -> Iterator[Candidate]:
    """The newest snapshot of every cached model, and GGUF files in it."""
    for folder in _entries(hub):
        if folder.name.startswith("models--"):
            name = folder.name.removeprefix("models--").replace("--", "/")
            snapshot = _newest_snapshot(folder)
            if snapshot is not None:
                yield from models_below(snapshot, "Hugging Face", name)


def lm_studio() -> tuple[Path, ...]:
    """LM Studio's model folders, new and old."""
    return Path.home() / ".lmstudio" / "models", _cache() / "lm-studio" / "models"


def ollama_roots() -> tuple[Path, ...]:
    """Ollama's model folders: as set, the user's own, the system service's."""
    named = os.environ.get("OLLAMA_MODELS")
    usual = (Path.home() / ".ollama" / "models", Path("/usr/share/ollama/.ollama/models"))
    return (Path(named), *usual) if named else usual


def ollama(root: Path) -> Iterator[Candidate]:
    """Every manifest's weights under the name people type ('llama3.2:1b'); the files are named by hash."""
    manifests = root / "manifests"
    for manifest in _files_below(manifests):
        try:
            layers = read_json(manifest, _MANIFEST_LIMIT_BYTES).get("layers")
        except EngineError:
            continue  # a half-written or foreign file: no model is named by it
        name = _ollama_name(manifest.relative_to(manifests))
        for layer in layers if isinstance(layers, list) else ():
            if isinstance(layer, dict) and layer.get("mediaType") == _OLLAMA_MODEL:
                digest = _DIGEST.fullmatch(str(layer.get("digest")))
                if digest is not None:
                    yield Candidate(root / "blobs" / f"sha256-{digest[1]}", name, "Ollama")


def llama_cpp() -> Path:
    """llama.cpp's download cache."""
    named = os.environ.get("LLAMA_CACHE")
    return Path(named) if named else _cache() / "llama.cpp"


def models_below(root: Path, source: str, name: str = "") -> Iterator[Candidate]:
    """Model folders and GGUF files in ``root``; of a split GGUF the first part. ``name`` stands for the
    whole of ``root`` where it is one model's repository."""
    for folder, files in _walk(root):
        if "config.json" in files and any(file.endswith(".safetensors") for file in files):
            yield Candidate(folder, name or _folder_name(folder, root), source)
        for file in files:
            if file.lower().endswith(".gguf") and not _HIGHER_SPLIT.fullmatch(file):
                stem = Path(file).stem
                yield Candidate(folder / file, f"{name} · {stem}" if name else stem, source)


def model_name(folder: Path) -> str:
    """'owner/model' within the Hugging Face cache, else the folder's name; a folder that is named by
    its format ('hf') is called by the folder around it."""
    folder = folder.resolve()
    repository = next((part for part in folder.parts if part.startswith("models--")), "")
    if repository:
        return repository.removeprefix("models--").replace("--", "/")
    return folder.parent.name if folder.name.lower() in _FORMATS else folder.name


def _folder_name(folder: Path, root: Path) -> str:
    """'publisher/model' rather than 'model', as far as both lie below ``root``."""
    if folder.name.lower() in _FORMATS:
        return model_name(folder)
    return "/".join(folder.relative_to(root).parts[-2:]) or folder.name


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _newest_snapshot(folder: Path) -> Path | None:
    """The snapshot that 'main' points to, else the one made last."""
    snapshots = [entry for entry in _entries(folder / "snapshots") if entry.is_dir()]
    try:
        revision = (folder / "refs" / "main").read_text("ascii").strip()
    except (OSError, ValueError):
        revision = ""
    named = [snapshot for snapshot in snapshots if snapshot.name == revision]
    return max(named or snapshots, key=lambda snapshot: snapshot.stat().st_mtime, default=None)


def _ollama_name(manifest: Path) -> str:
    """registry.ollama.ai/library/llama3.2/1b -> llama3.2:1b"""
    *places, model, tag = manifest.parts
    owner = [place for place in places[1:] if place != "library"]
    return "/".join([*owner, model]) + f":{tag}"


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder; nothing where it is missing or closed to us."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _files_below(root: Path) -> Iterator[Path]:
    for folder, files in _walk(root):
        for file in files:
            yield folder / file


def _walk(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Folders of ``root`` and their files, sorted; hidden folders, links to folders and what is deeper
    than MAX_DEPTH are left out, and it ends after MAX_ENTRIES, so that a whole disk may be named."""
    n_entries = 0
    for place, folders, files in os.walk(root):
        folder = Path(place)
        n_entries += len(folders) + len(files)
        if n_entries > MAX_ENTRIES:
            return
        too_deep = len(folder.relative_to(root).parts) >= MAX_DEPTH
        folders[:] = [] if too_deep else sorted(name for name in folders if _is_worth_a_look(name))
        yield folder, sorted(files)


def _is_worth_a_look(folder_name: str) -> bool:
    return not folder_name.startswith(".") and folder_name not in _SKIPPED_FOLDERS
