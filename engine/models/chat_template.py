"""A conversation in a model's own chat template (Hugging Face side)."""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerFast

from engine.errors import UnsupportedInput
from engine.protocol import Message

_BREAK = "\N{ZERO WIDTH SPACE}"


def render_chat(tokenizer: PreTrainedTokenizerFast, messages: Sequence[Message]) -> list[int]:
    """Tokens of ``messages``, opened for the answer.

    Control tokens spelled out in a message or a document are broken up: text is data, not structure.
    A template that refuses the system role gets its text folded into the first user message. Raises
    UnsupportedInput when the template fails otherwise.
    """
    turns = [Message(role=m.role, content=_as_data(tokenizer, m.content)) for m in messages]
    if not tokenizer.chat_template:
        return list(tokenizer(plain_transcript(turns))["input_ids"])
    try:
        text = _apply(tokenizer, turns)
    except TemplateError as error:
        folded = _fold_system(turns)
        if folded == turns:
            raise _refused(error) from error
        try:
            text = _apply(tokenizer, folded)
        except TemplateError as again:
            raise _refused(again) from again
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def plain_transcript(messages: Sequence[Message]) -> str:
    """What a model without a template reads: the last user message alone when it is the only one,
    else a 'role: content' transcript opened for the assistant."""
    if not any(m.role == "assistant" for m in messages):
        users = [m.content for m in messages if m.role == "user"]
        return users[-1] if users else ""
    lines = [f"{m.role}: {m.content}" for m in messages]
    return "\n".join([*lines, "assistant:"])


def _apply(tokenizer: PreTrainedTokenizerFast, messages: Sequence[Message]) -> str:
    turns = [{"role": m.role, "content": m.content} for m in messages]
    try:
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    except Exception as error:  # a template is a stranger's program: it may raise anything
        raise TemplateError(str(error)) from error
    return str(text)


def _fold_system(messages: Sequence[Message]) -> list[Message]:
    system = "\n\n".join(m.content for m in messages if m.role == "system")
    turns = [m for m in messages if m.role != "system"]
    if system and turns and turns[0].role == "user":
        turns[0] = Message(role="user", content=f"{system}\n\n{turns[0].content}")
    return turns


def _as_data(tokenizer: PreTrainedTokenizerFast, text: str) -> str:
    for token in tokenizer.added_tokens_decoder.values():
        if token.special and token.content in text:
            text = text.replace(token.content, token.content[0] + _BREAK + token.content[1:])
    return text


def _refused(error: TemplateError) -> UnsupportedInput:
    return UnsupportedInput(
        "The model's chat template cannot take this conversation.",
        "Start a new chat, or choose another version of the model.",
        str(error),
    )
