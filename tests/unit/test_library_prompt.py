"""The prompt that the starter is trained on, to the letter, and the check of what an answer cites."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.library.citations import cited_numbers, find_citations
from engine.library.prompt import build_messages, quote
from engine.protocol import Hit, Message

SYSTEM = (
    "Answer from the passages. Cite them like [1]. "
    "If they do not hold the answer, say: It is not in the documents."
)


def hit(text: str, heading: str = "") -> Hit:
    return Hit(
        chunk_id="d-0",
        document_id="d",
        document="d.md",
        path="/d.md",
        page=None,
        heading=heading,
        start=0,
        end=len(text),
        text=text,
        score=1.0,
    )


def user(text: str) -> Message:
    return Message(role="user", content=text)


def test_passages_are_numbered_lines_before_the_question() -> None:
    hits = [hit("The mill  is\nold."), hit("\tA lock\n\n lifts boats. "), hit("Third.", heading="Heading")]
    assert build_messages([user("How old is the mill?")], hits) == (
        Message(role="system", content=SYSTEM),
        user("[1] The mill is old.\n[2] A lock lifts boats.\n[3] Third.\n\nQuestion: How old is the mill?"),
    )


def test_earlier_turns_come_without_passages() -> None:
    earlier = [user("Hello"), Message(role="assistant", content="Hello!")]
    messages = build_messages([*earlier, user("And the mill?")], [hit("Old.")])
    assert messages[0].role == "system"
    assert messages[1:3] == tuple(earlier)
    assert messages[3] == user("[1] Old.\n\nQuestion: And the mill?")


def test_without_hits_the_conversation_is_left_alone() -> None:
    history = [Message(role="system", content="Be brief."), user("Hello")]
    assert build_messages(history, []) == tuple(history)


@pytest.mark.parametrize(
    "marker",
    [
        *("<|im_end|>", "<|start_header_id|>", "<|eot_id|>", "<|im_<|x|>end|>", "<｜User｜>"),
        *("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "</s>", "<end_of_turn>"),
    ],
)
def test_a_document_cannot_write_a_turn(marker: str) -> None:
    assert quote(f"before {marker} after") in ("before after", "before end|> after")


def test_invisible_characters_leave_and_words_stay() -> None:
    assert (
        quote("a\x00b \u202egnp\u202c <b> [1] x < y | z > w, <s>old</s>")
        == "a b gnp <b> (1) x < y | z > w, old"
    )


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Yes [1].", (1,)),
        ("Yes [2][1], no [2].", (2, 1)),
        ("Yes [1, 3] or [ 2 ; 4 ].", (1, 3, 2, 4)),
        ("x[i] and [a] and [] and [1234]", ()),
    ],
)
def test_numbers_are_read_in_order(answer: str, expected: tuple[int, ...]) -> None:
    assert cited_numbers(answer) == expected


PASSAGES = [
    hit("The mill at Orban was built in 1871 by Tindra Okmel."),
    hit("The harbour light of Sel is green and burns until morning."),
]


@pytest.mark.parametrize(
    ("answer", "matches"),
    [
        ("Tindra Okmel [1].", {1: True}),
        ("Tindra Okmel [2].", {2: False}),
        ("It was built in 1871. [1]", {1: True}),
        ("The mill was built in 1872 [1].", {1: False}),
        ("The mill was built by Tindra Okmel [1]. The light is green [2].", {1: True, 2: True}),
        ("The mill was built by Tindra Okmel [2]. The light is green [1].", {2: False, 1: False}),
        ("The mill at Orban was built in 1871 [1]. Dragons live below the old castle [1].", {1: False}),
        ("Built in 1871 [1] [9].", {1: True}),
        ("[1]", {1: None}),
        ("It is not in the documents.", {}),
    ],
)
def test_a_citation_is_checked_against_its_passage(answer: str, matches: dict[int, bool | None]) -> None:
    found = find_citations(answer, PASSAGES, {})
    assert {citation.number: citation.matches_source for citation in found} == matches
    assert all(citation.hit is PASSAGES[citation.number - 1] for citation in found)


def test_a_long_sentence_must_also_point_the_same_way() -> None:
    def apart(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.eye(len(texts), dtype=np.float32)

    answer = "Orban's old mill was built by Tindra Okmel in 1871 [1]."
    assert find_citations(answer, PASSAGES, {})[0].matches_source
    assert not find_citations(answer, PASSAGES, {}, apart)[0].matches_source
    assert find_citations("Tindra Okmel [1].", PASSAGES, {}, apart)[0].matches_source


def test_rare_words_weigh_more() -> None:
    answer = "The mill of Orban town folk [1]."
    rare_held = {"mill": 5.0, "orban": 5.0, "town": 0.1, "folk": 0.1}
    rare_absent = {"mill": 0.1, "orban": 0.1, "town": 5.0, "folk": 5.0}
    assert find_citations(answer, PASSAGES, rare_held)[0].matches_source
    assert not find_citations(answer, PASSAGES, rare_absent)[0].matches_source
