"""A KV cache that knows which tokens it holds and under which stack revision each was computed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import DynamicCache, PreTrainedConfig


class PrefixCache:
    """transformers' DynamicCache with the tokens and revisions of its entries.

    An entry depends on all before it, so a prefix may be reused only as far as every token of it was
    computed under the revision that is asked for. Caches that cannot be cut (a sliding window that has
    slid, recurrent states) start anew instead.
    """

    def __init__(self, config: PreTrainedConfig) -> None:
        self._config = config
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.entries = DynamicCache(config=self._config)
        self._tokens: list[int] = []
        self._revisions: list[int] = []

    def __len__(self) -> int:
        return len(self._tokens)

    @property
    def tokens(self) -> Sequence[int]:
        """The tokens whose keys and values are held."""
        return self._tokens

    def add(self, tokens: Sequence[int], revision: int) -> None:
        """Note what a forward has just appended."""
        self._tokens.extend(tokens)
        self._revisions.extend([revision] * len(tokens))

    def keep_prefix(self, tokens: Sequence[int], revision: int) -> int:
        """Cut back to the longest usable prefix of ``tokens`` and return its length."""
        usable = 0
        for token, held, computed in zip(tokens, self._tokens, self._revisions, strict=False):
            if token != held or computed != revision:
                break
            usable += 1
        self.cut(usable)
        return len(self._tokens)

    def cut(self, length: int) -> None:
        """Keep the first ``length`` tokens, or none where the cache cannot be cut there.

        Also mends a forward that was broken off, after which some layers hold more than others.
        """
        for layer in self.entries.layers:
            excess = layer.get_seq_length() - length
            if excess == 0:
                continue
            slid = layer.is_sliding and layer.get_seq_length() >= getattr(layer, "sliding_window", 0)
            if excess < 0 or length == 0 or not layer.is_croppable or slid:
                self.clear()
                return
            layer.crop(-excess)
        del self._tokens[length:]
        del self._revisions[length:]

    def n_bytes(self) -> int:
        """Bytes of all keys and values."""
        held = [tensor for layer in self.entries.layers for tensor in (layer.keys, layer.values)]
        return sum(tensor.nbytes for tensor in held if isinstance(tensor, torch.Tensor))
