"""Text and conversations to tokens with the vocabulary of a GGUF file."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import llama_cpp
from transformers.utils.chat_template_utils import render_jinja_template

from engine.errors import BadInput
from engine.models.chat_template import as_data, chat_text, plain_transcript
from engine.protocol import Message

_PIECE_BYTES = 512


class GgufVocabulary:
    """A model's tokenizer. ``template`` is its chat template, None where it has none."""

    def __init__(self, vocab: int, template: str | None) -> None:
        self._vocab = vocab
        self._template = template
        self.n_tokens: int = llama_cpp.llama_vocab_n_tokens(vocab)
        ids = range(self.n_tokens)
        self.end_tokens = frozenset(i for i in ids if llama_cpp.llama_vocab_is_eog(vocab, i))
        self._control = tuple(
            text for i in ids if llama_cpp.llama_vocab_is_control(vocab, i) and (text := self._text(i))
        )

    def tokenize(self, text: str, special: bool = False, begin: bool = False) -> list[int]:
        """Tokens of ``text``; ``special`` reads control tokens spelled in it as such, ``begin`` puts the
        begin token in front where the model wants one."""
        data = text.encode("utf-8", errors="replace")
        room = len(data) + 16
        while True:
            tokens = (llama_cpp.llama_token * room)()
            n = llama_cpp.llama_tokenize(self._vocab, data, len(data), tokens, room, begin, special)
            if n >= 0:
                return list(tokens[:n])
            if -n <= room:
                raise BadInput("The text is too long to be read at once.", "Give a shorter text.")
            room = -n

    def token_bytes(self, token_id: int) -> bytes:
        """The UTF-8 bytes a token adds to the text; b'' for control tokens and unknown ids."""
        if not 0 <= token_id < self.n_tokens:
            return b""
        room = _PIECE_BYTES
        while True:
            buffer = ctypes.create_string_buffer(room)
            n = llama_cpp.llama_token_to_piece(self._vocab, token_id, buffer, room, 0, False)
            if n >= 0:
                return buffer.raw[:n]
            room = -n

    def render_chat(self, messages: Sequence[Message]) -> list[int]:
        """Tokens of ``messages`` in the model's template, opened for the answer (see ``chat_template``).

        Raises UnsupportedInput when the template cannot take them.
        """
        turns = as_data(messages, self._control)
        if self._template is None:
            return self.tokenize(plain_transcript(turns), begin=True)
        return self.tokenize(chat_text(turns, self._apply), special=True)

    def _apply(self, turns: Sequence[Message]) -> str:
        """transformers' own sandboxed rendering, so that both backends read a template alike."""
        conversation = [{"role": m.role, "content": m.content} for m in turns]
        rendered = render_jinja_template(
            [conversation],
            chat_template=self._template,
            add_generation_prompt=True,
            bos_token=self._text(llama_cpp.llama_vocab_bos(self._vocab)),
            eos_token=self._text(llama_cpp.llama_vocab_eos(self._vocab)),
            pad_token=self._text(llama_cpp.llama_vocab_pad(self._vocab)),
        )
        return str(rendered[0][0])

    def _text(self, token_id: int) -> str:
        if token_id < 0:
            return ""
        text = llama_cpp.llama_vocab_get_text(self._vocab, token_id)
        return text.decode("utf-8", errors="replace") if text else ""
