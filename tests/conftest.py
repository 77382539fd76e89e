"""Every test runs without network, without a screen and away from the user's own files."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).parents[1]

# A shared core may be slow at any moment; that is no fault of the code.
settings.register_profile("strata", deadline=None, max_examples=50)
settings.load_profile("strata")


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh home for each test, so that no model, chat or setting of this machine is seen."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in ("CONFIG", "DATA", "CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    for name in ("HF_HOME", "HF_HUB_CACHE", "LLAMA_CACHE", "OLLAMA_MODELS"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture(scope="session")
def starter() -> Path:
    """The bundled starter: ``hf/`` and ``gguf/`` lie in it."""
    folder = REPOSITORY / "resources" / "starter"
    if not (folder / "hf" / "config.json").is_file():
        pytest.skip("the starter model is not in resources/starter")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real models, adapters and documents beside the repository."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no shared data beside the repository")
    return folder
