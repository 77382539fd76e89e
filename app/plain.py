"""Frozen dataclasses to JSON values and back, each bad value dropped and named."""

from __future__ import annotations

import math
from dataclasses import MISSING, asdict, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class _Misfit(Exception):  # noqa: N818 - never leaves this module
    """The value is not of the wanted type."""


def encode(value: object) -> dict[str, Any]:
    """The JSON object of a dataclass."""
    if not is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"{value!r} is no dataclass value")
    return asdict(value)


def decode(kind: type[T], data: object, problems: list[str], where: str = "") -> T:
    """Build ``kind`` from a JSON object. What is missing takes its default; what does not fit does
    too, and its path goes into ``problems``. Unknown keys are left out without a word (an older
    or newer Strata wrote them)."""
    values: dict[str, object] = {}
    if not isinstance(data, dict):
        problems.append(where or "the whole file")
        data = {}
    hints = get_type_hints(kind)
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name not in data:
            continue
        path = f"{where}.{field.name}" if where else field.name
        try:
            values[field.name] = _value(hints[field.name], data[field.name], problems, path)
        except _Misfit:
            problems.append(path)
    missing = [
        f.name
        for f in fields(kind)  # type: ignore[arg-type]
        if f.name not in values and f.default is MISSING and f.default_factory is MISSING
    ]
    if missing:
        raise _Misfit(where)
    return kind(**values)


def _value(hint: Any, data: object, problems: list[str], path: str) -> object:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _union(args, data, problems, path)
    if origin is Literal:
        return _checked(data in args, data)
    if origin is tuple:
        items = _checked(isinstance(data, list), data)
        return tuple(_value(args[0], item, problems, f"{path}[{i}]") for i, item in enumerate(items))
    if isinstance(hint, type) and is_dataclass(hint):
        return decode(hint, data, problems, path)
    if hint is float:
        number = _checked(isinstance(data, int | float) and not isinstance(data, bool), data)
        return float(_checked(math.isfinite(number), number))
    if hint is int:
        return _checked(isinstance(data, int) and not isinstance(data, bool), data)
    return _checked(isinstance(data, hint), data)


def _union(args: tuple[Any, ...], data: object, problems: list[str], path: str) -> object:
    if data is None:
        return _checked(type(None) in args, data)
    return _value(next(arg for arg in args if arg is not type(None)), data, problems, path)


def _checked(fits: bool, data: Any) -> Any:
    if not fits:
        raise _Misfit
    return data
