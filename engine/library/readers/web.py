"""Saved web pages without their navigation, by trafilatura; kreuzberg where that finds nothing. XML."""

from __future__ import annotations

import email
import email.policy
import html
import re
from email.message import EmailMessage
from pathlib import Path

import trafilatura
from lxml import etree

from engine.errors import DamagedFile
from engine.library.readers.document import Page, ParsedDocument, clean
from engine.library.readers.markdown import markdown_document, plain
from engine.library.readers.office import convert
from engine.library.readers.text import decode

_ARCHIVES = (".mhtml", ".mht")
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)
_TAG = re.compile(r"<[a-zA-Z/!][^>]*>")


def read_web(path: Path, kind: str) -> ParsedDocument:
    """HTML or a web archive."""
    data = path.read_bytes()
    page = _archived_page(data, path.name) if path.suffix.lower() in _ARCHIVES else None
    source = page if page is not None else decode(data, path.name, declared=True)
    source = _DECLARATION.sub("", source)
    found = _main_text(source, recall=False)
    if found and not _HEADING.search(found):  # a page that is all content may lose its headings so
        found = _main_text(source, recall=True)
    text = found if found is not None else convert(path)[0]
    return markdown_document(kind, _title(source) or path.stem, plain(clean(text)))


def _main_text(source: str, *, recall: bool) -> str | None:
    found = trafilatura.extract(
        source, output_format="markdown", include_comments=False, include_tables=True, favor_recall=recall
    )
    return None if found is None else str(found)


def _archived_page(data: bytes, name: str) -> str | None:
    """The first HTML part of an MHTML archive."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    for part in message.walk():
        if part.get_content_type() == "text/html" and isinstance(part, EmailMessage):
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                charset = part.get_content_charset()
                declared = f"charset={charset}\n".encode() if charset else b""
                return decode(declared + payload, name, declared=True).removeprefix(declared.decode())
    return None


def _title(source: str) -> str:
    match = re.search(r"<title[^>]*>(.*?)</title>", source, re.IGNORECASE | re.DOTALL)
    return " ".join(html.unescape(match[1]).split()) if match else ""


def read_xml(path: Path, kind: str) -> ParsedDocument:
    """The words of an XML file, an element a line. Entities are not resolved, nothing is fetched."""
    text = _DECLARATION.sub("", decode(path.read_bytes(), path.name, declared=True))
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True)
    root = etree.fromstring(text.encode(), parser)
    if root is None:
        raise DamagedFile(
            f"“{path.name}” is no XML that can be read.", "Save it anew from the program that made it."
        )
    pieces = (" ".join(_TAG.sub(" ", piece).split()) for piece in root.itertext())
    return ParsedDocument(kind, path.stem, (Page(None, clean("\n".join(p for p in pieces if p))),))
