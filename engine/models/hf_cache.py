"""A KV cache that knows which tokens it holds and under which stack revision each was computed."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer


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
        """Keep the first ``length`` tokens, or none where the cache cannot be cut there."""
        if length < len(self._tokens):
            self._crop(length)

    def mend(self) -> None:
        """After a forward that was broken off, some layers hold more than others: level them."""
        self._crop(len(self._tokens))

    def _crop(self, length: int) -> None:
        attention = [layer for layer in self.entries.layers if isinstance(layer, DynamicLayer)]
        whole = len(attention) == len(self.entries.layers) and all(_can_cut(layer) for layer in attention)
        if not whole or length == 0:
            self.clear()
            return
        for layer in attention:
            layer.crop(min(0, length - layer.get_seq_length()))
        del self._tokens[length:]
        del self._revisions[length:]

    def n_bytes(self) -> int:
        """Bytes of all keys and values."""
        attention = [layer for layer in self.entries.layers if isinstance(layer, DynamicLayer)]
        held = [tensor for layer in attention for tensor in (layer.keys, layer.values)]
        return sum(tensor.nbytes for tensor in held if tensor is not None)


def _can_cut(layer: DynamicLayer) -> bool:
    if isinstance(layer, DynamicSlidingWindowLayer) and layer.get_seq_length() >= layer.sliding_window:
        return False
    return type(layer) in (DynamicLayer, DynamicSlidingWindowLayer)
