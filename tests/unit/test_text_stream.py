"""The streamed answer: whole characters, hidden stop strings, spans that fit the text."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from engine.jobs.text import TextStream


def test_a_character_split_over_tokens_appears_whole() -> None:
    stream = TextStream(())
    first, second = stream.push("é".encode()[:1]), stream.push("é".encode()[1:])
    assert (first.delta, second.delta, stream.text) == ("", "é", "é")
    assert (first.start, first.end, second.start, second.end) == (0, 0, 0, 1)


def test_text_that_could_begin_a_stop_string_is_held_back_and_then_shown() -> None:
    stream = TextStream(("\nUser:",))
    assert stream.push(b"yes\nUs").delta == "yes"
    assert stream.push(b"age").delta == "\nUsage"


def test_the_stop_string_never_shows_and_ends_the_text_before_it() -> None:
    stream = TextStream(("END",))
    shown = stream.push(b"one E").delta + stream.push(b"ND two").delta + stream.finish()
    assert (shown, stream.text, stream.stopped) == ("one ", "one ", True)


def test_an_unfinished_character_at_the_end_becomes_a_replacement() -> None:
    stream = TextStream(())
    stream.push("€".encode()[:2])
    assert stream.finish() == "\ufffd"


def test_leading_space_is_dropped_only_when_asked() -> None:
    assert TextStream((), strip_start=True).push(b" Hi").delta == "Hi"
    assert TextStream(()).push(b" Hi").delta == " Hi"


@given(
    text=st.text(max_size=60),
    cuts=st.lists(st.integers(0, 240), max_size=12),
    stop=st.lists(st.text(min_size=1, max_size=4), max_size=3),
)
def test_what_is_shown_is_the_text_however_the_bytes_are_cut(
    text: str, cuts: list[int], stop: list[str]
) -> None:
    data = text.encode()
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    stream, shown, spans = TextStream(stop), "", []
    for begin, end in itertools.pairwise(edges):
        piece = stream.push(data[begin:end])
        shown += piece.delta
        spans.append((piece.start, piece.end))
        if stream.stopped:
            break
    shown += stream.finish()
    assert shown == stream.text
    ends = [text.find(word) for word in stop if word in text]
    if not ends:
        assert shown == text
    else:
        assert text.startswith(shown) and not any(word in shown for word in stop)
    assert all(0 <= start <= end <= len(shown) for start, end in spans)
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))
