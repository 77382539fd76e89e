"""The decorator of every protocol value, and the words shared by all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar, dataclass_transform

LEVELS: tuple[str, ...] = ("foundation", "domain", "swarm", "agent", "context")
GAIN_MIN, GAIN_MAX = -2.0, 2.0

Lane = Literal["engine", "library"]
Role = Literal["system", "user", "assistant"]

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def value(cls: type[_T]) -> type[_T]:
    """Make ``cls`` a frozen, slotted, keyword-only dataclass."""
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)
