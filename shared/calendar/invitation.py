"""An event as an iCalendar object, as it is sent by mail (iTIP in iMIP: RFC 5545, 5546, 6047).

Outlook shows a mail as an invitation where a part in its multipart/alternative is text/calendar
with the method (MS-STANOICAL, V0341 to V0343).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from shared.calendar.completion import event_span, placed
from shared.calendar.zones import describe_zone
from shared.errors import ComposeError
from shared.messages.event import Attendee, Event
from shared.messages.model import Address, Message

if TYPE_CHECKING:
    from icalendar import Component, vCalAddress

_PRODUCT = "-//Mailroom//Mailroom 0.1//EN"


@dataclass(frozen=True, slots=True)
class Invitation:
    """A calendar object. method: in capitals. content: UTF-8, folded, lines ended by CRLF."""

    method: str
    content: bytes = field(repr=False)


def write_invitation(message: Message) -> Invitation | None:
    """The calendar object of the message's event, None if it has none.

    The same message gives the same octets. Raises ComposeError for an event that
    `complete_event` has not seen.
    """
    event = message.event
    if event is None:
        return None
    if event.uid is None or event.stamp is None or event.organizer is None:
        raise ComposeError("The event is not complete.", fix="Complete it before composing.")
    from icalendar import Calendar  # noqa: PLC0415 (85 ms: only mail with an event pays)

    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", event.method.upper())
    start, _ = event_span(event)
    if isinstance(start, datetime) and isinstance(start.tzinfo, ZoneInfo):
        calendar.add_component(describe_zone(start.tzinfo, start))
    calendar.add_component(_component(event, event.organizer, message.sender))
    return Invitation(event.method.upper(), calendar.to_ical())


def _component(event: Event, organizer: Address, sender: Address) -> "Component":
    from icalendar import Event as Component  # noqa: PLC0415

    start, end = event_span(event)
    component = Component()
    component.add("uid", event.uid)
    component.add("dtstamp", event.stamp)
    component.add("sequence", event.sequence)
    component.add("summary", event.summary)
    component.add("dtstart", start)
    component.add("dtend", end)
    if event.recurrence_id is not None:
        component.add("recurrence-id", placed(event.recurrence_id, event.zone))
    if event.recurrence is not None:
        component.add("rrule", _rule(event.recurrence, start, event.zone))
    for name in ("location", "description", "url"):
        if value := getattr(event, name):
            component.add(name, value)
    component.add("organizer", _organizer(organizer, sender))
    if event.method != "publish":  # RFC 5546 section 3.2.1: there it must not be
        for attendee in event.attendees or ():
            component.add("attendee", _attendee(attendee))
    component.add("status", _status(event))
    component.add("transp", "TRANSPARENT" if event.show_as == "free" else "OPAQUE")
    component.add("x-microsoft-cdo-busystatus", event.show_as.upper())
    if event.reminder_minutes is not None and event.method != "cancel":
        component.add_component(_alarm(event.reminder_minutes, event.summary))
    return component


def _status(event: Event) -> str:
    # RFC 5546 section 3.2.5: a cancellation of the whole event says so in its status too.
    return "CANCELLED" if event.method == "cancel" else (event.status or "confirmed").upper()


def _rule(text: str, start: Any, zone: str | None) -> Any:
    """The rule, its UNTIL in the form of the start: a date, or in UTC (RFC 5545 3.3.10)."""
    from icalendar import vRecur  # noqa: PLC0415

    rule = vRecur.from_ical(text)
    for index, until in enumerate(rule.get("UNTIL", ())):
        if not isinstance(start, datetime):
            rule["UNTIL"][index] = until.date() if isinstance(until, datetime) else until
            continue
        if not isinstance(until, datetime):  # the whole of that day
            until = datetime(until.year, until.month, until.day, 23, 59, 59)  # noqa: DTZ001, PLW2901
        there = placed(until.isoformat(), zone)
        assert isinstance(there, datetime)
        rule["UNTIL"][index] = there.astimezone(UTC)
    return rule


def _person(address: Address) -> "vCalAddress":
    from icalendar import vCalAddress  # noqa: PLC0415

    person = vCalAddress(f"mailto:{address.email}")
    if address.name:
        # A parameter's value cannot hold a double quote (RFC 5545 section 3.1), and readers differ
        # on what a backslash means there.
        person.params["CN"] = address.name.replace('"', "'").replace("\\", "/")
    return person


def _organizer(organizer: Address, sender: Address) -> "vCalAddress":
    person = _person(organizer)
    if organizer.email.lower() != sender.email.lower():
        # RFC 5545 section 3.2.18: who acts for the organizer.
        person.params["SENT-BY"] = f"mailto:{sender.email}"
    return person


def _attendee(attendee: Attendee) -> "vCalAddress":
    person = _person(attendee)
    person.params["CUTYPE"] = "INDIVIDUAL"
    person.params["ROLE"] = "OPT-PARTICIPANT" if attendee.optional else "REQ-PARTICIPANT"
    person.params["PARTSTAT"] = "NEEDS-ACTION"
    person.params["RSVP"] = "TRUE" if attendee.rsvp else "FALSE"
    return person


def _alarm(minutes: int, summary: str) -> "Component":
    from icalendar import Alarm  # noqa: PLC0415

    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("trigger", -timedelta(minutes=minutes))
    alarm.add("description", summary)
    return alarm
