"""Histories keep what was measured, in bounded space."""

from __future__ import annotations

import numpy as np
import pytest

from app.telemetry import OWNERS, AnswerHistory, Answers, MemoryHistory, decimate
from engine.protocol import LEVELS, LedgerSample
from tests.app.scripted import token


def sample(time_s: float, **owners: int) -> LedgerSample:
    named = tuple((name.replace("_", " "), n) for name, n in owners.items())
    return LedgerSample(time_s=time_s, owners=named, capacity_bytes=24_000, device="cpu")


def test_the_ring_forgets_the_oldest_samples_only() -> None:
    history = MemoryHistory(n_samples=8)
    for second in range(20):
        history.add(sample(float(second), base_weights=second))
    window = history.window(1e9)
    assert len(history) == 8
    assert window.times_s.tolist() == [-7, -6, -5, -4, -3, -2, -1, 0]
    assert window.bytes[OWNERS.index("base weights")].tolist() == list(range(12, 20))


def test_a_window_holds_only_the_last_seconds() -> None:
    history = MemoryHistory()
    for second in range(10):
        history.add(sample(100.0 + second))
    assert history.window(3.0).times_s.tolist() == [-3, -2, -1, 0]
    assert MemoryHistory().window(3.0).times_s.size == 0


def test_an_owner_nobody_foretold_gets_a_row_of_its_own() -> None:
    history = MemoryHistory(n_samples=4)
    history.add(sample(0.0, base_weights=5))
    history.add(sample(1.0, base_weights=5, draft_model=7))
    window = history.window(60.0)
    assert window.owners == (*OWNERS, "draft model")
    assert window.bytes[-1].tolist() == [0, 7]


def test_an_answer_longer_than_its_first_room_keeps_every_token() -> None:
    answer = AnswerHistory(job=3)
    for i in range(150):
        answer.add(token(3, i, f" w{i}", 0, (i / 100, 0, 0, 0, 0), n_layers=2))
    assert len(answer) == 150
    assert answer.activity.shape == (150, len(LEVELS), 2)
    assert answer.by_token()[:, 0] == pytest.approx(np.arange(150) / 100)
    assert answer.reading(149).text == " w149"
    with pytest.raises(IndexError):
        answer.reading(150)


def test_tokens_that_were_not_measured_do_not_lower_the_mean() -> None:
    answer = AnswerHistory()
    answer.add(token(1, 0, "a", 0))
    answer.add(token(1, 1, "b", 1, (0.4, 0.2, 0, 0, 0)))
    assert np.isnan(answer.by_token()[0]).all()
    assert answer.by_layer()[0] == pytest.approx([0.4] * 4)
    assert answer.by_layer(1)[1] == pytest.approx([0.2] * 4)


def test_the_first_token_of_another_job_begins_an_answer_and_keeps_the_last() -> None:
    answers = Answers()
    answers.add(token(1, 0, "a", 0))
    answers.add(token(2, 0, "b", 0))
    assert answers.last is not None
    assert answers.last.texts == ("a",)
    assert answers.current is not None
    assert answers.current.texts == ("b",)
    assert not answers.finish(1)
    assert answers.finish(2)
    assert not answers.current.running


def test_thinning_keeps_real_columns_the_peak_and_the_newest() -> None:
    x = np.arange(1000.0)
    rows = np.vstack([np.ones(1000), np.ones(1000)])
    rows[1, 437] = 50.0
    thin_x, thin = decimate(x, rows, 100)
    assert thin_x.size == 100
    assert (np.diff(thin_x) > 0).all()
    assert thin[1].max() == 50.0
    assert thin_x[-1] == 999
    for at, column in zip(thin_x.astype(int), thin.T, strict=True):
        assert column.tolist() == rows[:, at].tolist()


def test_what_fits_the_width_is_not_thinned() -> None:
    x, rows = np.arange(5.0), np.ones((2, 5))
    assert decimate(x, rows, 5)[0] is x
