"""From bytes of anybody to a validated Message, or to problems that name field and fix."""

import json
import math
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from shared.errors import FieldProblem, InvalidMessageError
from shared.messages.event import MAX_ATTENDEES
from shared.messages.model import (
    MAX_ADDRESSES,
    MAX_ATTACHMENTS,
    MAX_HEADERS,
    MAX_REPLY_TO,
    MAX_TAGS,
    Message,
)

MAX_PROBLEMS = 50  # enough to mend a message in one go, bounded whatever is sent

# What to do about each kind of fault, by pydantic's error types and the model's own.
_FIXES = {
    "missing": "Add it.",
    "extra_forbidden": "Remove it, or check its spelling against /api/openapi.json.",
    "json_invalid": "Send one JSON object in UTF-8, nested no deeper than 200 levels.",
    "string_type": "Send a JSON string.",
    "string_too_long": "Shorten it.",
    "too_long": "Send fewer, or split the message.",
    "string_pattern_mismatch": "Use only the characters that the pattern allows.",
    "dict_type": "Send a JSON object.",
    "model_type": "Send a JSON object.",
    "tuple_type": "Send a JSON array.",
    "literal_error": "Use one of the values named.",
    "timezone_aware": "Give an offset from UTC, such as 2026-12-01T08:00:00Z.",
    "datetime_from_date_parsing": "Use RFC 3339, such as 2026-12-01T08:00:00Z.",
    "datetime_parsing": "Use RFC 3339, such as 2026-12-01T08:00:00Z.",
    "datetime_type": "Use RFC 3339, such as 2026-12-01T08:00:00Z.",
    "unsafe_line": "Send one line of text.",
    "unsafe_text": "Send text with no control characters but tab and line ends.",
    "email": 'Send one address such as "ana@example.com", the display name in "name".',
    "file_name": 'Send a name such as "invoice.pdf".',
    "header_name": "Use letters, digits and hyphens, such as X-Contoso-Case.",
    "reserved_header": "Remove it: the message's own fields say the same.",
    "content_type": 'Send a type such as "application/pdf"; forward messages as .eml files of type '
    "application/octet-stream.",
    "inline_id": 'Send an id such as "logo" and refer to it as cid:logo.',
    "base64": "Send standard base64 with padding and no line breaks.",
    "https_address": "Send an address such as https://files.contoso.com/invoice.pdf.",
    "one_source": "Give content (base64) or url, not both.",
    "no_name": 'Send a name such as "invoice.pdf".',
    "linked_image": "Leave out inline_id, or deliver it as an attachment.",
    "no_link": 'Send "deliver": "link", or leave out expires_in_days, max_downloads and code.',
    "event_time": "Send 2026-12-01, 2026-12-01T09:00 with a zone, or 2026-12-01T09:00:00+01:00.",
    "event_zone": 'Send a name such as "Europe/Berlin".',
    "event_rule": 'Send a rule such as "FREQ=WEEKLY;BYDAY=MO;COUNT=10".',
    "event_mixed": "Give start and end both as dates (all day), or both with a time of day.",
    "event_end": "Give the time at which it ends.",
    "event_local": 'Name its zone, such as "Europe/Berlin", or give times with an offset.',
    "event_uid": "Give the uid of the first message about the event.",
    "event_occurrence": "Leave out recurrence, or recurrence_id.",
    "no_recipient": "Give at least one address in to, cc or bcc.",
    "no_content": "Give text, html or both, or a template.",
    "two_contents": "Give either a template or text/html.",
    "no_subject": "Give a subject that tells the reader what the mail is about.",
    "bulk_topic": 'Name what the reader subscribed to, such as "product-news".',
    "bulk_recipients": "Send one message for each recipient.",
    "unsubscribe_topic": 'Name what the reader gets, such as "order-tips".',
    "unsubscribe_recipients": "Send one message for each recipient.",
    "inline_ids": "Give each inline attachment its own inline_id.",
    "header_twice": "Give each header field once; names are compared without regard to case.",
}

# Faults of the whole message, and the field at which they are mended.
_FIELDS = {
    "no_recipient": "/to",
    "no_content": "/text",
    "two_contents": "/template",
    "no_subject": "/subject",
    "bulk_topic": "/topic",
    "bulk_recipients": "/to",
    "unsubscribe_topic": "/topic",
    "unsubscribe_recipients": "/to",
    "inline_ids": "/attachments",
    "header_twice": "/headers",
}

# How many entries each field takes. A message with more is refused before the model looks at each
# of them: noting millions of faults would take half a minute.
_MOST = {
    "to": MAX_ADDRESSES,
    "cc": MAX_ADDRESSES,
    "bcc": MAX_ADDRESSES,
    "reply_to": MAX_REPLY_TO,
    "attachments": MAX_ATTACHMENTS,
    "headers": MAX_HEADERS,
    "tags": MAX_TAGS,
}
_MOST_MEMBERS = 50  # of an object whose members are fields


# What pydantic says in a library's words rather than the caller's.
_DETAILS = {
    "missing": "It is missing.",
    "extra_forbidden": "There is no such field.",
    "model_type": "It is not an object.",
    "tuple_type": "It is not an array.",
}


