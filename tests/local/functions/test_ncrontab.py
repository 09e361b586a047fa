"""NCRONTAB: what is valid, and when it is due, beside croniter as an independent reader."""

from datetime import UTC, datetime, timedelta

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from local.functions.ncrontab import ScheduleError, parse

MOMENTS = st.datetimes(
    min_value=datetime(1999, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds
    max_value=datetime(2090, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def field(least: int, most: int) -> st.SearchStrategy[str]:
    numbers = st.integers(least, most)
    # croniter takes "0-0" as a day of week for every day.
    ranges = (
        st.tuples(numbers, numbers)
        .filter(lambda pair: pair[0] != pair[1])
        .map(lambda pair: f"{min(pair)}-{max(pair)}")
    )
    steps = st.builds(lambda base, step: f"{base}/{step}", st.just("*") | ranges, st.integers(1, 9))
    part = numbers.map(str) | ranges | steps
    return st.just("*") | st.lists(part, min_size=1, max_size=3).map(",".join)


EXPRESSIONS = st.tuples(
    field(0, 59), field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6)
).map(" ".join)


@given(EXPRESSIONS, MOMENTS)
def test_next_occurrence_is_croniters(expression: str, moment: datetime) -> None:
    peer = croniter(
        expression, moment, day_or=False, second_at_beginning=True, max_years_between_matches=60
    )
    assert parse(expression).next_after(moment) == peer.get_next(datetime)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 */5 * * * *", "2026-11-23 12:05:00"),
        ("30 30 12 * * *", "2026-11-24 12:30:30"),
        ("0 30 9 * Jan Mon", "2027-01-04 09:30:00"),
        ("0 0 0 * * Saturday", "2026-11-28 00:00:00"),
        ("0 0 8 * * mon-fri", "2026-11-24 08:00:00"),
        ("0 0 8 * * fri-mon", "2026-11-24 08:00:00"),  # a reversed range is turned round
        ("5/20 * * * * *", "2026-11-23 12:00:45"),  # from 5 to the end
        ("0 0 0 29 2 *", "2028-02-29 00:00:00"),
        ("0 0 0 13 * 5", "2027-08-13 00:00:00"),  # both days must match
        ("0 0 0 29 2 1", "2044-02-29 00:00:00"),
        ("0 15 * * *", "2026-11-23 15:00:00"),  # five fields: second 0
        ("59 59 23 31 12 *", "2026-12-31 23:59:59"),
    ],
)
def test_examples(expression: str, expected: str) -> None:
    moment = datetime(2026, 11, 23, 12, 0, 30, 5, tzinfo=UTC)
    if expression.startswith("30 30"):
        moment = datetime(2026, 11, 23, 12, 30, 30, tzinfo=UTC)
    assert parse(expression).next_after(moment) == datetime.fromisoformat(f"{expected}+00:00")


def test_moments_of_other_zones_are_understood() -> None:
    from zoneinfo import ZoneInfo

    moment = datetime(2026, 11, 23, 12, 0, 30, tzinfo=ZoneInfo("Asia/Kathmandu"))  # 06:15:30 UTC
    assert parse("0 0 * * * *").next_after(moment) == datetime(2026, 11, 23, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("@daily", "1 fields"),
        ("", "0 fields"),
        ("* * * * * * *", "7 fields"),
        ("0 0 0 L * *", "'L' is not a number"),
        ("0 0 0 ? * *", r"'\?' is not a number"),
        ("0 0 0 * * 7", "7 is not between 0 and 6"),
        ("0 0 0 * * 5L", "'5L' is no name"),
        ("0 0 0 * * 1#2", "'1#2' is no name"),
        ("60 * * * * *", "60 is not between 0 and 59"),
        ("0 0 24 * * *", "24 is not between 0 and 23"),
        ("0 0 0 0 * *", "0 is not between 1 and 31"),
        ("0 0 0 * Foo *", "'Foo' is no name"),
        ("0 */0 * * * *", "step '0'"),
        ("0 */x * * * *", "step 'x'"),
        ("0 1, * * * *", "minute: '' is not a number"),
        ("0 1- * * * *", "minute: '' is not a number"),
        ("0 0 0 30 2 *", "never occurs"),
        ("00:00:10", "1 fields"),
    ],
)
def test_what_azure_refuses_is_refused_with_its_reason(expression: str, reason: str) -> None:
    with pytest.raises(ScheduleError, match=reason):
        parse(expression)


@given(st.text(alphabet="0123456789*/,-LW?#@ JANMO", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        schedule = parse(text)
    except ScheduleError:
        return
    first = schedule.next_after(datetime(2026, 11, 23, tzinfo=UTC))
    assert schedule.next_after(first) > first


def test_the_shortest_interval_tells_whether_state_is_kept() -> None:
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    assert parse("*/10 * * * * *").shortest_interval(moment) == timedelta(seconds=10)
    assert parse("0 * * * * *").shortest_interval(moment) == timedelta(minutes=1)
    assert parse("0,30 0 0 * * *").shortest_interval(moment) == timedelta(seconds=30)
