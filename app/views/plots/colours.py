"""Which colour stands for what in the plots: hues for levels alone, greys for other owners."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtGui import QColor

from app.colors import LEVEL_COLOURS
from app.telemetry import OWNERS
from app.theme import Theme
from engine.protocol import LEVELS

GREY_OWNERS: tuple[str, ...] = tuple(owner for owner in OWNERS if owner not in LEVELS)


def owner_colour(owner: str, theme: Theme) -> QColor:
    """A level's hue, or the grey of another owner; owners met later share the last grey."""
    if owner in LEVEL_COLOURS:
        return QColor(LEVEL_COLOURS[owner])
    greys = theme.colors.owner_greys
    place = GREY_OWNERS.index(owner) if owner in GREY_OWNERS else len(greys) - 1
    return QColor(greys[place % len(greys)])


@lru_cache(maxsize=2)
def heat_colours(dark: bool) -> NDArray[np.uint8]:
    """256 colours [256, 3] from nothing (near the card's shade) to much; two perceptually uniform
    maps of the same family, one growing lighter, one growing darker."""
    colour_map = pg.colormap.get("magma" if dark else "CET-L17")
    stops = np.linspace(0.12, 0.97, 256) if dark else np.linspace(0.02, 0.95, 256)
    return np.asarray(colour_map.map(stops, mode="byte")[:, :3])
