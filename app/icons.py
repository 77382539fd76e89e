"""Icons in the theme's colour: the bundled SVG files say ``currentColor``."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

from PySide6.QtCore import QByteArray, QObject, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from app.resources import resource
from app.theme import Theme

SIZES_PX = (16, 32)  # sharp on a plain and on a dense screen; more would slow the first paint


class HasIcon(Protocol):
    """A QAction or a button."""

    def setIcon(self, icon: QIcon) -> None: ...


def icon(name: str, theme: Theme, colour: str = "") -> QIcon:
    """``resources/icons/<name>.svg`` in ``colour`` (else the theme's text colour), faint when it is
    disabled. FileNotFoundError for a name that is not there."""
    out = QIcon()
    for size in SIZES_PX:
        out.addPixmap(_pixmap(name, colour or theme.colors.text, size))
    out.addPixmap(_pixmap(name, theme.colors.dash, SIZES_PX[-1]), QIcon.Mode.Disabled)
    return out


def pixmap(name: str, colour: str, size_px: int) -> QPixmap:
    """The icon as a picture with ``size_px`` logical pixels a side, sharp on a dense screen."""
    picture = QPixmap(_pixmap(name, colour, size_px * 2))
    picture.setDevicePixelRatio(2)
    return picture


def bind_icon(target: HasIcon, name: str, theme: Theme, role: str = "text") -> None:
    """Give ``target`` (a QObject) the icon in the theme's colour ``role``, renewed when the theme
    changes."""
    keeper = next(iter(target.findChildren(_Keeper)), None) if isinstance(target, QObject) else None
    if keeper is None:
        keeper = _Keeper(target, theme)
    keeper.show(name, role)


class _Keeper(QObject):
    """Lives and dies with its target, so no dead widget is ever restyled."""

    def __init__(self, target: HasIcon, theme: Theme) -> None:
        super().__init__(target if isinstance(target, QObject) else None)
        self._target, self._theme = target, theme
        self._name, self._role = "", "text"
        theme.changed.connect(self._renew)

    def show(self, name: str, role: str) -> None:
        self._name, self._role = name, role
        self._renew()

    def _renew(self) -> None:
        self._target.setIcon(icon(self._name, self._theme, getattr(self._theme.colors, self._role)))


@lru_cache(maxsize=512)
def _pixmap(name: str, colour: str, size_px: int) -> QPixmap:
    svg = _svg(name).replace("currentColor", colour)
    picture = QPixmap(size_px, size_px)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    QSvgRenderer(QByteArray(svg.encode())).render(painter)
    painter.end()
    return picture


@lru_cache(maxsize=256)
def _svg(name: str) -> str:
    return resource("icons", f"{name}.svg").read_text(encoding="utf-8")
