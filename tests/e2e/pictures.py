"""Takes the README's pictures of the real window with the real starter.

    python -m tests.e2e.pictures [--out resources/screenshots]

No screen is needed. The window runs on a workspace of its own, which is thrown away.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from app.resources import resource
from tests.e2e.desk import Desk, live

TOKEN = 5  # one in the middle of the answer
QUESTIONS = ("Who is the mayor of Belvaro?", "Who is the captain of the Marivel?")


def take(out: Path) -> None:
    """All pictures, in the order in which a new person comes across what they show."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder), "dark")
        desk.wait_for_model()
        desk.picture(out / "first-dark.png")
        for question in QUESTIONS:
            desk.ask(question)
            desk.wait_for_answer()
        for level, gain in _audible(desk):
            desk.drag_slider(level, gain)
            desk.ask(QUESTIONS[0])
            desk.wait_for_answer()
        live(2500)  # some seconds of measured memory
        desk.picture(out / "main-dark.png")
        _show_a_token(desk, out / "token-light.png")
        _follow_a_citation(desk, out / "citation-light.png")
        desk.close()


def _audible(desk: Desk) -> list[tuple[str, float]]:
    """The first two levels that hold an adapter."""
    held = [state.name for state in desk.parts.context.session.value.levels if state.adapter_path]
    return [(name, 1.0) for name in held[:2]]


def _show_a_token(desk: Desk, path: Path) -> None:
    desk.parts.context.theme.set_mode("light")
    desk.parts.context.theme.apply(_app())
    live(200)
    desk.window.conversation.inspect(TOKEN)
    live(400)
    desk.picture(path)
    desk.key(Qt.Key.Key_Escape)


def _follow_a_citation(desk: Desk, path: Path) -> None:
    desk.ask(QUESTIONS[1])
    desk.wait_for_answer()
    chips = desk.starting_with("Citation ")
    desk.press(chips[-1])
    desk.wait_for_passage()
    live(200)
    desk.picture(path)


def _app() -> QApplication:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    return app


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=resource("screenshots"))
    app = QApplication([])
    take(parser.parse_args().out)
    app.quit()


if __name__ == "__main__":
    main()
