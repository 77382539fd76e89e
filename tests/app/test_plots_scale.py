"""Ranges, ticks and label places."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.views.plots.scale import count_ticks, nice_top, spread, ticks, time_span, time_ticks


@given(st.floats(1e-6, 1e15))
def test_a_range_holds_its_value_and_is_not_mostly_empty(value: float) -> None:
    top = nice_top(value)
    assert value < top < 1.9 * value


def test_a_range_stays_until_it_is_left_or_mostly_empty() -> None:
    assert nice_top(8.0, current=10.0) == 10.0
    assert nice_top(9.9, current=10.0) == 12.0
    assert nice_top(2.0, current=10.0) == pytest.approx(2.5)
    assert nice_top(0.0) == 1.0


@given(st.floats(1e-6, 1e15))
def test_ticks_start_at_zero_are_few_and_stay_inside(top: float) -> None:
    values = [value for value, _ in ticks(top)]
    assert values[0] == 0
    assert 2 <= len(values) <= 6
    assert values[-1] <= top * 1.001


def test_the_highest_tick_carries_the_unit() -> None:
    assert [text for _, text in ticks(10, "GB")] == ["0", "2.5", "5", "7.5", "10 GB"]


@given(st.integers(0, 10_000), st.integers(1, 5000))
def test_counts_are_labelled_at_whole_numbers_inside_the_range(first: int, span: int) -> None:
    for value, text in count_ticks(first, first + span):
        assert first <= value <= first + span
        assert text == f"{int(value):,}"


def test_time_reaches_back_as_far_as_there_is_something_to_show() -> None:
    assert time_span(4.0) == 10
    assert time_span(31.0) == 40
    assert time_span(149.5) == 150
    assert time_span(4000.0) == 300
    assert time_ticks(30) == [(-20.0, "−20 s"), (-10.0, "−10 s")]
    assert [text for _, text in time_ticks(300)] == ["−4 min", "−3 min", "−2 min", "−1 min"]


@given(st.lists(st.floats(0, 200), max_size=12).map(sorted))
def test_labels_never_overlap_and_stay_inside(anchors: list[float]) -> None:
    places = spread(anchors, 16.0, 8.0, 192.0)
    assert len(places) == len(anchors)
    for place, following in pairwise(places):
        assert following - place >= 16.0 - 1e-6
    assert all(8.0 - 1e-6 <= place <= 192.0 + 1e-6 for place in places)


def test_labels_with_room_stand_beside_their_bands() -> None:
    assert spread([20.0, 60.0, 120.0], 16.0, 8.0, 192.0) == [20.0, 60.0, 120.0]
    assert spread([50.0, 50.0], 16.0, 0.0, 100.0) == [42.0, 58.0]
