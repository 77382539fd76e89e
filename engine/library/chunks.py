"""Pages to chunks: about 128 tokens of the embedder's own tokenizer, no overlap, exact spans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from semantic_text_splitter import MarkdownSplitter, TextSplitter
from tokenizers import Tokenizer

from engine.library.readers.document import Heading, Page, ParsedDocument
from engine.library.words import stems

CHUNK_TOKENS = 128
# A change of what chunks are: documents read before it are read anew when they are added again.
CHUNKER_VERSION = 1
_HEADING_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Chunk:
    """``pages[page_index].text[start:end]`` of a document; ``heading`` is the section it lies in."""

    page_index: int
    start: int
    end: int
    heading: str


def content_of(heading: str, text: str) -> str:
    """A chunk as it is searched: a section's words are often only in its heading. The heading is cut,
    so that both fit the embedder's window."""
    return f"{heading[:_HEADING_CHARACTERS]}\n{text}" if heading else text


def count_terms(document: ParsedDocument, chunks: Iterable[Chunk]) -> Counter[str]:
    """In how many of the chunks each stem occurs."""
    return Counter(
        stem
        for chunk in chunks
        for stem in stems(
            content_of(chunk.heading, document.pages[chunk.page_index].text[chunk.start : chunk.end])
        )
    )


class Chunker:
    """Splits at the highest boundary that fits (section, paragraph, sentence, word)."""

    def __init__(self, tokenizer_path: Path, max_tokens: int = CHUNK_TOKENS) -> None:
        tokenizer = Tokenizer.from_file(str(tokenizer_path))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._plain = TextSplitter.from_huggingface_tokenizer(tokenizer, max_tokens)
        self._markdown = MarkdownSplitter.from_huggingface_tokenizer(tokenizer, max_tokens)

    def split(self, document: ParsedDocument) -> tuple[Chunk, ...]:
        """All chunks in reading order. None crosses a page or a heading; a heading's own line is no
        part of a chunk, unless there is nothing but headings."""
        chunks: list[Chunk] = []
        heading = ""
        for index, page in enumerate(document.pages):
            splitter = self._markdown if document.is_markdown else self._plain
            for title, start, end in _sections(page, heading):
                chunks += self._split_section(splitter, page.text, index, title, start, end)
            heading = page.headings[-1].title if page.headings else heading
        return tuple(chunks) or _headings_alone(document)

    @staticmethod
    def _split_section(
        splitter: TextSplitter | MarkdownSplitter, text: str, index: int, title: str, start: int, end: int
    ) -> Iterator[Chunk]:
        for offset, piece in splitter.chunk_indices(text[start:end]):
            if any(character.isalnum() for character in piece):
                at = start + offset
                yield Chunk(index, at, at + len(piece), title)


def _sections(page: Page, heading: str) -> Iterator[tuple[str, int, int]]:
    """(heading, start, end) of each stretch of a page; the first goes on under the last heading of
    the page before."""
    borders = [Heading(0, 0, heading, 0), *page.headings]
    ends = [border.start for border in page.headings] + [len(page.text)]
    for border, end in zip(borders, ends, strict=True):
        if page.text[border.end : end].strip():
            yield border.title, border.end, end


def _headings_alone(document: ParsedDocument) -> tuple[Chunk, ...]:
    """Slides with nothing but titles."""
    chunks: list[Chunk] = []
    for index, page in enumerate(document.pages):
        for heading in page.headings:
            line = page.text[heading.start : heading.end]
            start = heading.start + len(line) - len(line.lstrip())
            if line.strip():
                chunks.append(Chunk(index, start, start + len(line.strip()), heading.title))
    return tuple(chunks)
