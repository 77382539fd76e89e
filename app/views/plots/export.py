"""Writing a plot to a file: a picture, a drawing, or the numbers behind it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QPoint, QSaveFile, QSize
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QWidget

from engine.errors import BadInput

FILTERS = "Picture (*.png);;Drawing (*.svg);;Numbers (*.csv)"
SUFFIXES = (".png", ".svg", ".csv")
PIXEL_RATIO = 2.0

Table = tuple[Sequence[str], Sequence[Sequence[object]]]


def picture(widget: QWidget) -> QPixmap:
    """``widget`` as it looks, at twice the resolution of the screen."""
    image = QPixmap(widget.size() * PIXEL_RATIO)
    image.setDevicePixelRatio(PIXEL_RATIO)
    image.fill(widget.palette().window().color())
    widget.render(image, QPoint())
    return image


def write(path: Path, widget: QWidget, table: Table) -> None:
    """Write ``widget`` or ``table`` as the suffix of ``path`` says (PNG when it has none).

    Raises BadInput for another suffix, or when the file cannot be written.
    """
    path = path if path.suffix else path.with_suffix(SUFFIXES[0])
    match path.suffix.lower():
        case ".png":
            data = _png(widget)
        case ".svg":
            data = _svg(widget)
        case ".csv":
            data = QByteArray(_csv(table).encode("utf-8"))
        case other:
            raise BadInput(
                f"Plots cannot be written as {other} files.",
                "Choose a name that ends in .png, .svg or .csv.",
            )
    file = QSaveFile(str(path))
    if not file.open(QIODevice.OpenModeFlag.WriteOnly) or file.write(data) < 0 or not file.commit():
        raise BadInput(
            f"The plot could not be written to {path.name}.",
            "Choose another folder, or free some space on this disk.",
            f"{path}: {file.errorString()}",
        )


def _png(widget: QWidget) -> QByteArray:
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    picture(widget).save(buffer, "PNG")
    return data


def _svg(widget: QWidget) -> QByteArray:
    data = QByteArray()
    buffer = QBuffer(data)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(QSize(widget.size()))
    generator.setViewBox(widget.rect())
    generator.setTitle(widget.accessibleName())
    painter = QPainter(generator)
    widget.render(painter, QPoint())
    painter.end()
    return data


def _csv(table: Table) -> str:
    header, rows = table
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
