"""A conversation in a model's own chat template, for both backends.

A template is a stranger's program: it is rendered in transformers' sandbox and may fail in any way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from transformers import PreTrainedTokenizerFast

from engine.errors import UnsupportedInput
from engine.protocol import Message

_BREAK = "\N{ZERO WIDTH SPACE}"

Apply = Callable[[Sequence[Message]], str]
"""Renders messages in the model's template, opened for the answer; raises whatever the template raises."""


def render_chat(tokenizer: PreTrainedTokenizerFast, messages: Sequence[Message]) -> list[int]:
    """Tokens of ``messages`` with a Hugging Face tokenizer, opened for the answer.

    Raises UnsupportedInput when the template cannot take them.
    """
    control = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    turns = as_data(messages, control)
    if not tokenizer.chat_template:
        return list(tokenizer(plain_transcript(turns))["input_ids"])

    def apply(turns: Sequence[Message]) -> str:
        conversation = [{"role": m.role, "content": m.content} for m in turns]
        return str(tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True))

    return list(tokenizer(chat_text(turns, apply), add_special_tokens=False)["input_ids"])


def chat_text(messages: Sequence[Message], apply: Apply) -> str:
    """The rendered conversation. A template that refuses the system role gets its text folded into the
    first user message. Raises UnsupportedInput when it fails otherwise."""
    folded = _fold_system(messages)
    attempts = [messages] if folded == list(messages) else [messages, folded]
    failure: Exception | None = None
    for turns in attempts:
        try:
            return apply(turns)
        except Exception as error:  # noqa: BLE001 - told below, in the user's words
            failure = error
    raise UnsupportedInput(
        "The model's chat template cannot take this conversation.",
        "Start a new chat, or choose another version of the model.",
        str(failure),
    ) from failure


def as_data(messages: Sequence[Message], control_tokens: Iterable[str]) -> list[Message]:
    """Control tokens spelled out in a message or a document are broken up: text is data, not structure."""
    tokens = [token for token in control_tokens if token]

    def broken(text: str) -> str:
        for token in tokens:
            text = text.replace(token, token[0] + _BREAK + token[1:])
        return text

    return [Message(role=m.role, content=broken(m.content)) for m in messages]


def plain_transcript(messages: Sequence[Message]) -> str:
    """What a model without a template reads: the last user message alone when it is the only one,
    else a 'role: content' transcript opened for the assistant."""
    if not any(m.role == "assistant" for m in messages):
        users = [m.content for m in messages if m.role == "user"]
        return users[-1] if users else ""
    lines = [f"{m.role}: {m.content}" for m in messages]
    return "\n".join([*lines, "assistant:"])


def _fold_system(messages: Sequence[Message]) -> list[Message]:
    system = "\n\n".join(m.content for m in messages if m.role == "system")
    turns = [m for m in messages if m.role != "system"]
    if not system or not turns or turns[0].role != "user":
        return list(messages)
    return [Message(role="user", content=f"{system}\n\n{turns[0].content}"), *turns[1:]]
