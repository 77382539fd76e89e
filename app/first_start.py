"""A fresh workspace is a guided moment: the starter, its adapters at rest, the sample documents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from app.resources import resource
from app.session import LevelState, Session
from engine.protocol import LEVELS

SAMPLE_SUFFIXES = {".md", ".pdf", ".docx", ".html", ".txt"}
HINT = "slide_me"
# The level that holds an adapter, by the adapter's folder; what is not named here stays unused.
STARTER_LEVELS = {"headline": "foundation", "json": "domain", "terse": "agent"}


def starter_path() -> Path | None:
    """The bundled model, if this checkout has it."""
    path = resource("starter", "hf")
    return path if (path / "config.json").is_file() else None


def starter_adapters() -> dict[str, Path]:
    """Level -> bundled adapter."""
    folder = resource("starter", "adapters")
    found = {level: folder / name for name, level in STARTER_LEVELS.items()}
    return {level: path for level, path in found.items() if (path / "adapter_config.json").is_file()}


def sample_documents() -> list[str]:
    """The bundled documents."""
    folder = resource("samples")
    if not folder.is_dir():
        return []
    return [str(path) for path in sorted(folder.iterdir()) if path.suffix in SAMPLE_SUFFIXES]


def first_session(session: Session) -> Session:
    """``session`` with the starter and its adapters. They lie at gain 0, so that the first answer is
    the plain model's and the first slider that is moved shows what a level does."""
    model, adapters = starter_path(), starter_adapters()
    if model is None:
        return session
    levels = tuple(
        LevelState(name=name, adapter_path=str(adapters[name]), gain=0.0)
        if name in adapters
        else session.level(name)
        for name in LEVELS
    )
    return replace(session, model_path=str(model), levels=levels)
