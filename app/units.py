"""Amounts as people read them."""

from __future__ import annotations

BYTE_UNITS: tuple[tuple[str, float], ...] = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0))


def byte_unit(n_bytes: float) -> tuple[str, float]:
    """The unit in which ``n_bytes`` reads best, and its size."""
    for unit, size in BYTE_UNITS:
        if n_bytes >= size * 0.9995:
            return unit, size
    return BYTE_UNITS[-1]


def three_figures(amount: float) -> str:
    """``amount`` (not negative) with about three significant figures: ``'1.24'``, ``'38.2'``, ``'812'``."""
    return f"{amount:,.{2 if amount < 9.995 else 1 if amount < 99.95 else 0}f}"


def format_bytes(n_bytes: float) -> str:
    """Decimal units with about three significant figures: ``'812 kB'``, ``'1.24 GB'``."""
    unit, size = byte_unit(n_bytes)
    return f"{n_bytes:.0f} B" if unit == "B" else f"{three_figures(n_bytes / size)} {unit}"
