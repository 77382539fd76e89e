"""Which reader takes which file, by the ending of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Reader = Literal["pdf", "office", "web", "xml", "markdown", "text"]

_OFFICE = {
    "Word": "docx docm dotx doc odt rtf",
    "Slides": "pptx pptm ppsx ppt odp",
    "Sheet": "xlsx xlsm xlsb xls ods",
    "Book": "epub fb2",
    "E-mail": "eml msg",
    "Notebook": "ipynb",
}
_TEXT = {
    "Text": "txt text log rst adoc asciidoc org tex bib srt vtt nfo",
    "Table": "csv tsv psv",
    "Data": "json jsonl ndjson yaml yml toml ini cfg conf properties",
    "Code": (
        "py pyi js mjs cjs ts tsx jsx java kt kts c h cc cpp cxx hpp hh cs go rs rb php swift scala sh bash "
        "zsh ps1 bat sql r jl lua pl pm hs ml ex exs erl clj dart vue svelte css scss less cmake dockerfile"
    ),
}
_OTHER: dict[str, tuple[str, Reader]] = {
    "pdf": ("PDF", "pdf"),
    "html": ("Web page", "web"),
    "htm": ("Web page", "web"),
    "xhtml": ("Web page", "web"),
    "mhtml": ("Web page", "web"),
    "mht": ("Web page", "web"),
    "xml": ("XML", "xml"),
    "md": ("Markdown", "markdown"),
    "markdown": ("Markdown", "markdown"),
    "mdx": ("Markdown", "markdown"),
}
_BY_ENDING: dict[str, tuple[str, Reader]] = {
    **{ending: (kind, "office") for kind, endings in _OFFICE.items() for ending in endings.split()},
    **{ending: (kind, "text") for kind, endings in _TEXT.items() for ending in endings.split()},
    **_OTHER,
}


def is_supported(path: Path) -> bool:
    """Whether a file found in a folder is read (a file named directly is always tried)."""
    return path.suffix[1:].lower() in _BY_ENDING


def kind_of(path: Path) -> tuple[str, Reader]:
    """(word for people, reader); an unknown ending is tried as text."""
    return _BY_ENDING.get(path.suffix[1:].lower(), ("Text", "text"))
