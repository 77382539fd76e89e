"""torch's libraries are open before torch is imported, and torch still works."""

import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = """
import sys
from engine.preload import open_torch_libraries
print(open_torch_libraries(), "torch" in sys.modules, "libtorch_cpu" in open("/proc/self/maps").read())
import torch
print(int(torch.ones(3).sum()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into Linux's list of open libraries")
def test_libraries_open_without_importing_torch() -> None:
    root = Path(__file__).parents[2]
    said = subprocess.run(
        [sys.executable, "-c", _SCRIPT], cwd=root, capture_output=True, text=True, check=True
    )
    opened, imported, mapped, total = said.stdout.split()
    assert int(opened) >= 3 and (imported, mapped, total) == ("False", "True", "3")
