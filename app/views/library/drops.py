"""What a drag or the clipboard brings, judged before anything is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QMimeData, QUrl

from app.drops import path_kind


@dataclass(frozen=True, slots=True)
class Offer:
    """``paths`` can be added; ``refusal`` says why nothing can. Neither: this is not for the library
    (a model or an adapter, which the window itself takes)."""

    paths: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def words(self) -> str:
        """The welcome, or the refusal."""
        if not self.paths:
            return self.refusal
        folders = sum(Path(path).is_dir() for path in self.paths)
        files = len(self.paths) - folders
        parts = [_count(files, "file"), _count(folders, "folder")]
        return "Drop to add " + " and ".join(part for part in parts if part)


def judge(mime: QMimeData) -> Offer:
    """What the library can do with a drag or a paste."""
    urls = mime.urls() if mime.hasUrls() else _as_urls(mime.text())
    if not urls:
        return Offer(refusal="Only files and folders can be added.")
    local = [url.toLocalFile() for url in urls if url.isLocalFile()]
    if not local:
        return Offer(refusal="That is a web address. Save the page, then drop the file.")
    found = [path for path in local if Path(path).exists()]
    if not found:
        return Offer(refusal="There is no such file any more.")
    documents = tuple(path for path in found if path_kind(Path(path)) == "documents")
    return Offer(paths=documents)


def _as_urls(text: str) -> list[QUrl]:
    """Pasted paths, one a line, quoted or not."""
    lines = (line.strip().strip("'\"") for line in text.splitlines())
    return [QUrl(line) if "://" in line else QUrl.fromLocalFile(line) for line in lines if _looks_like(line)]


def _looks_like(line: str) -> bool:
    return "://" in line or Path(line).is_absolute()


def _count(number: int, noun: str) -> str:
    return "" if not number else f"{number:,} {noun}" + ("" if number == 1 else "s")
