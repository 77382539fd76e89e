"""Passages and a conversation as the model reads them. The starter model is trained on exactly this
format; a change here makes it worse until it is trained anew."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.protocol import Hit, Message

SYSTEM = (
    "Answer from the passages. Cite them like [1]. "
    "If they do not hold the answer, say: It is not in the documents."
)
# What chat templates use to begin and end turns: a document must not be able to write a turn.
_MARKERS = re.compile(
    r"<\|.*?\|>|<<?/?SYS>>?|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"
    r"|</?(?:s|bos|eos|start_of_turn|end_of_turn|start_of_image|unk|pad)>|<[｜|][^<>]{1,40}[｜|]>",
    re.IGNORECASE,
)
_NUMBER_MARK = re.compile(r"\[(\d{1,3}(?:[,;\s]+\d{1,3})*)\]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def build_messages(history: Sequence[Message], hits: Sequence[Hit]) -> tuple[Message, ...]:
    """The conversation to render. ``history`` ends with the user's question; without hits it is
    returned as it is."""
    if not hits:
        return tuple(history)
    *earlier, question = history
    passages = "\n".join(f"[{number}] {quote(hit.text)}" for number, hit in enumerate(hits, start=1))
    return (
        Message(role="system", content=SYSTEM),
        *(turn for turn in earlier if turn.role != "system"),
        Message(role="user", content=f"{passages}\n\nQuestion: {question.content}"),
    )


def quote(text: str) -> str:
    """A passage as one line of data: single spaces, no control characters, no template markers, no
    number in brackets that could be taken for a passage's own."""
    text = _NUMBER_MARK.sub(r"(\1)", _CONTROL.sub(" ", text))
    # Removing one marker may join the halves of another.
    while (stripped := _MARKERS.sub(" ", text)) != text:
        text = stripped
    return " ".join(text.split())
