"""What a caller leaves open of an event follows from the message: who, what, which."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from shared.errors import FieldProblem, InvalidMessageError
from shared.messages.event import Attendee, Event, read_event_time
from shared.messages.model import Message


def complete_event(message: Message, message_id: str, *, now: datetime) -> Message:
    """The message with nothing open in its event; without an event it stays as it is.

    The organizer is the sender; invited is who the message goes to openly, those of `cc` optionally
    and those of `bcc` never, whom an ATTENDEE would show to everyone. A default uid is the same at
    each repetition of the message. Raises InvalidMessageError.
    """
    event = message.event
    if event is None:
        return message
    attendees = event.attendees
    if attendees is None:
        attendees = (
            *(Attendee(email=a.email, name=a.name) for a in message.to),
            *(Attendee(email=a.email, name=a.name, optional=True) for a in message.cc),
        )
    identity = f"{message_id}.event@{message.sender.email.rpartition('@')[2]}"
    completed = event.model_copy(
        update={
            "attendees": attendees,
            "organizer": event.organizer or message.sender,
            "summary": event.summary or message.subject,
            "uid": event.uid or identity,
            "stamp": event.stamp or now.astimezone(UTC).replace(microsecond=0),
        }
    )
    if problems := _problems(completed):
        raise InvalidMessageError(problems)
    return message.model_copy(update={"event": completed})


def _problems(event: Event) -> list[FieldProblem]:
    problems = []
    if event.method == "request" and not event.attendees:
        problems.append(
            FieldProblem(
                "/event/attendees",
                "A request needs somebody who is invited; bcc recipients are not.",
                'Give attendees, or recipients in to; or send the event with the method "publish".',
            )
        )
    for name in ("start", "end", "recurrence_id"):
        text = getattr(event, name)
        if text is not None and not _exists(text, event.zone):
            problems.append(
                FieldProblem(
                    f"/event/{name}",
                    f"This local time does not exist in {event.zone}: the clocks are put forward.",
                    "Give a time before or after the change.",
                )
            )
    start, end = event_span(event)
    if end <= start:
        problems.append(
            FieldProblem(
                "/event/end",
                "It is not after the start.",
                "Give the first moment after the event; of an all-day event the day after its "
                "last.",
            )
        )
    return problems


def event_span(event: Event) -> tuple[date, date]:
    """Start and end: two dates, or two aware times in the event's zone (UTC if it has none)."""
    start = placed(event.start, event.zone)
    if event.end is None:
        return start, start + timedelta(days=1)
    return start, placed(event.end, event.zone)


def placed(text: str, zone: str | None) -> date | datetime:
    """The value of an event's time, times of day in the event's zone."""
    value = read_event_time(text)
    if not isinstance(value, datetime):
        return value
    home = UTC if zone is None or _is_utc(zone) else ZoneInfo(zone)
    return value.replace(tzinfo=home) if value.tzinfo is None else value.astimezone(home)


def _is_utc(zone: str) -> bool:
    return zone in {"UTC", "Etc/UTC", "Etc/UCT", "UCT", "Zulu", "Etc/Zulu", "Universal"}


def _exists(text: str, zone: str | None) -> bool:
    """Whether a local time is on the clocks of its zone."""
    value = read_event_time(text)
    if not isinstance(value, datetime) or value.tzinfo is not None or zone is None:
        return True
    there = value.replace(tzinfo=ZoneInfo(zone))
    return there.astimezone(UTC).astimezone(there.tzinfo).replace(tzinfo=None) == value
