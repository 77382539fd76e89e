"""What this Strata is and what lies under it, to read and to copy into a report."""

from __future__ import annotations

import platform

from PySide6.QtCore import Qt, qVersion
from PySide6.QtGui import QGuiApplication, QIcon
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from app.resources import resource
from app.theme import mono_font
from app.views.parts import button, label

PACKAGES = (
    "strata",
    "PySide6-Essentials",
    "torch",
    "transformers",
    "peft",
    "llama-cpp-python",
    "lancedb",
    "sentence-transformers",
)


def versions() -> str:
    """One line for each part of the installation; a part that is absent says so."""
    from importlib import metadata  # slow to import, and seldom wanted

    lines = [f"Python {platform.python_version()} on {platform.platform()}", f"Qt {qVersion()}"]
    for name in PACKAGES:
        try:
            lines.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{name}: not installed")
    return "\n".join(lines)


def show_about(window: QWidget) -> QDialog:
    """Open the dialog (not modal) and return it."""
    dialog = QDialog(window)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle("About Strata")
    picture = QLabel()
    picture.setPixmap(QIcon(str(resource("icons", "strata.svg"))).pixmap(56, 56))
    top = QHBoxLayout()
    top.addWidget(picture)
    top.addSpacing(8)
    words = QVBoxLayout()
    words.addWidget(label("Strata", "wordmark"))
    words.addWidget(label("Local models with five live levels, and your own documents.", "muted"))
    top.addLayout(words, 1)
    details = QPlainTextEdit(versions())
    details.setReadOnly(True)
    details.setFont(mono_font(9))
    details.setAccessibleName("Versions")
    copy = button("Copy")
    copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(details.toPlainText()))
    close = button("Close", primary=True)
    close.clicked.connect(dialog.close)
    buttons = QHBoxLayout()
    buttons.addStretch(1)
    buttons.addWidget(copy)
    buttons.addWidget(close)
    layout = QVBoxLayout(dialog)
    layout.setContentsMargins(20, 20, 20, 16)
    layout.setSpacing(14)
    layout.addLayout(top)
    layout.addWidget(details, 1)
    layout.addLayout(buttons)
    dialog.resize(460, 360)
    dialog.show()
    return dialog
