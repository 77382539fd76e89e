"""What a set of gains must be."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.errors import BadInput
from engine.protocol import GAIN_MAX, GAIN_MIN


def checked_gains(gains: Sequence[float], names: Sequence[str]) -> tuple[float, ...]:
    """``gains`` as floats, one for each level of ``names``.

    Raises BadInput for a wrong number of gains, or one that is no number from -2 to 2.
    """
    new = tuple(float(gain) for gain in gains)
    if len(new) != len(names) or not all(math.isfinite(g) and GAIN_MIN <= g <= GAIN_MAX for g in new):
        raise BadInput(
            f"Gains must be {len(names)} numbers from {GAIN_MIN:g} to {GAIN_MAX:g}.",
            "One number per level: " + ", ".join(names) + ".",
            repr(new),
        )
    return new
