"""When windows are due: every local time once, whatever the clocks do."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.digests.cron import CronError, read_cron
from shared.digests.schedule import (
    CronSchedule,
    DailySchedule,
    LookBackSchedule,
    Schedule,
    WeeklySchedule,
    WindowSchedule,
    next_due,
    with_cadence,
)

WEEKDAYS = CronSchedule(kind="cron", expression="0 8 * * mon-fri")
NINETIES, TWENTIES, THIRTIES = map(
    datetime.fromisoformat, ("1990-01-01", "2020-01-01", "2030-01-01")
)
DAYS = st.lists(st.sampled_from(["mon", "thu", "sun"]), min_size=1, max_size=7).map(tuple)
ZONES = (
    "Europe/Vienna", "Europe/London", "Europe/Lisbon", "Europe/Helsinki", "Europe/Istanbul",
    "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
    "America/St_Johns", "America/Halifax", "America/Sao_Paulo", "America/Santiago",
    "America/Asuncion", "America/Havana", "Atlantic/Azores", "Africa/Cairo", "Africa/Casablanca",
    "Asia/Beirut", "Asia/Jerusalem", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Tokyo",
    "Asia/Shanghai", "Australia/Sydney", "Australia/Adelaide", "Australia/Lord_Howe",
    "Pacific/Auckland", "Pacific/Chatham", "Pacific/Apia",
)  # fmt: skip


def fire(schedule: Schedule, start: datetime, end: datetime, zone: str) -> list[datetime]:
    """Every due time, each window opening as soon as the one before was sent."""
    fired, now = [], start
    while (now := next_due(schedule, now, zone)) < end:
        fired.append(now)
    return fired


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "schedule",
    [WEEKDAYS, WeeklySchedule(kind="weekly", at="08:00", days=("mon", "tue", "wed", "thu", "fri"))],
    ids=["cron", "weekly"],
)
def test_a_year_of_weekdays_at_eight(zone: str, schedule: Schedule) -> None:
    """Every local 08:00 of every weekday, once; both changes of the clock are in the year."""
    here = ZoneInfo(zone)
    start = datetime(2026, 1, 1, tzinfo=here).astimezone(UTC)
    end = datetime(2027, 1, 1, tzinfo=here).astimezone(UTC)
    local = [m.astimezone(here).replace(tzinfo=None) for m in fire(schedule, start, end, zone)]
    days = (date(2026, 1, 1) + timedelta(days=n) for n in range(365))
    assert local == [datetime.combine(day, time(8)) for day in days if day.weekday() < 5]


def test_there_are_thirty_zones_and_half_of_them_change_their_clocks() -> None:
    def offsets(zone: str) -> set[timedelta | None]:
        here = ZoneInfo(zone)
        return {datetime(2026, month, 1, tzinfo=here).utcoffset() for month in range(1, 13)}

    assert len(set(ZONES)) == 30
    assert sum(len(offsets(zone)) > 1 for zone in ZONES) >= 15
    assert offsets("Australia/Lord_Howe") == {timedelta(hours=10.5), timedelta(hours=11)}


@pytest.mark.parametrize(
    ("zone", "at", "day", "expected"),
    [
        # 02:30 is leapt over: as far after the leap.
        ("Europe/Vienna", "02:30", date(2026, 3, 29), "2026-03-29T01:30+00:00"),
        # 02:30 comes twice: the first time.
        ("Europe/Vienna", "02:30", date(2026, 10, 25), "2026-10-25T00:30+00:00"),
        ("Australia/Lord_Howe", "02:15", date(2026, 10, 4), "2026-10-03T15:45+00:00"),
        ("Australia/Lord_Howe", "01:45", date(2026, 4, 5), "2026-04-04T14:45+00:00"),
        ("Asia/Kathmandu", "08:00", date(2026, 5, 1), "2026-05-01T02:15+00:00"),
        ("America/Havana", "00:30", date(2026, 3, 8), "2026-03-08T05:30+00:00"),
    ],
)
def test_hours_that_are_missing_or_doubled(zone: str, at: str, day: date, expected: str) -> None:
    schedule = DailySchedule(kind="daily", at=at)
    moment = datetime.fromisoformat(expected)
    around = fire(schedule, moment - timedelta(hours=20), moment + timedelta(hours=20), zone)
    assert around == [moment]


def test_a_day_that_a_country_left_out_fires_with_the_next() -> None:
    """Samoa had no 30 December 2011."""
    start, end = datetime(2011, 12, 29, 12, tzinfo=UTC), datetime(2012, 1, 2, 12, tzinfo=UTC)
    here = ZoneInfo("Pacific/Apia")
    fired = fire(DailySchedule(kind="daily", at="08:00"), start, end, "Pacific/Apia")
    days = [m.astimezone(here).date().isoformat() for m in fired]
    assert days == ["2011-12-29", "2011-12-31", "2012-01-01", "2012-01-02"]


@given(
    zone=st.sampled_from(sorted(available_timezones())),
    start=st.datetimes(NINETIES, THIRTIES, timezones=st.just(UTC)),
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=3),
    hours=st.sets(st.integers(0, 23), min_size=1, max_size=3),
)
def test_every_local_time_is_one_moment(
    zone: str, start: datetime, minutes: set[int], hours: set[int]
) -> None:
    """What fires in three days is exactly the set of moments that the local times stand for."""
    expression = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *"
    end, here = start + timedelta(days=3), ZoneInfo(zone)
    fired = fire(CronSchedule(kind="cron", expression=expression), start, end, zone)
    first = start.astimezone(here).date() - timedelta(days=2)
    moments = {
        datetime.combine(first + timedelta(days=n), time(h, m), tzinfo=here).astimezone(UTC)
        for n in range(8) for h in hours for m in minutes
    }  # fmt: skip
    assert fired == sorted(m for m in moments if start < m < end)


@given(
    st.one_of(
        st.builds(WindowSchedule, kind=st.just("window"), minutes=st.integers(1, 40_000)),
        st.builds(
            DailySchedule, kind=st.just("daily"),
            at=st.times().map(lambda t: f"{t:%H:%M}"),
        ),
        st.builds(
            WeeklySchedule, kind=st.just("weekly"), at=st.just("23:59"),
            days=DAYS,
        ),
    ),
    st.sampled_from(ZONES),
    st.datetimes(TWENTIES, THIRTIES, timezones=st.just(UTC)),
)  # fmt: skip
def test_due_is_later_and_not_far(schedule: Schedule, zone: str, opened: datetime) -> None:
    due = next_due(schedule, opened, zone)
    assert opened < due <= opened + timedelta(days=31)


def test_a_look_back_sends_the_first_at_once() -> None:
    schedule = LookBackSchedule(kind="look-back", minutes=30)
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert next_due(schedule, now, "UTC") == now
    assert next_due(schedule, now, "UTC", quiet_until=now + timedelta(minutes=9)) == (
        now + timedelta(minutes=9)
    )
    assert next_due(schedule, now, "UTC", quiet_until=now - timedelta(minutes=9)) == now


def test_a_cadence_takes_the_hour_of_the_schedule() -> None:
    daily = DailySchedule(kind="daily", at="07:30")
    assert with_cadence(daily, "weekly", "08:00") == WeeklySchedule(kind="weekly", at="07:30")
    assert with_cadence(daily, "each", "08:00") is daily
    window = WindowSchedule(kind="window", minutes=5)
    assert with_cadence(window, "daily", "09:00") == DailySchedule(kind="daily", at="09:00")


@pytest.mark.parametrize(
    "expression",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
     "5-1 * * * *", "*/0 * * * *", "a * * * *", "* * 31 2,4 *", "1,, * * * *",
     "* * * * * *", "٣ * * * *"],
)  # fmt: skip
def test_cron_expressions_that_are_none(expression: str) -> None:
    with pytest.raises(CronError):
        read_cron(expression)


def test_cron_days_are_either_or() -> None:
    cron = read_cron("0 0 13 * fri")
    assert cron.is_day(date(2026, 11, 13))  # a Friday
    assert cron.is_day(date(2026, 11, 20))
    assert cron.is_day(date(2026, 12, 13))
    assert not cron.is_day(date(2026, 11, 14))
    assert read_cron("0 0 * * 7") == read_cron("0 0 * * sun")


def test_the_leap_day() -> None:
    schedule = CronSchedule(kind="cron", expression="0 8 29 feb *")
    due = next_due(schedule, datetime(2026, 3, 1, tzinfo=UTC), "UTC")
    assert due == datetime(2028, 2, 29, 8, tzinfo=UTC)


@given(st.text(max_size=30))
def test_any_text_is_a_cron_expression_or_refused(text: str) -> None:
    try:
        cron = read_cron(text)
    except CronError:
        return
    assume(cron)
    assert list(cron.times())
