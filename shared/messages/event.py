"""A calendar event that a message invites to, changes or cancels, as a caller gives it."""

import re
from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from shared.messages.fields import Address, Line, Model, Text, https_address, time_text, utc

MAX_ATTENDEES = 500
MAX_REMINDER = 4 * 7 * 24 * 60  # minutes

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,40}(/[A-Za-z0-9_+-]{1,40}){0,2}")
_DAYS = "(SU|MO|TU|WE|TH|FR|SA)"
# RFC 5545 section 3.3.10, without what Outlook does not know: several rules a day.
_RULE_PARTS = {
    "FREQ": re.compile("DAILY|WEEKLY|MONTHLY|YEARLY"),
    "INTERVAL": re.compile("[1-9][0-9]{0,2}"),
    "COUNT": re.compile("[1-9][0-9]{0,2}"),
    "UNTIL": re.compile("[0-9]{8}(T[0-9]{6}Z?)?"),
    "BYDAY": re.compile(f"([+-]?[1-9][0-9]?)?{_DAYS}(,([+-]?[1-9][0-9]?)?{_DAYS})*"),
    "BYMONTHDAY": re.compile("-?[1-9][0-9]?(,-?[1-9][0-9]?)*"),
    "BYMONTH": re.compile("[1-9][0-2]?(,[1-9][0-2]?)*"),
    "BYSETPOS": re.compile("-?[1-9][0-9]?(,-?[1-9][0-9]?)*"),
    "WKST": re.compile(_DAYS),
}
_YEARS = range(1990, 2200)


def _event_time(value: str) -> str:
    form = _DATE.fullmatch(value) or _DATE_TIME.fullmatch(value)
    try:
        if form and datetime.fromisoformat(value).year in _YEARS:
            return value
    except ValueError:
        form = None
    raise PydanticCustomError(
        "event_time", "It is neither a date nor a date and time of 1990 to 2199."
    )


def _zone(value: str) -> str:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 (10 ms that the app's start can do without)

    try:
        # UTC and its like have no rules of their own, but are zones all the same.
        if _ZONE.fullmatch(value) and ZoneInfo(value):
            return value
    except (LookupError, ValueError, OSError):  # unknown, or the name of a folder
        pass
    raise PydanticCustomError("event_zone", "It is not a time zone of the IANA database.")


def _rule(value: str) -> str:
    value = value.strip().upper().removeprefix("RRULE:")
    parts = [part.partition("=")[::2] for part in value.split(";")]
    names = {name for name, _ in parts}
    known = all(n in _RULE_PARTS and _RULE_PARTS[n].fullmatch(text) for n, text in parts)
    doubled = len(names) < len(parts) or {"COUNT", "UNTIL"} <= names
    if not known or doubled or "FREQ" not in names or not _has_end(dict(parts)):
        raise PydanticCustomError(
            "event_rule",
            "It is not a recurrence rule (RFC 5545 section 3.3.10) by day, week, month or year.",
        )
    return value


def _has_end(rule: dict[str, str]) -> bool:
    """Whether the rule's UNTIL, if it has one, is a date that exists."""
    try:
        return "UNTIL" not in rule or bool(datetime.fromisoformat(rule["UNTIL"]))
    except ValueError:
        return False


def read_event_time(text: str) -> date | datetime:
    """The value of an event's time: a date, a time of day without zone, or an aware time."""
    return date.fromisoformat(text) if _DATE.fullmatch(text) else datetime.fromisoformat(text)


EventTime = Annotated[
    str,
    Field(
        max_length=30,
        description="`2026-12-01` (all day), `2026-12-01T09:00` (in `zone`), or with an offset.",
        examples=["2026-12-01T09:00"],
    ),
    AfterValidator(_event_time),
]
Uid = Annotated[str, Field(pattern=r"^[!-~]{1,200}$")]


class Attendee(Address):
    """Somebody who is invited."""

    optional: bool = False
    rsvp: bool = Field(default=True, description="Whether an answer is asked for.")


class Event(Model):
    """What becomes a `text/calendar` part (RFC 5545, 5546, 6047).

    A later message with the same `uid` and a higher `sequence` changes the event; with the method
    `cancel` it takes it back, or of a series the occurrence that `recurrence_id` names.
    """

    method: Literal["request", "cancel", "publish"] = "request"
    uid: Uid | None = Field(
        default=None,
        description="What all messages about one event share; needed to change or cancel it. "
        "Default: it follows from the message's id.",
    )
    sequence: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    summary: Annotated[str, Field(max_length=500), Line] = Field(
        default="", description="Default: the message's subject."
    )
    start: EventTime
    end: EventTime | None = Field(
        default=None,
        description="The first moment after it: of an all-day event the day after its last (the "
        "default: one day).",
    )
    zone: Annotated[str, AfterValidator(_zone)] | None = Field(
        default=None, description="IANA time zone, such as `Europe/Berlin`; needed for local times."
    )
    location: Annotated[str, Field(max_length=500), Line] = ""
    description: Annotated[Text, Field(max_length=20_000)] = ""
    organizer: Address | None = Field(default=None, description="Default: the sender.")
    attendees: (
        Annotated[tuple[Attendee, ...], Field(max_length=MAX_ATTENDEES, strict=False)] | None
    ) = Field(default=None, description="Default: who the message goes to openly (to and cc).")
    reminder_minutes: Annotated[int, Field(ge=0, le=MAX_REMINDER)] | None = None
    recurrence: Annotated[str, Field(max_length=300), AfterValidator(_rule)] | None = Field(
        default=None, description="A rule (RRULE) such as `FREQ=WEEKLY;BYDAY=MO;COUNT=10`."
    )
    recurrence_id: EventTime | None = Field(
        default=None, description="The start of the one occurrence that is meant."
    )
    status: Literal["confirmed", "tentative", "cancelled"] | None = None
    show_as: Literal["busy", "free"] = "busy"
    url: Annotated[str, Field(max_length=2000), AfterValidator(https_address)] | None = None
    stamp: (
        Annotated[
            AwareDatetime, Field(strict=False), BeforeValidator(time_text), AfterValidator(utc)
        ]
        | None
    ) = Field(default=None, description="When this version was made. Default: its acceptance.")

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        times = [t for t in (self.start, self.end, self.recurrence_id) if t is not None]
        values = [read_event_time(text) for text in times]
        if len({isinstance(value, datetime) for value in values}) > 1:
            raise PydanticCustomError("event_mixed", "It mixes dates with times of day.")
        timed = isinstance(values[0], datetime)
        if timed and self.end is None:
            raise PydanticCustomError("event_end", "It has a start, but no end.")
        local = [v for v in values if isinstance(v, datetime) and v.tzinfo is None]
        if local and self.zone is None:
            raise PydanticCustomError("event_local", "It has a local time, but no zone.")
        if self.uid is None and (self.method == "cancel" or self.sequence or self.recurrence_id):
            raise PydanticCustomError(
                "event_uid", "It changes or cancels an event, but does not say which one."
            )
        if self.recurrence is not None and self.recurrence_id is not None:
            raise PydanticCustomError(
                "event_occurrence", "One occurrence cannot have a recurrence of its own."
            )
        return self
