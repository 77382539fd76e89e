"""LaTeX formulas as SVG pictures (ziamath), each drawn once."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ziamath.zmath import Latex

FORMULA_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class Formula:
    """A drawn formula; sizes in pixels, ``depth`` is what hangs below the line of text."""

    svg: str
    width: float
    height: float
    depth: float


@lru_cache(maxsize=1024)
def formula(latex: str, colour: str, size_px: float, display: bool) -> Formula | None:
    """The picture of ``latex``; None when it cannot be read (the source is shown instead)."""
    if not latex.strip() or len(latex) > FORMULA_CHARS:
        return None
    try:
        drawn = _latex_class()(latex, size=size_px, color=colour, inline=not display)
        width, height = drawn.getsize()
        return Formula(drawn.svg(), width + 2, height + 2, -drawn.getyofst())
    except Exception:  # noqa: BLE001 - a parser of untrusted text: any failure means "show the source"
        return None


@lru_cache(maxsize=1)
def _latex_class() -> type[Latex]:
    """Imported with the first formula: it takes 0.2 s."""
    with warnings.catch_warnings():
        # ziamath opens its own font by a function that Python calls old.
        warnings.simplefilter("ignore", DeprecationWarning)
        from ziamath.config import config
        from ziamath.zmath import Latex

    config.svg2 = False  # Qt draws SVG 1.1 (tiny)
    return Latex
