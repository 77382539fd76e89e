"""Make a conversation fit the context: the oldest turns leave, then the last passages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.errors import BadInput
from engine.protocol import Hit, Message

Render = Callable[[Sequence[Message]], list[int]]
Assemble = Callable[[Sequence[Message], Sequence[Hit]], Sequence[Message]]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A prompt that fits. ``hits`` are the passages that stayed in."""

    tokens: list[int]
    hits: tuple[Hit, ...]
    dropped_turns: int
    dropped_tokens: int


def fit_prompt(
    history: Sequence[Message],
    hits: Sequence[Hit],
    assemble: Assemble,
    render: Render,
    n_ctx: int,
    max_tokens: int,
) -> Fitted:
    """The tokens of the prompt, with room left for the answer (at most a quarter of the context is
    kept free for it, and never more than ``max_tokens``).

    Raises BadInput when even the last message alone is too long.
    """
    room = n_ctx - min(max_tokens, n_ctx // 4) - 1
    kept, passages = list(history), list(hits)
    tokens = full = render(assemble(kept, passages))
    while len(tokens) > room:
        if _drop_oldest_turn(kept):
            pass
        elif passages:
            passages.pop()
        else:
            raise BadInput(
                f"Your message has {len(tokens):,} tokens; the model's context holds {n_ctx:,}, "
                f"of which {n_ctx - room:,} are kept for the answer.",
                "Shorten the message, or reload the model with a larger context.",
            )
        tokens = render(assemble(kept, passages))
    dropped = sum(m.role == "user" for m in history) - sum(m.role == "user" for m in kept)
    return Fitted(tokens, tuple(passages), dropped, len(full) - len(tokens))


def _drop_oldest_turn(messages: list[Message]) -> bool:
    """Remove the first user message and what answers it; False if only the last one is left."""
    users = [i for i, message in enumerate(messages) if message.role == "user"]
    if len(users) < 2:
        return False
    del messages[users[0] : users[1]]
    return True
