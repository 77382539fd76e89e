"""From token ids to bytes and from a conversation to token ids, for Hugging Face tokenizers."""

from __future__ import annotations

import json

from transformers import PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import bytes_to_unicode

_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # SentencePiece writes a space as this


class TokenBytes:
    """The bytes each token adds to a text.

    Two families cover the causal models: byte-level BPE (each character of a piece stands for a byte)
    and SentencePiece (a marked space, and <0x0A> for bytes without a piece). A leading space is part of
    its token, also at the start of a text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder
        self._added = {number: token.content.encode() for number, token in added.items()}
        for number, token in added.items():
            if token.special:
                self._added[number] = b""
        decoder = tokenizer.backend_tokenizer.decoder
        described = json.loads(decoder.__getstate__()) if decoder is not None else {}
        self._byte_level = "ByteLevel" in json.dumps(described)
        self._of_character = {character: byte for byte, character in bytes_to_unicode().items()}  # type: ignore[no-untyped-call]

    def __call__(self, token_id: int) -> bytes:
        """b'' for control tokens and for ids beyond the vocabulary."""
        if token_id in self._added:
            return self._added[token_id]
        piece = self._tokenizer.convert_ids_to_tokens(token_id)
        if not isinstance(piece, str):
            return b""
        if self._byte_level:
            return self._from_byte_level(piece)
        if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
            return bytes([int(piece[3:5], 16)])
        return piece.replace(_SPACE, " ").encode()

    def _from_byte_level(self, piece: str) -> bytes:
        return b"".join(
            bytes([self._of_character[character]]) if character in self._of_character else character.encode()
            for character in piece
        )
