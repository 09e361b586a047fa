"""Time zones as VTIMEZONE (RFC 5545 section 3.6.5).

Made from the IANA database: yearly rules where the zone has such (the form that Outlook shows by
name and that never ends), else every change of the coming years by its date.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from icalendar import Component

_YEARS_BEFORE, _YEARS_AFTER = 2, 11  # round an event: a rule that lasts longer is taken for lasting
_STEP = timedelta(days=6)  # no zone changes twice within a week
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@dataclass(frozen=True, slots=True)
class _Change:
    """One change of a zone's offset. onset: local time by the offset before it (RFC 5545)."""

    onset: datetime
    before: timedelta
    after: timedelta
    name: str


def describe_zone(zone: ZoneInfo, around: date) -> "Component":
    """The VTIMEZONE of `zone`, good from the year before `around` on. It is not to be changed."""
    return _describe(zone, around.year)


@lru_cache(maxsize=64)  # 8 ms, for each message of a mailing the same
def _describe(zone: ZoneInfo, year: int) -> "Component":
    from icalendar import Timezone  # noqa: PLC0415

    first, last = year - _YEARS_BEFORE, year + _YEARS_AFTER
    component = Timezone()
    component.add("tzid", zone.key)
    start = datetime(first, 1, 1, tzinfo=UTC)
    offset, name = _at(zone, start)
    initial = _Change((start + offset).replace(tzinfo=None), offset, offset, name)
    changes = list(_changes(zone, start, datetime(last + 1, 1, 1, tzinfo=UTC)))
    kinds = [
        [c for c in changes if (c.before, c.after, c.name) == kind]
        for kind in dict.fromkeys((c.before, c.after, c.name) for c in changes)
    ]
    rules = [_yearly(kind) if len(kind) == last - first + 1 else "" for kind in kinds]
    if not rules or not all(rules):
        # Outlook likes one standard and one daylight time best; else the beginning is told too.
        component.add_component(_observance([initial], "", daylight=_is_summer(initial, changes)))
    for kind, rule in zip(kinds, rules, strict=True):
        daylight = kind[0].after > kind[0].before
        component.add_component(_observance(kind, rule, daylight=daylight))
    return component


def _at(zone: ZoneInfo, moment: datetime) -> tuple[timedelta, str]:
    local = moment.astimezone(zone)
    return local.utcoffset() or timedelta(0), local.tzname() or zone.key


def _changes(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[_Change]:
    """Each change of offset from `start` to `end`, found by halving to the second."""
    low = start
    while low < end:
        high = low + _STEP
        before, after = _at(zone, low), _at(zone, high)
        if before[0] != after[0]:
            left, right = low, high
            while right - left > timedelta(seconds=1):
                middle = left + timedelta(seconds=(right - left) // timedelta(seconds=2))
                if _at(zone, middle)[0] == before[0]:
                    left = middle
                else:
                    right = middle
            onset = (right + before[0]).replace(tzinfo=None)
            yield _Change(onset, before[0], *_at(zone, right))
        low = high


def _is_summer(initial: _Change, changes: Sequence[_Change]) -> bool:
    """Whether the time in force at the beginning is the one that the next change takes back."""
    return bool(changes) and changes[0].after < changes[0].before == initial.after


def _yearly(changes: Sequence[_Change]) -> str:
    """The rule that gives exactly these onsets, one in each year; "" if there is none."""
    onsets = [change.onset for change in changes]
    first = onsets[0]
    if len({(o.month, o.weekday(), o.time()) for o in onsets}) > 1:
        return ""
    day = _DAYS[first.weekday()]
    if all((o + timedelta(days=7)).month != o.month for o in onsets):
        return f"FREQ=YEARLY;BYMONTH={first.month};BYDAY=-1{day}"
    weeks = {(o.day - 1) // 7 + 1 for o in onsets}
    if len(weeks) == 1:
        return f"FREQ=YEARLY;BYMONTH={first.month};BYDAY={weeks.pop()}{day}"
    return ""


def _observance(changes: Sequence[_Change], rule: str, *, daylight: bool) -> "Component":
    from icalendar import TimezoneDaylight, TimezoneStandard, vRecur  # noqa: PLC0415

    first = changes[0]
    component = TimezoneDaylight() if daylight else TimezoneStandard()
    component.add("dtstart", first.onset)
    if rule:
        component.add("rrule", vRecur.from_ical(rule))
    else:
        for change in changes[1:]:
            component.add("rdate", change.onset)
    component.add("tzoffsetfrom", first.before)
    component.add("tzoffsetto", first.after)
    component.add("tzname", first.name)
    return component
