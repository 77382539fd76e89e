"""Write the sample documents: `python -m resources.samples.make` (needs python-docx and reportlab).

One source, `content.toml`, becomes Markdown, PDF, DOCX, HTML and plain text. Each section is a
heading and a short paragraph, so that a passage of the workbench is a paragraph.
"""

from __future__ import annotations

import datetime
import html
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import docx
from reportlab.lib.pagesizes import A5
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Flowable, PageBreak, Paragraph, SimpleDocTemplate, Spacer

HERE = Path(__file__).parent
WRITTEN = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)  # fixed, so that a rerun changes nothing


@dataclass(frozen=True)
class Document:
    """A sample: sections of (heading, paragraph); `pages` are the sections that begin a page."""

    file: str
    title: str
    sections: list[list[str]]
    pages: list[int]


def documents() -> list[Document]:
    """All samples of `content.toml`."""
    data = tomllib.loads(HERE.joinpath("content.toml").read_text("utf-8"))
    return [
        Document(entry["file"], entry["title"], entry["sections"], entry.get("pages", [0]))
        for entry in data["documents"]
    ]


def write_markdown(document: Document, path: Path) -> None:
    """Headings and paragraphs in Markdown."""
    parts = [f"# {document.title}"]
    parts += [f"## {heading}\n\n{text}" for heading, text in document.sections]
    path.write_text("\n\n".join(parts) + "\n", "utf-8")


def write_text(document: Document, path: Path) -> None:
    """Plain text with underlined headings."""
    parts = [f"{document.title}\n{'=' * len(document.title)}"]
    parts += [f"{heading}\n{'-' * len(heading)}\n\n{text}" for heading, text in document.sections]
    path.write_text("\n\n".join(parts) + "\n", "utf-8")


def write_html(document: Document, path: Path) -> None:
    """A small web page."""
    body = "\n".join(
        f"<h2>{html.escape(heading)}</h2>\n<p>{html.escape(text, quote=False)}</p>"
        for heading, text in document.sections
    )
    title = html.escape(document.title)
    page = (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title></head>\n'
        f"<body>\n<h1>{title}</h1>\n{body}\n</body>\n</html>\n"
    )
    path.write_text(page, "utf-8")


def write_docx(document: Document, path: Path) -> None:
    """A Word document with heading styles."""
    out = docx.Document()
    out.core_properties.created = out.core_properties.modified = WRITTEN
    out.core_properties.author = "Strata samples"
    out.add_heading(document.title, 0)
    for heading, text in document.sections:
        out.add_heading(heading, 1)
        out.add_paragraph(text)
    out.save(str(path))


def write_pdf(document: Document, path: Path) -> None:
    """A PDF of A5 pages."""
    styles = getSampleStyleSheet()
    flow: list[Flowable] = [Paragraph(document.title, styles["Title"]), Spacer(0, 12)]
    for index, (heading, text) in enumerate(document.sections):
        if index and index in document.pages:
            flow.append(PageBreak())
        flow += [
            Paragraph(heading, styles["Heading2"]),
            Paragraph(html.escape(text, quote=False), styles["BodyText"]),
        ]
    SimpleDocTemplate(str(path), pagesize=A5, title=document.title, invariant=1).build(flow)


def page_of(document: Document, section: int) -> int:
    """The page, from 1, on which a section stands in the PDF."""
    return sum(start <= section for start in document.pages)


WRITERS: dict[str, Callable[[Document, Path], None]] = {
    ".md": write_markdown, ".txt": write_text, ".html": write_html, ".docx": write_docx, ".pdf": write_pdf,
}  # fmt: skip


def main() -> None:
    """Write every document beside this file."""
    for document in documents():
        path = HERE / document.file
        WRITERS[path.suffix](document, path)
        print(path.name)


if __name__ == "__main__":
    main()
