"""Pacing: no minute holds too many, and a saturated mailbox wastes nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.quota.pacing import MARGIN, Pace

RATES = st.sampled_from([1, 2, 3, 7, 10, 29, 30, 31, 60, 600])


def most_in_a_minute(times: list[float]) -> int:
    """The largest number of times in any 60 seconds, the window half open."""
    times, first, most = sorted(times), 0, 0
    for last, time in enumerate(times):
        while times[first] <= time - 60.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def reserve(pace: Pace, gaps: list[float]) -> list[float]:
    """One slot at each of these moments, given as seconds since the one before."""
    now, kept, slots = 1_000_000.0, tuple[float, ...](), []
    for gap in gaps:
        now += gap
        slot = pace.next_slot(kept, now)
        assert slot >= now - 0.0005
        slots.append(slot)
        kept = pace.keep((*kept, slot))
    return slots


@given(RATES, st.lists(st.floats(0, 70) | st.just(0.0) | st.floats(1.9, 2.1), max_size=150))
def test_no_minute_holds_too_many_whatever_is_asked_when(rate: int, gaps: list[float]) -> None:
    assert most_in_a_minute(reserve(Pace.per_minute(rate), gaps)) <= rate


@given(
    st.lists(st.floats(0, 8), min_size=31, max_size=150),
    st.lists(st.floats(0, MARGIN - 0.001), min_size=150, max_size=150),
)
def test_nor_when_hand_overs_are_late_within_the_margin(
    gaps: list[float], late: list[float]
) -> None:
    slots = reserve(Pace.per_minute(30), gaps)
    assert most_in_a_minute([s + d for s, d in zip(slots, late, strict=False)]) <= 30


@given(RATES, st.floats(0, 1.0))
def test_saturated_it_uses_99_percent(rate: int, poll: float) -> None:
    """Asked once an interval or more often, for all that is free in the next one."""
    pace = Pace.per_minute(rate)
    now, kept, slots = 1_000_000.0, tuple[float, ...](), []
    end = now + 100 * pace.interval
    poll = max(poll, 0.05) * pace.interval
    while now < end:
        while (slot := pace.next_slot(kept, now)) <= now + pace.interval:
            slots.append(slot)
            kept = pace.keep((*kept, slot))
        now += poll
    assert sum(s < end for s in slots) >= 0.99 * rate * (100 * pace.interval) / 60 - 1


@pytest.mark.parametrize(("rate", "burst"), [(30, 3), (20, 2), (31, 1), (3, 3), (1, 1)])
def test_a_burst_goes_at_once_then_evenly(rate: int, burst: int) -> None:
    slots = reserve(Pace.per_minute(rate), [0.0] * (burst + 3))
    assert len(set(slots[:burst])) == 1
    interval = Pace.per_minute(rate).interval
    steps = [b - a for a, b in zip(slots[burst:], slots[burst + 1 :], strict=False)]
    assert steps == pytest.approx([interval] * len(steps), abs=0.002)


def test_the_check_itself_can_fail() -> None:
    assert most_in_a_minute([2.0 * n for n in range(30)]) == 30
    assert most_in_a_minute([1.9 * n for n in range(60)]) > 30
