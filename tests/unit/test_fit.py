"""A conversation that is too long loses its oldest turns, then its last passages."""

import pytest

from engine.errors import BadInput
from engine.jobs.fit import fit_prompt
from engine.protocol import Hit, Message


def _render(messages):
    return [0] * sum(len(message.content) for message in messages)


def _assemble(history, hits):
    *earlier, question = history
    passages = "".join(hit.text for hit in hits)
    return [*earlier, Message(role="user", content=passages + question.content)]


def _hit(text: str) -> Hit:
    return Hit(
        chunk_id="c", document_id="d", document="a.md", path="a.md", page=None, heading="", start=0,
        end=len(text), text=text, score=1.0,
    )  # fmt: skip


def _turns(*lengths: int) -> list[Message]:
    roles = ("user", "assistant")
    return [Message(role=roles[i % 2], content="x" * n) for i, n in enumerate(lengths)]


def test_what_fits_stays_whole() -> None:
    fitted = fit_prompt(_turns(10, 10, 10), [_hit("p" * 10)], _assemble, _render, 100, 20)
    assert (len(fitted.tokens), fitted.dropped_turns, len(fitted.hits)) == (40, 0, 1)


def test_the_oldest_turns_leave_first_with_their_answers() -> None:
    fitted = fit_prompt(_turns(40, 40, 10, 10, 10), [_hit("p" * 10)], _assemble, _render, 100, 20)
    assert (len(fitted.tokens), fitted.dropped_turns, fitted.dropped_tokens) == (40, 1, 80)
    assert len(fitted.hits) == 1


def test_then_the_last_passages_leave() -> None:
    hits = [_hit("p" * 30), _hit("q" * 30), _hit("r" * 30)]
    fitted = fit_prompt(_turns(10), hits, _assemble, _render, 100, 20)
    assert [hit.text[0] for hit in fitted.hits] == ["p", "q"]


def test_a_message_that_cannot_fit_is_refused_with_the_numbers() -> None:
    with pytest.raises(BadInput, match=r"200 tokens; the model's context holds 100") as caught:
        fit_prompt(_turns(200), [_hit("p")], _assemble, _render, 100, 512)
    assert "larger context" in caught.value.hint


def test_the_system_message_stays() -> None:
    history = [Message(role="system", content="s" * 10), *_turns(60, 20, 10)]
    kept: list[list[Message]] = []

    def assemble(messages, hits):
        kept.append(list(messages))
        return messages

    fit_prompt(history, (), assemble, _render, 100, 20)
    assert [message.role for message in kept[-1]] == ["system", "user"]
