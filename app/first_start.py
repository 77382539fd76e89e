"""A fresh workspace is a guided moment: the starter, its adapters at rest, the sample documents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from app.resources import resource
from app.session import LevelState, Session
from engine.protocol import LEVELS

SAMPLE_SUFFIXES = {".md", ".pdf", ".docx", ".html", ".txt"}
HINT = "slide_me"
# Where the hint points, if an adapter lies there: its effect is the plainest.
HINT_LEVEL = "domain"


def starter_path() -> Path | None:
    """The bundled model, if this checkout has it."""
    path = resource("starter", "hf")
    return path if (path / "config.json").is_file() else None


def starter_adapters() -> dict[str, Path]:
    """Level -> bundled adapter: the folders are called after the level they are meant for."""
    folder = resource("starter", "adapters")
    found = {level: sorted(folder.glob(f"{level}-*/adapter_config.json")) for level in LEVELS}
    return {level: paths[0].parent for level, paths in found.items() if paths}


def sample_documents() -> list[str]:
    """The bundled documents."""
    folder = resource("samples")
    if not folder.is_dir():
        return []
    return [str(path) for path in sorted(folder.iterdir()) if path.suffix in SAMPLE_SUFFIXES]


def hint_level(session: Session) -> str:
    """The level whose slider a new person is to try ('' when no adapter is at rest)."""
    resting = [level.name for level in session.levels if level.adapter_path and level.gain == 0.0]
    return HINT_LEVEL if HINT_LEVEL in resting else next(iter(resting), "")


def first_session(session: Session) -> Session:
    """``session`` with the starter and its adapters. They lie at gain 0, so that the first answer is
    the plain model's and the first slider that is moved shows what a level does; and the likeliest
    token is always taken, so that nothing but the slider changes the answer."""
    model, adapters = starter_path(), starter_adapters()
    if model is None:
        return session
    levels = tuple(
        LevelState(name=name, adapter_path=str(adapters[name]), gain=0.0)
        if name in adapters
        else session.level(name)
        for name in LEVELS
    )
    sampling = replace(session.sampling, temperature=0.0)
    return replace(session, model_path=str(model), levels=levels, sampling=sampling)
