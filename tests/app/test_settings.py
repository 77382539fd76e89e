"""The settings file: what is kept comes back, what is bad is dropped and told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app import settings
from app.notices import Notices
from app.session import LevelState, Session, SessionStore
from app.settings import Settings, SettingsFile
from engine.protocol import LoadSettings, Sampling

FULL = Session(
    model_path="/models/a",
    load_settings=LoadSettings(n_ctx=4096, flash_attention=True, kv_type="q8_0"),
    levels=tuple(LevelState(name=name, gain=-0.5, adapter_path="/a") for name in ("foundation", "domain"))
    + Session().levels[2:],
    sampling=Sampling(temperature=0.0, seed=7, stop=("END", "\n\n")),
    use_documents=False,
    passages=5,
    chat_id="c1",
    model_folders=("/x", "/y"),
)


def write(folder: Path, data: object) -> None:
    (folder / settings.NAME).write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")


def file(folder: Path, store: SessionStore, notices: Notices | None = None) -> SettingsFile:
    return SettingsFile(folder, Settings(theme="dark"), store, notices or Notices())


def test_what_is_saved_comes_back_the_same(qtbot: QtBot, tmp_path: Path) -> None:
    kept = file(tmp_path, SessionStore(FULL))
    kept.set_window("Z2Vv", "ZG9j")
    kept.save()
    assert settings.load(tmp_path) == (
        Settings(session=FULL, theme="dark", geometry="Z2Vv", docks="ZG9j"),
        (),
    )


def test_a_change_of_the_session_is_written_after_a_pause(qtbot: QtBot, tmp_path: Path) -> None:
    store = SessionStore()
    kept = file(tmp_path, store)
    store.set(FULL)
    assert not (tmp_path / settings.NAME).exists()
    qtbot.waitUntil((tmp_path / settings.NAME).exists, timeout=5000)
    assert settings.load(tmp_path)[0].session == kept.value.session == FULL


def test_a_fresh_workspace_has_the_defaults(tmp_path: Path) -> None:
    assert settings.load(tmp_path) == (Settings(), ())


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '"x"', "\x00\x01"])
def test_a_file_that_is_no_settings_file_is_kept_and_the_defaults_hold(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    kept, problems = settings.load(tmp_path)
    assert (kept, problems) == (Settings(), ("the whole file",))
    assert (tmp_path / settings.BACKUP_NAME).read_text() == text


def test_bytes_that_are_no_text_are_kept_too(tmp_path: Path) -> None:
    (tmp_path / settings.NAME).write_bytes(b"\xff\xfe\x00broken")
    assert settings.load(tmp_path) == (Settings(), ("the whole file",))


def test_only_the_bad_keys_are_dropped(qtbot: QtBot, tmp_path: Path) -> None:
    file(tmp_path, SessionStore(FULL)).save()
    data = json.loads((tmp_path / settings.NAME).read_text())
    data["theme"] = "pink"
    data["session"]["sampling"]["temperature"] = "hot"
    data["session"]["sampling"]["top_p"] = 7
    data["session"]["passages"] = True
    data["session"]["levels"][0]["gain"] = 99
    data["unknown"] = 1
    write(tmp_path, data)
    kept, problems = settings.load(tmp_path)
    assert set(problems) == {
        "theme",
        "session.sampling.temperature",
        "session.sampling.top_p",
        "session.passages",
        "session.levels.foundation.gain",
    }
    assert kept.session.chat_id == "c1"
    assert kept.session.level("domain") == FULL.level("domain")
    assert kept.session.level("foundation").gain == 1.0
    assert kept.session.sampling == replace(FULL.sampling, temperature=0.7, top_p=0.95)


def test_missing_levels_are_made_up_for(qtbot: QtBot, tmp_path: Path) -> None:
    write(tmp_path, {"session": {"levels": [{"name": "domain", "gain": 0.5}]}})
    kept, problems = settings.load(tmp_path)
    assert [level.name for level in kept.session.levels] == [level.name for level in Session().levels]
    assert kept.session.level("domain").gain == 0.5
    assert problems == ("session.levels",)


def test_a_level_without_a_name_gives_the_default_levels(qtbot: QtBot, tmp_path: Path) -> None:
    write(tmp_path, {"session": {"chat_id": "c", "levels": [{"gain": 1.0}]}})
    kept, problems = settings.load(tmp_path)
    assert kept.session == Session(chat_id="c")
    assert problems == ("session.levels",)


def test_a_failed_save_is_told_and_the_old_file_stays(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices = Notices()
    kept = file(tmp_path, SessionStore(), notices)
    kept.save()

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(settings, "atomic_write", full)
    kept.set_theme("light")
    kept.save()
    assert "No space left" in notices.items[0].text
    assert settings.load(tmp_path)[0].theme == "dark"
