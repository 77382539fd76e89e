"""The two commands, what they promise, and what the package declares."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from xml.etree import ElementTree

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DEPENDENCIES = {
    canonicalize_name(requirement.name): requirement
    for requirement in map(Requirement, PROJECT["project"]["dependencies"])
}

# A Python that notes what it is asked, makes a .venv of itself and installs nothing.
FAKE_PYTHON = """#!/bin/bash
echo "$@" >>"$FAKE_LOG"
case $* in
*sys.version_info*minor*) echo python3.12-venv ;;
*version_info*) exit ${FAKE_PYTHON_OLD:-0} ;;
*platform.python_version*) echo 3.10.9 ;;
*ensurepip*) exit ${FAKE_NO_VENV:-0} ;;
"-m venv --clear "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && cp "$FAKE_STRATA" "$4/bin/strata" ;;
*startswith*) echo llama-cpp-python==0.3.36 ;;
*"pip install"*) exit ${FAKE_PIP_FAILS:-0} ;;
esac
"""
LIBRARIES = (
    "GL.so.1", "EGL.so.1", "glib-2.0.so.0", "fontconfig.so.1", "xkbcommon.so.0", "dbus-1.so.3",
    "xcb-cursor.so.0", "xkbcommon-x11.so.0", "xcb-icccm.so.4", "xcb-keysyms.so.1", "xcb-shape.so.0",
)  # fmt: skip


class Machine:
    """A copy of the scripts, and a PATH on which every system tool is a fake."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a checkout"  # the space is meant
        self.tools = folder / "tools"
        self.log = folder / "log"
        self.log.touch()
        self.tools.mkdir()
        shutil.copytree(ROOT / "packaging", self.root / "packaging")
        shutil.copy(ROOT / "pyproject.toml", self.root)
        for name in ("bash", "cat", "cp", "dirname", "env", "flock", "mkdir", "sha256sum", "true"):
            found = shutil.which(name)
            assert found
            (self.tools / name).symlink_to(found)
        self.tool("strata", 'echo "window $*"')
        (self.tools / "strata").rename(folder / "strata")
        self.strata = folder / "strata"
        (self.tools / "python3").write_text(FAKE_PYTHON)
        (self.tools / "python3").chmod(0o755)
        self.tool("c++")
        self.tool("id", "echo 1000")
        self.tool("apt-get", 'echo "apt-get $*" >>"$FAKE_LOG"')
        self.tool("apt-cache", "exit 1")
        self.has_libraries(LIBRARIES)

    def tool(self, name: str, body: str = "") -> None:
        path = self.tools / name
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)

    def has_libraries(self, names: tuple[str, ...]) -> None:
        lines = "".join(f"\tlib{name} (libc6,x86-64) => /lib/lib{name}\n" for name in names)
        self.tool("ldconfig", f"cat <<'END'\n{lines}END")

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.tools), "FAKE_LOG": str(self.log), "FAKE_STRATA": str(self.strata)}
        return subprocess.run(
            [self.root / "packaging" / "run", *arguments],
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def asked(self) -> str:
        """What python and apt-get were asked since the last time."""
        text = self.log.read_text()
        self.log.write_text("")
        return text


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_run_sets_up_and_opens_the_window(machine: Machine) -> None:
    done = machine.run("chat", "--json")
    assert (done.returncode, done.stdout) == (0, "window chat --json\n")
    asked = machine.asked()
    assert f"-m venv --clear {machine.root}/.venv" in asked
    assert f"pip install --no-binary llama-cpp-python --editable {machine.root}" in asked
    assert "apt-get" not in asked


def test_a_second_start_installs_nothing(machine: Machine) -> None:
    machine.run()
    machine.asked()
    assert machine.run().stdout == "window \n"
    assert "pip" not in machine.asked()


def test_an_edited_pyproject_is_installed_again(machine: Machine) -> None:
    machine.run()
    machine.asked()
    with (machine.root / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    machine.run()
    asked = machine.asked()
    assert "pip install" in asked
    assert "venv --clear" not in asked


def test_a_failed_installation_says_how_to_go_on_and_is_repaired_next_time(machine: Machine) -> None:
    failed = machine.run(FAKE_PIP_FAILS="1")
    assert failed.returncode == 1
    assert "start again" in failed.stderr
    assert failed.stdout == ""
    assert machine.run().stdout == "window \n"


def test_a_broken_environment_is_made_anew(machine: Machine) -> None:
    machine.run()
    (machine.root / ".venv" / "bin" / "python").unlink()
    machine.asked()
    assert machine.run().returncode == 0
    assert "venv --clear" in machine.asked()


def test_without_rights_the_one_line_is_printed_and_the_code_is_2(machine: Machine) -> None:
    machine.has_libraries(tuple(name for name in LIBRARIES if name not in ("GL.so.1", "xcb-cursor.so.0")))
    (machine.tools / "c++").unlink()
    done = machine.run(FAKE_NO_VENV="1")
    assert done.returncode == 2
    assert done.stdout == (
        "sudo apt-get update && sudo apt-get install -y --no-install-recommends "
        "python3.12-venv libgl1 libxcb-cursor0 g++\n"
    )
    assert "apt-get" not in machine.asked()


def test_tests_need_nothing_of_x11(machine: Machine) -> None:
    machine.has_libraries(tuple(name for name in LIBRARIES if "x11" not in name and "xcb" not in name))
    script = f'. "{machine.root}/packaging/setup.sh"; missing_packages offscreen'
    done = subprocess.run(
        [machine.tools / "bash", "-c", script],
        env={"PATH": str(machine.tools), "FAKE_LOG": str(machine.log)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""


@pytest.mark.parametrize("rights", ["root", "sudo"])
def test_with_rights_system_packages_are_installed(machine: Machine, rights: str) -> None:
    machine.has_libraries(LIBRARIES[:2] + LIBRARIES[3:])
    if rights == "root":
        machine.tool("id", "echo 0")
    else:
        machine.tool("sudo", 'shift; exec "$@"')
    machine.tool("apt-cache", '[ "$2" = libglib2.0-0t64 ]')
    done = machine.run()
    assert (done.returncode, done.stdout) == (0, "window \n")
    asked = machine.asked()
    assert "apt-get update" in asked
    assert "apt-get install -y -qq --no-install-recommends libglib2.0-0t64" in asked


def test_a_sudo_that_asks_for_a_password_is_not_used(machine: Machine) -> None:
    machine.has_libraries(LIBRARIES[1:])
    machine.tool("sudo", "exit 1")
    done = machine.run()
    assert done.returncode == 2
    assert done.stdout.startswith("sudo apt-get update && ")


def test_an_old_python_is_named(machine: Machine) -> None:
    done = machine.run(FAKE_PYTHON_OLD="1")
    assert done.returncode == 2
    assert "needs Python 3.11 or newer; python3 is 3.10.9" in done.stderr


def test_a_named_python_that_is_missing_is_named(machine: Machine) -> None:
    done = machine.run(STRATA_PYTHON="/no/python")
    assert done.returncode == 2
    assert "/no/python is missing" in done.stderr


def test_a_gpu_build_compiles_llama_cpp_once(machine: Machine) -> None:
    machine.tool("nvcc")
    machine.run()
    machine.asked()
    machine.run(STRATA_GPU="cuda")
    compiled = "pip install --no-binary llama-cpp-python --no-cache-dir --force-reinstall --no-deps llama-cpp"
    assert compiled in machine.asked()
    machine.run(STRATA_GPU="cuda")
    machine.run()
    assert "pip install" not in machine.asked()
    machine.run(STRATA_GPU="cpu")
    assert "--force-reinstall --no-deps llama-cpp-python" in machine.asked()


@pytest.mark.parametrize(("gpu", "says"), [("cuda", "nvcc"), ("quantum", "quantum is unknown")])
def test_a_gpu_build_that_cannot_be_is_refused(machine: Machine, gpu: str, says: str) -> None:
    done = machine.run(STRATA_GPU=gpu)
    assert done.returncode == 2
    assert says in done.stderr
    assert "pip install" not in machine.asked()


@pytest.mark.parametrize("name", ["packaging/run", "packaging/test", ".ci/run"])
def test_the_commands_can_be_started(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)


def test_pins_are_those_that_were_measured() -> None:
    qt = DEPENDENCIES["pyside6-essentials"].specifier
    assert all(version not in qt for version in ("6.8.3", "6.11.0", "6.11.1", "6.12.0"))
    assert all(version in qt for version in ("6.9.0", "6.11.3"))
    assert "2.13.1" in DEPENDENCIES["torch"].specifier
    assert "2.14.0" not in DEPENDENCIES["torch"].specifier


def _imported() -> Iterator[tuple[str, str]]:
    """(top-level module, file) of every import in the product."""
    for path in [*ROOT.glob("app/**/*.py"), *ROOT.glob("engine/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from (
                    (alias.name.partition(".")[0], str(path.relative_to(ROOT))) for alias in node.names
                )
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0], str(path.relative_to(ROOT))


def test_every_imported_library_is_declared() -> None:
    owners = packages_distributions()
    undeclared = {
        (module, path)
        for module, path in _imported()
        if module not in sys.stdlib_module_names
        and module not in ("app", "engine", "resources")
        and not any(canonicalize_name(owner) in DEPENDENCIES for owner in owners.get(module, ()))
    }
    assert undeclared == set()


def test_every_room_of_the_engine_is_under_the_contract() -> None:
    rooms = {"models", "levels", "library", "memory", "learning", "evaluation"}
    there = {f"engine.{room}" for room in rooms if (ROOT / "engine" / room / "__init__.py").is_file()}
    contract = next(
        contract for contract in PROJECT["tool"]["importlinter"]["contracts"] if contract["id"] == "rooms"
    )
    assert set(contract["modules"]) == there


ICONS = sorted((ROOT / "resources" / "icons").glob("*.svg"))


@pytest.mark.parametrize("path", ICONS, ids=lambda path: path.stem)
def test_icons_are_drawn_on_one_grid_in_the_text_s_colour(path: Path) -> None:
    root = ElementTree.fromstring(path.read_text())
    if path.stem == "strata":
        assert len(root) == 6  # a ground and five levels
        return
    assert root.get("viewBox") == "0 0 24 24"
    assert root.get("stroke") == "currentColor"
    assert root.get("fill") == "none"
    assert "#" not in path.read_text()


def test_fonts_come_with_their_licences_and_stay_small() -> None:
    folder = ROOT / "resources" / "fonts"
    fonts = [*folder.glob("*.otf"), *folder.glob("*.ttf")]
    assert {re.split(r"[-.]", font.name)[0] for font in fonts} == {"Inter", "JetBrainsMono"}
    assert sum(font.stat().st_size for font in fonts) < 2_500_000
    licences = [path.read_text() for path in folder.glob("OFL-*.txt")]
    assert len(licences) == 2
    assert all("SIL OPEN FONT LICENSE Version 1.1" in text for text in licences)
