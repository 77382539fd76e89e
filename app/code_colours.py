"""Colours of program text: pygments' token kinds in the two themes."""

from __future__ import annotations

from collections.abc import Iterator

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Token
from pygments.util import ClassNotFound

LIGHT = {
    "Comment": "#5B6470", "Keyword": "#8A2FA8", "Literal.String": "#1B6E3C", "Literal.Number": "#A04A00",
    "Name.Function": "#1F5FC4", "Name.Class": "#1F5FC4", "Name.Decorator": "#8A2FA8",
    "Name.Builtin": "#0F6A80", "Name.Tag": "#1F5FC4", "Name.Attribute": "#0F6A80",
    "Operator.Word": "#8A2FA8", "Generic.Deleted": "#B3261E", "Generic.Inserted": "#1B6E3C",
}  # fmt: skip
DARK = {
    "Comment": "#8F98A5", "Keyword": "#C99BF0", "Literal.String": "#8FD0A0", "Literal.Number": "#F0B27A",
    "Name.Function": "#86B4FA", "Name.Class": "#86B4FA", "Name.Decorator": "#C99BF0",
    "Name.Builtin": "#7CC9D8", "Name.Tag": "#86B4FA", "Name.Attribute": "#7CC9D8",
    "Operator.Word": "#C99BF0", "Generic.Deleted": "#F2777A", "Generic.Inserted": "#8FD0A0",
}  # fmt: skip
# Beyond this a lexer takes longer than a frame; such code is shown plain.
HIGHLIGHT_CHARS = 20_000


def coloured(code: str, language: str, dark: bool) -> Iterator[tuple[str, str]]:
    """``code`` as (colour or '', text) pairs; plain for an unknown language or very long code."""
    lexer = _lexer(language) if len(code) <= HIGHLIGHT_CHARS else None
    if lexer is None:
        yield "", code
        return
    palette = DARK if dark else LIGHT
    for kind, text in lexer.get_tokens(code):
        yield _colour(str(kind), palette), text


def _lexer(language: str) -> Lexer | None:
    if not language:
        return None
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def _colour(kind: str, palette: dict[str, str]) -> str:
    name = kind.removeprefix(f"{Token}.")
    while name:
        if name in palette:
            return palette[name]
        name = name.rpartition(".")[0]
    return ""
