"""Starting: what is said when no window can open, and what a bad end leaves behind."""

from __future__ import annotations

import faulthandler
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import __main__, application, preflight
from app.crash_report import LAST_NAME, NAME, CrashReport
from app.notices import Notices
from engine.errors import Busy


@pytest.fixture
def faults() -> Iterator[None]:
    """pytest watches over crashes itself: give it back."""
    yield
    faulthandler.enable()


def test_without_a_screen_the_way_out_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "strata --help" in preflight.problem({}, "linux")


def test_offscreen_needs_no_screen() -> None:
    assert preflight.problem({"QT_QPA_PLATFORM": "offscreen"}, "linux") == ""


def test_missing_libraries_are_named_with_the_line_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_loads", lambda library: "xcb-cursor" not in library)
    words = preflight.problem({"DISPLAY": ":0"}, "linux")
    assert "sudo apt-get install libxcb-cursor0" in words


def test_a_screen_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_loads", lambda library: True)
    monkeypatch.setattr(preflight, "_reaches_x11", lambda display: False)
    assert "DISPLAY=:99 cannot be reached" in preflight.problem({"DISPLAY": ":99"}, "linux")


def test_no_screen_ends_with_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(preflight.problem, "__defaults__", ("linux",))
    assert __main__.main([]) == 2
    assert "needs a screen" in capsys.readouterr().err


def test_help_and_a_wrong_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["--help"]) == 0
    assert "strata VERB" in capsys.readouterr().out
    assert __main__.main(["dance"]) == 2
    assert "'dance'" in capsys.readouterr().err


def test_a_second_window_on_the_workspace_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def busy(path: Path) -> None:
        raise Busy("Strata is already open.", "Use that window.")

    monkeypatch.setattr(application.Workspace, "open", busy)
    assert application.run(tmp_path) == 2
    assert capsys.readouterr().err == "Strata is already open.\nUse that window.\n"


@pytest.mark.usefixtures("faults")
def test_a_crash_is_told_at_the_next_start_with_its_stacks(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("Fatal Python error: Segmentation fault\n\nThread 1: here")
    notices = Notices()
    report = CrashReport(tmp_path)
    report.start(notices, ended_abruptly=True)
    assert notices.items[0].detail.endswith("Thread 1: here")
    assert (tmp_path / LAST_NAME).exists()
    report.stop()
    assert not (tmp_path / NAME).exists()


@pytest.mark.usefixtures("faults")
def test_an_orderly_end_says_nothing_at_the_next_start(tmp_path: Path) -> None:
    for _ in range(2):
        notices = Notices()
        report = CrashReport(tmp_path)
        report.start(notices, ended_abruptly=False)
        assert notices.items == ()
        report.stop()
