"""What every backend asks of a prompt, and how it says how far it has read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from engine.cancel import CancelToken
from engine.errors import BadInput

ReadFn = Callable[[float], None]
"""Called with the share of the prompt that is read, 0..1."""


def check_prompt(tokens: Sequence[int], n_ctx: int) -> None:
    """Raise BadInput for an empty prompt, or one beyond the context."""
    if not tokens:
        raise BadInput("There is nothing to answer: the prompt is empty.", "Write a message.")
    if len(tokens) > n_ctx:
        raise BadInput(
            f"The prompt has {len(tokens):,} tokens, the context holds {n_ctx:,}.",
            "Shorten the message or load the model with a larger context.",
        )


def chunks(
    n_tokens: int, start: int, size: int, cancel: CancelToken, read: ReadFn | None
) -> Iterator[tuple[int, int]]:
    """(start, end) of the pieces a prompt is read in; ``cancel`` is looked at before each, and ``read``
    is told after each but the last."""
    for begin in range(start, n_tokens, size):
        cancel.check()
        end = min(begin + size, n_tokens)
        yield begin, end
        if read is not None and end < n_tokens:
            read((end - start) / (n_tokens - start))
