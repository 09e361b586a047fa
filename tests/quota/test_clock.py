"""Storage's time from the Date headers of its answers."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.quota.clock import StorageClock

START = datetime(2026, 11, 2, 8, tzinfo=UTC)


def ask(skew: float, answers: int, seed: int, *, drift: float = 0.0) -> tuple[StorageClock, float]:
    """A clock that is wrong by `skew`, after so many answers; and how wrong it then is."""
    random, true = Random(seed), START

    def local() -> datetime:
        return true + timedelta(seconds=skew + drift * (true - START).total_seconds())

    clock = StorageClock(local)
    for _ in range(answers):
        true += timedelta(seconds=random.uniform(0.1, 3.0))
        sent = local()
        true += timedelta(seconds=random.uniform(0.002, 0.05))
        date = true.replace(microsecond=0)
        true += timedelta(seconds=random.uniform(0.002, 0.05))
        clock.observe(date, sent)
    return clock, clock.now() - true.timestamp()


@given(st.floats(-300, 300), st.integers(0, 1000))
def test_one_answer_bounds_the_error_to_little_more_than_a_second(skew: float, seed: int) -> None:
    assert abs(ask(skew, 1, seed)[1]) <= 1.2


@given(st.floats(-300, 300), st.integers(0, 1000))
def test_some_dozens_of_answers_bound_it_to_a_sixth(skew: float, seed: int) -> None:
    assert abs(ask(skew, 60, seed)[1]) <= 0.17


@pytest.mark.parametrize("drift", [-2e-4, 2e-4])
def test_a_clock_that_drifts_is_followed(drift: float) -> None:
    assert abs(ask(0.0, 3000, 7, drift=drift)[1]) <= 0.3


@given(st.floats(-0.09, 0.09), st.integers(0, 1000))
def test_a_good_clock_is_left_alone(skew: float, seed: int) -> None:
    assert ask(skew, 40, seed)[0].offset == 0.0


def test_a_clock_that_is_set_is_followed_at_once() -> None:
    local = START
    clock = StorageClock(lambda: local)
    clock.observe(START, START)
    local = START + timedelta(minutes=5, milliseconds=20)
    clock.observe(START, local - timedelta(milliseconds=20))
    assert clock.now() == pytest.approx(START.timestamp(), abs=1.2)
    assert clock.to_local(clock.now()) == local


def test_without_an_answer_the_local_clock_counts() -> None:
    assert StorageClock(lambda: START).now() == START.timestamp()
