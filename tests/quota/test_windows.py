"""The sliding 24 hours: never too many, and only a little too careful."""

from hypothesis import given
from hypothesis import strategies as st

from shared.quota.windows import BUCKET, DAY, GRACE, Window, bucket_of, usable_until

LIMIT = 100
STEPS = st.lists(st.tuples(st.floats(0, 20_000), st.integers(1, 40)), max_size=60)


@given(STEPS, st.floats(0, GRACE - 120))
def test_no_24_hours_hold_more_than_the_limit(steps: list[tuple[float, int]], late: float) -> None:
    """Also where what is counted is handed over later, as far as it may be."""
    window, now, sent = Window(), 1_700_000_000.0, list[tuple[float, int]]()
    for gap, amount in steps:
        now += gap
        if window.used(now) + amount <= LIMIT:
            window = Window.of(window.add(now, amount).as_json())
            sent.append((now + late * (amount % 2), amount))
    for end, _ in sent:
        assert sum(n for t, n in sent if end - DAY < t <= end) <= LIMIT


@given(STEPS)
def test_it_is_too_careful_by_one_bucket_and_the_grace(steps: list[tuple[float, int]]) -> None:
    """What is refused would have been too much beside a little more than the last 24 hours."""
    window, now, sent = Window(), 1_700_000_000.0, list[tuple[float, int]]()
    for gap, amount in steps:
        now += gap
        if window.used(now) + amount <= LIMIT:
            window = window.add(now, amount)
            sent.append((now, amount))
        else:
            reach = now - DAY - BUCKET - GRACE
            assert sum(n for t, n in sent if t >= reach) + amount > LIMIT


@given(STEPS, st.integers(1, LIMIT))
def test_free_at_is_when_it_fits(steps: list[tuple[float, int]], amount: int) -> None:
    window, now = Window(), 1_700_000_000.0
    for gap, count in steps:
        now += gap
        if window.used(now) + count <= LIMIT:
            window = window.add(now, count)
    free = window.free_at(now, amount, LIMIT)
    assert window.used(free) + amount <= LIMIT
    if free > now:
        assert window.used(free - 0.001) + amount > LIMIT


def test_what_is_given_back_leaves_the_bucket_it_was_counted_in() -> None:
    now = 1_700_000_000.0
    window = Window().add(now, 5).add(now + BUCKET, 7)
    left = window.subtract([(bucket_of(now), 3), (bucket_of(now) - 99, 50)])
    assert left.used(now + BUCKET) == 9
    assert left.used(now + DAY + GRACE + BUCKET + 1) == 7
    assert window.subtract([(bucket_of(now), 99)]).used(now) == 7


def test_what_never_fits_is_told_for_a_day_from_now() -> None:
    assert Window().free_at(5.0, 101, LIMIT) == 5.0 + DAY


def test_counted_recipients_are_used_before_their_bucket_could_leave_too_early() -> None:
    bucket = bucket_of(1_700_000_000.0)
    assert usable_until(bucket) + DAY < (bucket + 1) * BUCKET + DAY + GRACE
