"""What Mailroom tells others, and itself: CloudEvents 1.0 in the JSON format.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md

An event's id follows from what it tells: published twice, it is one event. Types and reasons are
django-anymail's words with a prefix.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from shared.errors import MailroomError

BOUNCED = "mailroom.message.bounced"
COMPLAINED = "mailroom.message.complained"
UNSUBSCRIBED = "mailroom.message.unsubscribed"
SUBSCRIBED = "mailroom.message.subscribed"
DEFERRED = "mailroom.message.deferred"
DELIVERED = "mailroom.message.delivered"
AUTORESPONDED = "mailroom.message.autoresponded"

# Why a recipient does not get the message.
RejectReason = Literal[
    "invalid", "bounced", "timed_out", "blocked", "spam", "unsubscribed", "other"
]

_NAMESPACE = uuid.UUID("b1c5f0a4-3a0e-5c1b-8a44-9f3f6f3d2f11")
_MAX_NAME = 200  # characters of an id, type or source


class InvalidEventError(MailroomError, ValueError):
    """A queue message is no event that Mailroom understands."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. subject: the id of the message that it is about. time: aware."""

    type: str
    id: str
    subject: str
    time: datetime
    source: str
    data: Mapping[str, Any]


def event_id(*facts: str) -> str:
    """The id of the event that these facts make up: the same for the same facts."""
    return uuid.uuid5(_NAMESPACE, "\x00".join(facts)).hex


def event_json(event: Event) -> str:
    """The event as it is sent."""
    return json.dumps(
        {
            "specversion": "1.0",
            "type": event.type,
            "source": event.source,
            "id": event.id,
            "subject": event.subject,
            "time": event.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "data": dict(event.data),
        },
        ensure_ascii=False,
    )


def read_event(body: bytes) -> Event:
    """The event in a queue message. Raises InvalidEventError."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise _invalid("It is not JSON.") from None
    if not isinstance(value, dict) or value.get("specversion") != "1.0":
        raise _invalid("It is not an object with specversion 1.0.")
    texts: dict[str, str] = {}
    for name in ("type", "id", "subject", "source", "time"):
        text = value.get(name)
        if not isinstance(text, str) or not 0 < len(text) <= _MAX_NAME or not text.isprintable():
            raise _invalid(f"Its {name} is missing or no short text.")
        texts[name] = text
    data = value.get("data")
    if not isinstance(data, dict):
        raise _invalid("Its data is not an object.")
    try:
        time = datetime.fromisoformat(texts.pop("time"))
    except ValueError:
        raise _invalid("Its time is not in RFC 3339.") from None
    if time.tzinfo is None:
        raise _invalid("Its time has no offset from UTC.")
    return Event(time=time, data=data, **texts)


def _invalid(detail: str) -> InvalidEventError:
    return InvalidEventError(
        detail, fix="Send a CloudEvents 1.0 JSON object whose subject is the message's id."
    )
