"""NCRONTAB schedules as Azure Functions reads them: six fields, in UTC.

`{second} {minute} {hour} {day} {month} {day of week}`; lists, ranges, steps and names of months and
days. Day of week is 0 (Sunday) to 6. A day must match both day fields, unlike in Unix cron.
https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
"""

from __future__ import annotations

import calendar
import itertools
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

_MONTHS = tuple(name.lower() for name in calendar.month_name if name)
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
# The longest wait of a possible schedule: 29 February on a given weekday, across 2100.
_HORIZON_YEARS = 44
_NUMBER = re.compile(r"[0-9]{1,9}")


class ScheduleError(ValueError):
    """A schedule is not NCRONTAB; the message names the field and the fix."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()


_SECOND = _Field("second", 0, 59)
_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY = _Field("day", 1, 31)
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("day of week", 0, 6, _DAYS)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Sorted values of each field; `weekdays` counts from Sunday = 0."""

    expression: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence later than an aware moment, in UTC. Raises ScheduleError: never."""
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        if self._matches(start.date()) and (found := self._time_from(start.time())):
            return datetime.combine(start.date(), found, UTC)
        first = time(self.hours[0], self.minutes[0], self.seconds[0])
        return datetime.combine(self._day_after(start.date()), first, UTC)

    def shortest_interval(self, moment: datetime, *, samples: int = 5) -> timedelta:
        """The least distance between the next few occurrences."""
        occurrences = [self.next_after(moment)]
        for _ in range(samples):
            occurrences.append(self.next_after(occurrences[-1]))
        return min(later - earlier for earlier, later in itertools.pairwise(occurrences))

    def _matches(self, day: date) -> bool:
        return (
            day.month in self.months
            and day.day in self.days
            and day.isoweekday() % 7 in self.weekdays
        )

    def _day_after(self, day: date) -> date:
        for year in range(day.year, min(day.year + _HORIZON_YEARS, 9999) + 1):
            for month in sorted(self.months):
                if (year, month) < (day.year, day.month):
                    continue
                for number in range(1, calendar.monthrange(year, month)[1] + 1):
                    candidate = date(year, month, number)
                    if candidate > day and self._matches(candidate):
                        return candidate
        raise ScheduleError(
            f"The schedule '{self.expression}' never occurs: no day has this day, month and "
            f"day of week together."
        )

    def _time_from(self, least: time) -> time | None:
        """The first matching time of day, not before `least`."""
        for hour in self.hours:
            if hour < least.hour:
                continue
            for minute in self.minutes:
                if (hour, minute) < (least.hour, least.minute):
                    continue
                same = (hour, minute) == (least.hour, least.minute)
                for second in self.seconds:
                    if not same or second >= least.second:
                        return time(hour, minute, second)
        return None


def parse(expression: str) -> Schedule:
    """Read an NCRONTAB expression (five fields mean second 0). Raises ScheduleError."""
    fields = expression.split()
    if len(fields) == 5:  # noqa: PLR2004 - without seconds, as the host allows
        fields = ["0", *fields]
    if len(fields) != 6:  # noqa: PLR2004 - the number of fields
        raise ScheduleError(
            f"The schedule '{expression}' has {len(fields)} fields; NCRONTAB has six: "
            f"second minute hour day month day-of-week (there is no @daily)."
        )
    second, minute, hour, day, month, weekday = fields
    schedule = Schedule(
        expression=expression,
        seconds=tuple(sorted(_values(second, _SECOND, expression))),
        minutes=tuple(sorted(_values(minute, _MINUTE, expression))),
        hours=tuple(sorted(_values(hour, _HOUR, expression))),
        days=frozenset(_values(day, _DAY, expression)),
        months=frozenset(_values(month, _MONTH, expression)),
        weekdays=frozenset(_values(weekday, _WEEKDAY, expression)),
    )
    schedule.next_after(datetime(2000, 1, 1, tzinfo=UTC))  # refuses what never occurs
    return schedule


def _values(text: str, field: _Field, expression: str) -> set[int]:
    values: set[int] = set()
    for part in text.split(","):
        try:
            values |= _part(part, field)
        except ValueError as error:
            raise ScheduleError(
                f"The schedule '{expression}' has '{text}' as its {field.name}: {error}."
            ) from error
    return values


def _part(text: str, field: _Field) -> set[int]:
    body, slash, step_text = text.partition("/")
    if slash and not (_NUMBER.fullmatch(step_text) and int(step_text) > 0):
        raise ValueError(f"the step '{step_text}' is not a positive number")
    step = int(step_text) if slash else 1
    if body == "*":
        first, last = field.least, field.most
    elif "-" in body:
        low, _, high = body.partition("-")
        first, last = sorted((_value(low, field), _value(high, field)))
    else:
        first = _value(body, field)
        last = field.most if slash else first
    return set(range(first, last + 1, step))


def _value(text: str, field: _Field) -> int:
    if _NUMBER.fullmatch(text):
        value = int(text)
    elif text and field.names:
        found = [name for name in field.names if name.startswith(text.lower())]
        if not found:
            raise ValueError(f"'{text}' is no name of a {field.name}")
        value = field.names.index(found[0]) + field.least
    else:
        raise ValueError(f"'{text}' is not a number (L, ?, W and # do not exist here)")
    if not field.least <= value <= field.most:
        raise ValueError(f"{value} is not between {field.least} and {field.most}")
    return value
