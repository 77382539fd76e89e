"""Markdown of untrusted origin: what it looks like, what it never does, where each word came from."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import QApplication

from app.markdown import Look, render, segments
from app.source_map import SourceMap

LOOK = Look("#111111", "#555555", "#2F6FDE", "#dddddd", "#eeeeee", "#E7EFFC", dark=False)

SOURCE = """# Title &amp; more

Two *short* clauses   and **one** 😀 exception [1], [1, 2] with `code` see https://a.example/b.

| Clause | Effect |
|---|--:|
| 7.2 | No **change** |

- [x] done
  - nested \\(a+b\\) item
1. first

> quoted words

```python
def f(x):
    return "text"
```

Formula $x^2$ and a [link](https://b.example) \\*literal\\*.
"""


def _document(source: str, citations: frozenset[int] = frozenset()) -> tuple[QTextDocument, SourceMap]:
    rendered = render(source, LOOK, citations)
    document = QTextDocument()
    document.setHtml(rendered.html)
    return document, SourceMap(document.toPlainText(), rendered.leaves)


def _units(text: str, start: int, end: int) -> str:
    return text.encode("utf-16-le")[2 * start : 2 * end].decode("utf-16-le")


@pytest.mark.parametrize(
    "word",
    ["Title", "short", "one", "exception", "code", "a.example", "7.2", "change", "done", "nested", "item",
     "first", "quoted", "def", "return", "text", "Formula", "link", "literal"],
)  # fmt: skip
def test_every_word_shown_leads_to_its_place_in_the_source_and_back(qapp: QApplication, word: str) -> None:
    document, places = _document(SOURCE, frozenset({1, 2}))
    start = SOURCE.index(word)
    shown = places.to_shown(start, start + len(word))
    assert shown is not None
    assert _units(document.toPlainText(), *shown) == word
    assert [places.to_source(at) for at in range(*shown)] == list(range(start, start + len(word)))


def test_markup_shows_as_no_text_and_a_formula_leads_to_its_source(qapp: QApplication) -> None:
    _, places = _document(SOURCE)
    assert places.to_shown(SOURCE.index("**one"), SOURCE.index("**one") + 2) is None
    start = SOURCE.index("x^2")
    shown = places.to_shown(start, start + 3)
    assert shown is not None
    assert shown[1] - shown[0] == 1
    assert places.to_source(shown[0]) == start


def test_numbers_become_chips_only_where_the_answer_has_that_passage() -> None:
    html = render("Yes [1], no [7], both [1, 2], `[1]`.", LOOK, frozenset({1, 2})).html
    assert html.count('href="cite:1"') == 2
    assert html.count('href="cite:2"') == 1
    assert "[7]" in html
    assert ">[1]</span>" in html


@pytest.mark.parametrize(
    "text",
    ["![alt](http://evil.example/x.png)", "![a](file:///etc/passwd)", "<img src='http://evil.example/x'>",
     "[l](javascript:alert)", "[l](file:///etc/passwd)", "[1]: http://evil.example\n\n[1]",
     "<script>x</script>", "[x](data:text/html,hi)"],
)  # fmt: skip
def test_nothing_is_loaded_and_no_unsafe_link_lives(text: str) -> None:
    html = render(text, LOOK).html
    assert "<img" not in html
    assert "<script" not in html
    assert 'href="javascript' not in html
    assert 'href="file' not in html
    assert 'href="data' not in html


def test_an_unreadable_formula_shows_its_source(qapp: QApplication) -> None:
    rendered = render(r"Bad $\frac{a$ here", LOOK)
    document = QTextDocument()
    document.setHtml(rendered.html)
    assert r"\frac{a" in document.toPlainText()


def test_amounts_of_money_are_no_formulas(qapp: QApplication) -> None:
    document, _ = _document("It costs $5 and then $6 more.")
    assert document.toPlainText() == "It costs $5 and then $6 more."


def test_code_is_coloured_and_can_be_copied() -> None:
    rendered = render("```python\ndef f():\n    pass\n```", LOOK)
    assert rendered.codes == ("def f():\n    pass",)
    assert '<span style="color:#8A2FA8">def</span>' in rendered.html


def test_segments_join_to_the_source_and_never_cut_code() -> None:
    block = "```\n" + "line\n\n" * 700 + "```\n\n"
    source = ("A paragraph of words.\n\n" * 400) + block + "After."
    parts = segments(source)
    assert len(parts) > 2
    assert "".join(part.text for part in parts) == source
    assert [source[part.start : part.start + len(part.text)] for part in parts] == [p.text for p in parts]
    assert any(block.strip() in part.text for part in parts)


def test_what_belongs_to_a_list_item_is_not_cut_off() -> None:
    item = "1. A step\n\n    with a second paragraph\n\n"
    parts = segments(item * 400)
    assert len(parts) > 2
    assert all(part.text.startswith("1. A step") for part in parts)


def test_a_single_endless_line_is_cut_too() -> None:
    source = "x" * 100_000
    parts = segments(source)
    assert max(len(part.text) for part in parts) <= 48_000
    assert "".join(part.text for part in parts) == source


def test_deep_nesting_ends() -> None:
    assert render("> " * 500 + "deep", LOOK).html
    assert render("[" * 3000, LOOK).html


_MARKS = [
    "a",
    "**",
    "*",
    "_",
    "`",
    "```",
    "[1]",
    "[x](http://a)",
    "![i](u)",
    "|",
    "$",
    "$x^2$",
    "\\(",
    "\\",
    "&amp;",
    "😀",
    "<b>",
    "~~",
    "https://a.b/c",
]
_SPACED = (
    "b c",
    "```py\n",
    "\n",
    "\n\n",
    "- ",
    "1. ",
    "> ",
    "# ",
    "[2, 1]",
    "  ",
    "\t",
    "---\n",
    "    ",
    "[x] ",
)
_PIECES = st.sampled_from([*_MARKS, *_SPACED, "| a | b |\n|---|---|\n"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_PIECES, max_size=25).map("".join))
def test_whatever_a_model_writes_is_rendered_and_maps_into_its_source(
    qapp: QApplication, source: str
) -> None:
    document, places = _document(source, frozenset({1, 2}))
    for at in range(document.characterCount()):
        found = places.to_source(at)
        assert found is None or 0 <= found < len(source)
