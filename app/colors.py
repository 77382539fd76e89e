"""The two palettes, and the hues that belong to levels alone."""

from __future__ import annotations

from dataclasses import dataclass

from engine.protocol import LEVELS

# Okabe and Ito's palette for colour-blind readers, without yellow, vermilion and black.
LEVEL_COLOURS: dict[str, str] = dict(
    zip(LEVELS, ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9"), strict=True)
)


@dataclass(frozen=True, slots=True)
class Colors:
    """Every colour of one theme but the levels'. ``muted`` text stands at 6:1 on ``card``;
    ``owner_greys`` are the memory owners that are no level, largest step apart first."""

    bg: str
    card: str
    card2: str
    line: str
    text: str
    muted: str
    accent: str
    accent_text: str
    hover: str
    user: str
    code: str
    warn: str
    error: str
    ok: str
    plot: str
    grid: str
    dash: str
    owner_greys: tuple[str, ...]


LIGHT = Colors(
    bg="#F4F5F7",
    card="#FFFFFF",
    card2="#F8F9FB",
    line="#E0E3E8",
    text="#1B1F24",
    muted="#5B6470",
    accent="#2F6FDE",
    accent_text="#FFFFFF",
    hover="#EDF0F4",
    user="#E7EFFC",
    code="#F4F5F7",
    warn="#B54708",
    error="#C0282D",
    ok="#1B7F4B",
    plot="#FFFFFF",
    grid="#E8EAEE",
    dash="#B4BBC6",
    owner_greys=("#6B7480", "#A9B1BC", "#858E9A", "#C6CCD4", "#98A1AD", "#DDE1E6"),
)

DARK = Colors(
    bg="#14161A",
    card="#1C1F25",
    card2="#20242B",
    line="#2D323B",
    text="#E7EAEE",
    muted="#99A2AF",
    accent="#6EA0F5",
    accent_text="#0E1116",
    hover="#262B33",
    user="#223252",
    code="#14161A",
    warn="#F2A65A",
    error="#F2777A",
    ok="#5CC48D",
    plot="#1C1F25",
    grid="#2A2F37",
    dash="#4A515D",
    owner_greys=("#8E98A6", "#525B68", "#727C8A", "#3F4651", "#626C79", "#323842"),
)

# Greys for memory owners that are no level, by theme (dark: False, True).
OWNER_GREYS: dict[bool, tuple[str, ...]] = {False: LIGHT.owner_greys, True: DARK.owner_greys}
