"""When a window of a digest is due. Pure arithmetic, in the recipient's time zone.

A local time that the clock leaps over (daylight saving begins) stands for the moment that is as
far after the leap; one that comes twice stands for its first time. So each local time of each day
is one moment, and fires once.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from shared.digests.cron import CronError, read_cron
from shared.messages.fields import Model

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WeekDay = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Cadence = Literal["each", "daily", "weekly", "none"]

_MOST_MINUTES = 31 * 24 * 60
_AHEAD = 366 * 9  # days: from 29 February to the next, a century's end between them


def _local_time(value: str) -> str:
    try:
        parsed = time.fromisoformat(value)
    except ValueError:
        parsed = None
    if parsed is None or value != f"{parsed:%H:%M}":
        raise PydanticCustomError("local_time", "It is not a time of day such as 08:00.")
    return value


def _cron(value: str) -> str:
    try:
        read_cron(value)
    except CronError as error:
        raise PydanticCustomError("cron", "{reason}", {"reason": str(error)}) from None
    return value


LocalTime = Annotated[
    str, Field(pattern=r"^\d\d:\d\d$", description="Such as 08:00."), AfterValidator(_local_time)
]
Minutes = Annotated[int, Field(ge=1, le=_MOST_MINUTES)]


class WindowSchedule(Model):
    """So many minutes after the window's first item."""

    kind: Literal["window"]
    minutes: Minutes


class LookBackSchedule(Model):
    """The first item goes at once; what comes within so many minutes of a mail is gathered."""

    kind: Literal["look-back"]
    minutes: Minutes


class DailySchedule(Model):
    """Each day at a local time."""

    kind: Literal["daily"]
    at: LocalTime


class WeeklySchedule(Model):
    """On these days of the week, at a local time."""

    kind: Literal["weekly"]
    at: LocalTime
    days: Annotated[tuple[WeekDay, ...], Field(min_length=1, max_length=7, strict=False)] = ("mon",)


class CronSchedule(Model):
    """Five fields, in the recipient's time zone."""

    kind: Literal["cron"]
    expression: Annotated[
        str, Field(max_length=200, description="Such as 0 8 * * mon-fri."), AfterValidator(_cron)
    ]


Schedule = Annotated[
    WindowSchedule | LookBackSchedule | DailySchedule | WeeklySchedule | CronSchedule,
    Field(discriminator="kind"),
]


def with_cadence(schedule: Schedule, cadence: Cadence, at: str) -> Schedule:
    """The schedule of a recipient who wants it daily or weekly; otherwise as it is.

    at: the local time of a schedule that has none.
    """
    hour = schedule.at if isinstance(schedule, DailySchedule | WeeklySchedule) else at
    if cadence == "daily":
        return DailySchedule(kind="daily", at=hour)
    if cadence == "weekly" and not isinstance(schedule, WeeklySchedule):
        return WeeklySchedule(kind="weekly", at=hour)
    return schedule


def next_due(
    schedule: Schedule, opened: datetime, zone: str, *, quiet_until: datetime | None = None
) -> datetime:
    """When a window is due that opened at this time; later than that, but for a look-back's.

    quiet_until: of a look-back, the time before which no further mail goes.
    """
    match schedule:
        case WindowSchedule(minutes=minutes):
            return opened + timedelta(minutes=minutes)
        case LookBackSchedule():
            return opened if quiet_until is None else max(opened, quiet_until)
        case _:
            return _next_local(schedule, opened, time_zone(zone))


def _next_local(
    schedule: DailySchedule | WeeklySchedule | CronSchedule, after: datetime, zone: tzinfo
) -> datetime:
    # A time that is leapt over may come after later ones of its day, and lie on the next day: of
    # two days that have any, the earliest is it.
    first = after.astimezone(zone).date() - timedelta(days=1)
    best: datetime | None = None
    for number in range(_AHEAD):
        day = first + timedelta(days=number)
        moments = (moment(day, at, zone) for at in _times(schedule, day))
        later = min((m for m in moments if m > after), default=None)
        if best is not None:
            return best if later is None else min(best, later)
        best = later
    if best is None:
        raise CronError("It never comes true.", fix="Mend the expression.")
    return best


def _times(schedule: DailySchedule | WeeklySchedule | CronSchedule, day: date) -> Iterator[time]:
    match schedule:
        case DailySchedule(at=at):
            yield time.fromisoformat(at)
        case WeeklySchedule(at=at, days=days):
            if WEEK[day.weekday()] in days:
                yield time.fromisoformat(at)
        case CronSchedule(expression=expression):
            cron = read_cron(expression)
            if cron.is_day(day):
                yield from cron.times()


def moment(day: date, at: time, zone: tzinfo) -> datetime:
    """The moment, in UTC, that a local time of a day stands for (PEP 495: fold 0)."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


@lru_cache(maxsize=1024)
def time_zone(name: str) -> tzinfo:
    """The IANA zone; UTC where the database has none such."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 (10 ms that the app's start can do without)

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return UTC
