"""Every reader: what a good file becomes, and what a bad one is told."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from engine.errors import BadInput, DamagedFile, UnsupportedInput
from engine.library.readers.markdown import find_headings, plain
from engine.library.readers.reader import read
from tests.unit.library_support import write_docx, write_pdf

POLISH = "Zażółć gęślą jaźń. Wszystkie dzieci są nasze, więc bądźmy dla nich mili, bo inaczej będzie źle."
RUSSIAN = "Привет, мир! Это простой русский текст, который записан в старой кодировке. Он нужен для проверки."
FRENCH = "Les élèves sont allés à l’école où ils ont mangé des crêpes près du fleuve; ça a été agréable."
JAPANESE = "これは文字コードの判定を試すための簡単な日本語の文章です。よろしくお願いします。"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", POLISH),
        ("utf-8-sig", JAPANESE),
        ("utf-16", FRENCH),
        ("utf-16-le", "This is plain UTF-16 without a mark."),
        ("utf-32", RUSSIAN),
        ("cp1250", POLISH),
        ("koi8-r", RUSSIAN),
        ("cp1251", RUSSIAN),
        ("cp1252", FRENCH),
        ("shift_jis", JAPANESE),
    ],
)
def test_text_of_any_usual_encoding_is_read(tmp_path: Path, encoding: str, text: str) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(text.encode(encoding))
    assert read(file).pages[0].text == text


def test_xml_is_read_in_its_declared_encoding_without_tags(tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    source = f'<?xml version="1.0" encoding="koi8-r"?><a><b>{RUSSIAN}</b><c>&lt;i&gt;да&lt;/i&gt;</c></a>'
    file.write_bytes(source.encode("koi8-r"))
    assert read(file).pages[0].text == f"{RUSSIAN}\nда"


def test_an_entity_of_an_xml_file_fetches_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden words")
    file = tmp_path / "x.xml"
    file.write_text(f'<!DOCTYPE a [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]><a>seen &e;</a>')
    assert "hidden" not in read(file).pages[0].text


def test_pdf_pages_are_exact_and_bookmarks_are_headings(tmp_path: Path) -> None:
    pages = [["Rules of the harbour", "No boat enters at night."], ["Lights", "Red is left of the quay."]]
    file = write_pdf(tmp_path / "harbour.pdf", pages, [("Lights", 1)])
    document = read(file)
    assert [page.number for page in document.pages] == [1, 2]
    assert document.pages[0].text == "Rules of the harbour\nNo boat enters at night."
    heading = document.pages[1].headings[0]
    assert document.pages[1].text[heading.start : heading.end] == heading.title == "Lights"


def test_lines_set_larger_are_headings_of_a_pdf_without_bookmarks(tmp_path: Path) -> None:
    body = ["The Marivel is an old ship with two masts and a green hull.", "Her captain is Brona Keldas."]
    document = read(write_pdf(tmp_path / "ships.pdf", [["# The Marivel", *body], ["# The Sorvane", *body]]))
    assert [[heading.title for heading in page.headings] for page in document.pages] == [
        ["The Marivel"],
        ["The Sorvane"],
    ]


def test_underlined_lines_are_headings_of_a_text(tmp_path: Path) -> None:
    file = tmp_path / "people.txt"
    file.write_text("People\n======\n\nJoren\n-----\n\nHe bakes.\n---\nno heading\n\n------\n\na - b\n")
    headings = read(file).pages[0].headings
    assert [(heading.title, heading.level) for heading in headings] == [("People", 1), ("Joren", 2)]


def test_a_web_page_that_is_all_content_keeps_its_headings(tmp_path: Path) -> None:
    sections = "".join(
        f"<h2>Feast {i}</h2><p>The feast {i} is held in May. People eat cake.</p>" for i in range(4)
    )
    file = tmp_path / "feasts.html"
    file.write_text(f"<html><body><h1>Feasts</h1>{sections}</body></html>")
    titles = [heading.title for heading in read(file).pages[0].headings]
    assert titles == ["Feasts", "Feast 0", "Feast 1", "Feast 2", "Feast 3"]


def test_an_encrypted_pdf_asks_for_a_copy_without_password(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="password") as caught:
        read(write_pdf(tmp_path / "secret.pdf", [["Nobody reads this."]], locked=True))
    assert "copy without the password" in caught.value.hint


def test_a_scanned_pdf_is_said_to_need_ocr(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="scan") as caught:
        read(write_pdf(tmp_path / "scan.pdf", [[], ["7"]]))
    assert "OCR" in caught.value.hint


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.xlsx", "a.pptx", "a.epub", "a.odt"])
def test_random_bytes_with_a_document_ending_are_damaged(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(random.Random(7).randbytes(2000))
    with pytest.raises(DamagedFile, match=name):
        read(file)


@pytest.mark.parametrize("name", ["a.txt", "a.bin", "a.csv", "a.html", "noending"])
def test_random_bytes_are_no_text(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(random.Random(7).randbytes(2000))
    with pytest.raises(UnsupportedInput, match="not text"):
        read(file)


def test_an_encrypted_office_file_asks_for_a_copy_without_password(tmp_path: Path) -> None:
    file = tmp_path / "plan.docx"
    file.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600))
    with pytest.raises(BadInput, match="password"):
        read(file)


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "is empty"), (b" \n\t\n", "no text"), (b"*** ---", "no text")]
)
def test_files_without_words_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "nothing.txt"
    file.write_bytes(content)
    with pytest.raises(BadInput, match=words):
        read(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone\.txt"):
        read(tmp_path / "gone.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_forbidden_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("words")
    file.chmod(0)
    with pytest.raises(BadInput, match="may not be read"):
        read(file)


def test_word_headings_become_headings(tmp_path: Path) -> None:
    file = write_docx(
        tmp_path / "a.docx", [("Heading1", "Tools"), ("", "A saw and a plane."), ("Heading1", "Wood")]
    )
    document = read(file)
    assert document.kind == "Word"
    assert [heading.title for heading in document.pages[0].headings] == ["Tools", "Wood"]
    assert document.pages[0].number is None


def test_a_web_page_loses_its_navigation_and_keeps_its_title(tmp_path: Path) -> None:
    sentences = "".join(
        f"<p>The mill at Orban number {i} grinds rye for the valley and its bakers.</p>" for i in range(8)
    )
    file = tmp_path / "mill.html"
    file.write_text(
        "<html><head><title>The &amp; mill</title></head><body>"
        "<nav><a href='/'>Home</a> <a href='/x'>Shop now</a></nav>"
        f"<article><h2>Mills</h2>{sentences}</article><footer>Cookie settings</footer></body></html>"
    )
    document = read(file)
    assert document.title == "The & mill"
    assert "grinds rye" in document.pages[0].text
    assert "Shop now" not in document.pages[0].text


def test_a_notebook_gives_its_texts_and_code(tmp_path: Path) -> None:
    file = tmp_path / "a.ipynb"
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Tides\n", "High water at noon."]},
        {
            "cell_type": "code",
            "metadata": {},
            "source": ["print(42)"],
            "outputs": [],
            "execution_count": None,
        },
    ]
    file.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    text = read(file).pages[0].text
    assert "High water at noon." in text
    assert "print(42)" in text


def test_a_hash_in_a_code_block_is_no_heading() -> None:
    text = "# Real\n\n```sh\n# not one\n```\n\nBelow\n-----\n\ntext"
    headings = find_headings(text)
    assert [(heading.title, heading.level) for heading in headings] == [("Real", 1), ("Below", 2)]
    assert text[headings[1].start : headings[1].end] == "Below\n-----\n"


def test_plain_keeps_words_and_drops_markup() -> None:
    converted = "**Bold** [a link](https://x.example/a_(b)) ![picture](p.png) 2 \\* 3 <m@x.example> a_b_c"
    converted += "<sup>[12][a]</sup> H<sub>2</sub>O"
    assert plain(converted) == "Bold a link  2 * 3 <m@x.example> a_b_c H2O"


def test_every_shared_document_is_read_or_refused_in_words(shared_data: Path) -> None:
    refused: dict[str, str] = {}
    n_pages: dict[str, int] = {}
    small = [f for f in (shared_data / "documents").iterdir() if f.is_file() and f.stat().st_size < 300_000]
    for file in small:
        try:
            n_pages[file.name] = len(read(file).pages)
        except BadInput as error:
            refused[file.name] = error.text
    assert {name for name in refused if "password" in refused[name]} == {
        "libreoffice-writer-password.pdf",
        "password.pdf",
    }
    assert "scan" in refused["MEDRPT-2024-PAT-3847_medical_report_scan.pdf"]
    assert {"empty.txt", "empty.xlsx", "fake-text-all-whitespace.txt", "random.bin"} <= refused.keys()
    assert len(refused) == 7
    assert n_pages["multicolumn.pdf"] == 3