def parse_message(body: bytes) -> Message:
    """Reads one message from UTF-8 JSON.

    Raises InvalidMessageError with one problem for each fault (50 at most): status 400 where the
    body is no JSON at all, 422 where it is but is no message.
    """
    _check_shape(body)
    try:
        return Message.model_validate_json(body, by_alias=True, by_name=False)
    except ValidationError as error:
        kinds = {fault["type"] for fault in error.errors(include_url=False, include_input=False)}
        unreadable = "json_invalid" in kinds
        problems = list_problems(error)
    raise InvalidMessageError(problems, status=400 if unreadable else 422) from None


def list_problems(error: ValidationError) -> list[FieldProblem]:
    """The faults that pydantic found, each with field and fix; MAX_PROBLEMS at most."""
    faults = error.errors(include_url=False, include_input=False)
    return [_problem(fault) for fault in faults[:MAX_PROBLEMS]]


def _check_shape(body: bytes) -> None:
    """Refuses what pydantic would take or take too long over: members given twice (the last would
    win silently), numbers that JSON does not have, and more entries than any message has."""
    doubled: list[tuple[Any, str]] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs) and not doubled:
            doubled.append((value, _first_repeated(name for name, _ in pairs)))
        return value

    try:
        value = json.loads(
            body.decode(),
            object_pairs_hook=members,
            parse_constant=finite_number,
            parse_float=finite_number,
        )
    except InvalidMessageError:
        raise
    except (ValueError, RecursionError):
        return  # no JSON: pydantic says where
    if not isinstance(value, dict):
        return
    problems = list_excesses(value)
    for holder, name in doubled:
        field = f"{_place(value, holder)}/{_pointer_token(name)}"
        problems.append(FieldProblem(field, "It is given twice.", "Give each member once."))
    if problems:
        raise InvalidMessageError(problems)


def list_excesses(value: dict[str, Any]) -> list[FieldProblem]:
    """Where the fields of a message hold more entries or members than any message has."""
    problems = [
        _too_many(f"/{name}", f"{len(entries)} entries", most)
        for name, most in _MOST.items()
        if isinstance(entries := value.get(name), list | dict) and len(entries) > most
    ]
    places = [(f"/{name}" if name else "", value.get(name) if name else value)
              for name in ("", "from", "template", "event")]  # fmt: skip
    event = value.get("event")
    if isinstance(event, dict) and isinstance(entries := event.get("attendees"), list):
        if len(entries) > MAX_ATTENDEES:
            problems.append(_too_many("/event/attendees", f"{len(entries)} entries", MAX_ATTENDEES))
        places += ((f"/event/attendees/{i}", e) for i, e in enumerate(entries[:MAX_ATTENDEES]))
    for name in ("to", "cc", "bcc", "reply_to", "attachments"):
        if isinstance(entries := value.get(name), list):
            places += ((f"/{name}/{i}", entry) for i, entry in enumerate(entries[: _MOST[name]]))
    problems += (
        _too_many(place, f"{len(fields)} members", _MOST_MEMBERS)
        for place, fields in places
        if isinstance(fields, dict) and len(fields) > _MOST_MEMBERS
    )
    return problems[:MAX_PROBLEMS]


def _first_repeated(names: Iterable[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            break
        seen.add(name)
    return name


def _place(value: dict[str, Any], holder: dict[str, Any]) -> str:
    """The pointer to an object of a message, as far down as its fields go."""
    for name, member in value.items():
        if member is holder:
            return f"/{_pointer_token(name)}"
        if isinstance(member, list):
            for index, entry in enumerate(member):
                if entry is holder:
                    return f"/{_pointer_token(name)}/{index}"
    return ""


def finite_number(text: str) -> float:
    """The number that JSON means; raises InvalidMessageError for what no reader can hold."""
    number = float(text)
    if not math.isfinite(number):
        raise InvalidMessageError(
            [
                FieldProblem(
                    "",
                    "It holds NaN, Infinity or a number that is too large.",
                    "Send finite numbers, or strings.",
                )
            ]
        )
    return number


def _too_many(field: str, what: str, most: int) -> FieldProblem:
    return FieldProblem(
        field, f"It has {what}; {most} are allowed.", "Send fewer, or split the message."
    )


def message_json(message: Message) -> bytes:
    """The canonical JSON of a message: the same for the same message, read by parse_message."""
    return message.model_dump_json(by_alias=True, exclude_defaults=True).encode()


def _problem(fault: Any) -> FieldProblem:
    kind = fault["type"]
    path = fault["loc"]
    if len(path) == 3 and path[-1] == "[key]" and path[0] in {"headers", "tags"}:  # noqa: PLR2004
        path = path[:-1]  # pydantic's mark of a fault in a member's name
    detail = _DETAILS.get(kind) or fault["msg"].removesuffix(".") + "."
    return FieldProblem(
        field=_FIELDS.get(kind) or "".join("/" + _pointer_token(part) for part in path),
        detail=detail[:300],
        fix=_FIXES.get(kind, "Correct it; /api/openapi.json describes it."),
    )


def _pointer_token(part: int | str) -> str:
    """RFC 6901 section 3; what a caller named is shown without its controls, and bounded."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(part)[:80])
    return text.replace("~", "~0").replace("/", "~1")
