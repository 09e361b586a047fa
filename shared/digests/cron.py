"""Cron expressions of five fields: minute, hour, day of month, month, day of week.

https://pubs.opengroup.org/onlinepubs/9799919799/utilities/crontab.html; beside it names of months
and days, steps, and 7 for Sunday. As there, a day must fit one of the two day fields if both are
restricted. Pure: it knows local times alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache

from shared.errors import MailroomError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)  # fmt: skip
_LONGEST = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


class CronError(MailroomError, ValueError):
    """A cron expression that cannot be read, or that never comes true."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression that was read."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    month_days: frozenset[int]
    months: frozenset[int]
    week_days: frozenset[int]
    either_day: bool

    def is_day(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        month_day = day.day in self.month_days
        week_day = day.isoweekday() % 7 in self.week_days
        return (month_day or week_day) if self.either_day else (month_day and week_day)

    def times(self) -> Iterator[time]:
        """The local times of a day that fits, in order."""
        for hour in self.hours:
            for minute in self.minutes:
                yield time(hour, minute)


@lru_cache(maxsize=256)
def read_cron(expression: str) -> Cron:
    """Reads an expression such as `0 8 * * mon-fri`. Raises CronError."""
    parts = expression.lower().split()
    if len(parts) != len(_FIELDS):
        raise CronError(
            f"A cron expression has five fields, this one has {len(parts)}.",
            fix='Give minute, hour, day of month, month and day of week: "0 8 * * mon-fri".',
        )
    minutes, hours, month_days, months, week_days = (
        _values(part, *field) for part, field in zip(parts, _FIELDS, strict=True)
    )
    restricted = [not part.startswith("*") for part in (parts[2], parts[4])]
    if restricted == [True, False] and not any(
        day <= _LONGEST.get(month, 31) for day in month_days for month in months
    ):
        raise CronError("It never comes true: no such month has such a day.", fix="Mend the day.")
    return Cron(
        tuple(sorted(minutes)), tuple(sorted(hours)), frozenset(month_days), frozenset(months),
        frozenset(day % 7 for day in week_days), either_day=all(restricted),
    )  # fmt: skip


def _values(text: str, name: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            start, end = low, high
        else:
            start = _number(first, name, low, high, names)
            end = _number(last, name, low, high, names) if dash else high if slash else start
        by = _number(step, name, 1, high, {}) if slash else 1
        if start > end:
            raise _error(name, "a range runs backwards")
        values.update(range(start, end + 1, by))
    return values


def _number(text: str, name: str, low: int, high: int, names: dict[str, int]) -> int:
    if text in names:
        return names[text]
    if not (text.isascii() and text.isdigit() and len(text) <= 2 and low <= int(text) <= high):  # noqa: PLR2004
        raise _error(name, f"a value is not one of {low} to {high}")
    return int(text)


def _error(name: str, what: str) -> CronError:
    return CronError(f"The cron expression's {name}: {what}.", fix='Such as "0 8 * * mon-fri".')
