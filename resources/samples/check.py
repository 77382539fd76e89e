"""Ask the starter the sample questions: `python -m resources.samples.check [--model DIR]`.

Each question gets three passages: the section that holds the answer, and the two others that share
most words with the question (for an absent answer, the three that share most).
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from resources.samples.make import HERE, documents, page_of
from resources.starter.evaluate import generate
from resources.starter.world import ABSENT, SYSTEM


@dataclass(frozen=True)
class Section:
    """One paragraph of a sample, with where it stands."""

    file: str
    page: int | None
    text: str


def sections() -> list[Section]:
    """Every paragraph of every sample; only the PDF has pages."""
    return [
        Section(document.file, page_of(document, index) if document.file.endswith(".pdf") else None, text)
        for document in documents()
        for index, (_, text) in enumerate(document.sections)
    ]


def words(text: str) -> set[str]:
    """Lower-case words of a text."""
    return set(re.findall(r"\w+", text.lower())) - {
        "the",
        "of",
        "is",
        "a",
        "in",
        "on",
        "who",
        "what",
        "which",
    }


def passages(entry: dict[str, Any], every: list[Section]) -> tuple[list[Section], int]:
    """Three sections and the number, from 1, of the right one (0 when there is none)."""
    question, answer = str(entry["question"]), entry["answer"]
    ranked = sorted(every, key=lambda section: -len(words(question) & words(section.text)))
    if answer is None:
        return ranked[:3], 0
    right = next(section for section in ranked if section.file == entry["file"] and answer in section.text)
    if right.page != entry["page"]:
        raise ValueError(f"{question}: the answer stands on page {right.page}")
    others = [section for section in ranked if section is not right and answer not in section.text][:2]
    place = len(question) % 3
    return [*others[:place], right, *others[place:]], place + 1


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=HERE.parent / "starter" / "hf")
    args = parser.parse_args()
    torch.set_num_threads(2)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    entries = json.loads(HERE.joinpath("questions.json").read_text("utf-8"))["questions"]
    every, right = sections(), 0
    for entry in entries:
        found, number = passages(entry, every)
        listed = "".join(f"[{n}] {section.text}\n" for n, section in enumerate(found, 1))
        user = f"{listed}\nQuestion: {entry['question']}"
        chat = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}]
        reply = generate(model, tokenizer, [chat])[0].strip()
        wanted = f"{entry['answer']} [{number}]." if number else ABSENT
        right += reply == wanted
        print("right" if reply == wanted else "WRONG", "|", entry["question"], "|", reply)
    print(f"{right} of {len(entries)} right")


if __name__ == "__main__":
    main()
