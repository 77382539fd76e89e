"""Where the files lie that come with Strata: icons, fonts, the starter, the sample documents."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "resources"


def resource(*parts: str) -> Path:
    """The path of a bundled file or folder (it may be absent in a bare checkout)."""
    return ROOT.joinpath(*parts)
