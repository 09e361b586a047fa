"""Suppressions as lines of CSV (RFC 4180): one line, one suppression.

A field holds no line break here, so that each physical line stands for itself: a bad one spoils
no other, and a number names it.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, get_args

from shared.errors import FieldProblem, InvalidMessageError
from shared.suppression.entry import BULK, EVERYTHING, Suppression, SuppressionReason, topic_of
from shared.suppression.listing import SOFT
from shared.suppression.topics import is_topic

COLUMNS = (
    "address", "scope", "reason", "source", "by", "since", "until", "message_id", "detail",
)  # fmt: skip
LONGEST_LINE = 8192  # characters

_ALIASES = {
    "email": "address", "e-mail": "address", "email address": "address", "recipient": "address",
    "created": "since", "created_at": "since", "date": "since", "timestamp": "since",
    "expires": "until", "note": "detail", "message": "message_id",
}  # fmt: skip
_REASONS: Mapping[str, str] = {
    "bounce": "bounced", "hard_bounce": "bounced", "complaint": "complained", "spam": "complained",
    "unsubscribe": "unsubscribed", "unsubscription": "unsubscribed",
} | {reason: reason for reason in get_args(SuppressionReason)}  # fmt: skip
_LONGEST = {"source": 50, "by": 200, "message_id": 200, "detail": 500}
# What spreadsheets take for a formula (OWASP, CSV Injection), in its full-width form too.
_FORMULA = frozenset("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
_CLOCKS_DIFFER = timedelta(minutes=5)


class LineError(ValueError):
    """A line that holds no suppression; its text says why and what to do, without its values."""


@dataclass(frozen=True, slots=True)
class Header:
    """columns: the field that each column holds, "" for one that is passed over."""

    columns: tuple[str, ...]
    delimiter: str = ","
    ignored: tuple[str, ...] = field(default=())


def read_header(line: str) -> Header:
    """The first line. Commas, semicolons and tabs are understood. Raises InvalidMessageError."""
    line = line.removeprefix("\ufeff")
    delimiter = max(",;\t", key=line.count)
    try:
        names = [name.strip().casefold() for name in _fields(line, delimiter)]
    except LineError:
        names = []
    columns = [_ALIASES.get(name, name) for name in names]
    known = [name for name in columns if name in COLUMNS]
    if "address" not in known or len(known) != len(set(known)):
        problem = FieldProblem(
            "/1", "The first line names no column `address`, or one column twice.",
            f"Begin with a line of column names; known are {', '.join(COLUMNS)}.",
        )  # fmt: skip
        raise InvalidMessageError([problem], status=400)
    ignored = tuple(name[:50] for name in names if _ALIASES.get(name, name) not in COLUMNS)
    return Header(tuple(c if c in COLUMNS else "" for c in columns), delimiter, ignored)


def read_line(line: str, header: Header, *, by: str, now: datetime) -> Suppression:
    """The suppression in a line. What is left out: scope everything, reason manual, source import,
    since now. Raises LineError."""
    if len(line) > LONGEST_LINE:
        raise LineError(f"The line is longer than {LONGEST_LINE} characters. Shorten the detail.")
    fields = _fields(line, header.delimiter)
    if len(fields) != len(header.columns):
        raise LineError(
            f"It has {len(fields)} fields, the first line {len(header.columns)}. "
            "Quote fields that hold the delimiter."
        )
    values = {
        name: _unguarded(value).strip()
        for name, value in zip(header.columns, fields, strict=True)
        if name
    }
    return _suppression(values, by, now)


def write_line(suppression: Suppression, reason: str) -> str:
    """A line without its end. reason: as people are told it."""
    since, until = suppression.since, suppression.until
    values: Sequence[str] = (
        suppression.address, suppression.scope, reason, suppression.source, suppression.by,
        since.astimezone(UTC).isoformat(), until.astimezone(UTC).isoformat() if until else "",
        suppression.message_id, suppression.detail,
    )  # fmt: skip
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([_guarded(" ".join(v.split())) for v in values])
    return out.getvalue()


def _guarded(value: str) -> str:
    """A field that no spreadsheet takes for a formula; `_unguarded` undoes it."""
    return f"'{value}" if value and (value[0] in _FORMULA or value[0] == "'") else value


def _unguarded(value: str) -> str:
    quoted = value[:1] == "'" and value[1:2] != "" and (value[1] in _FORMULA or value[1] == "'")
    return value[1:] if quoted else value


def _fields(line: str, delimiter: str) -> list[str]:
    line = line.rstrip("\r\n")
    if "\0" in line or any("\ud800" <= character <= "\udfff" for character in line):
        raise LineError("It is not text in UTF-8. Save the file in UTF-8.")
    try:
        rows = list(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        raise LineError(
            "Its quotes do not fit. Double each quote in a quoted field; no field may hold a "
            "line break."
        ) from None
    return rows[0] if rows else []


def _suppression(values: Mapping[str, str], by: str, now: datetime) -> Suppression:
    reason, until = _reason(values), _time(values.get("until", ""), "until")
    if reason == SOFT and until is None:
        raise LineError("A soft bounce's suppression must end. Give `until`, or another reason.")
    if until is not None and until <= now:
        raise LineError("It has ended already (`until`). Leave the line out.")
    since = _time(values.get("since", ""), "since") or now
    if since > now + _CLOCKS_DIFFER:
        raise LineError("It begins in the future (`since`). Leave it empty for now.")
    for name, most in _LONGEST.items():
        if len(values.get(name, "")) > most or not values.get(name, "x").isprintable():
            raise LineError(f"`{name}` is longer than {most} characters, or holds controls.")
    kind: Any = "bounced" if reason == SOFT else reason
    return Suppression(
        address=_address(values["address"]), scope=_scope(values), reason=kind,
        source=values.get("source") or "import", since=since, until=until,
        message_id=values.get("message_id", ""), detail=values.get("detail", ""),
        by=values.get("by") or by,
    )  # fmt: skip


def _reason(values: Mapping[str, str]) -> str:
    text = values.get("reason", "").casefold().replace("-", "_").replace(" ", "_") or "manual"
    if text in {SOFT, "soft_bounce"}:
        return SOFT
    if text not in _REASONS:
        raise LineError(
            "Its reason is unknown. Use bounced, complained, unsubscribed, manual or soft_bounced."
        )
    return _REASONS[text]


def _scope(values: Mapping[str, str]) -> str:
    scope = values.get("scope", "") or EVERYTHING
    if scope not in {EVERYTHING, BULK} and not is_topic(topic_of(scope)):
        raise LineError("Its scope is unknown. Use everything, bulk or topic:NAME.")
    return scope


@cache
def _email() -> Any:
    from pydantic import TypeAdapter  # noqa: PLC0415 (only imports need it)

    from shared.messages.fields import Email  # noqa: PLC0415

    return TypeAdapter(Email)


def _address(text: str) -> str:
    try:
        address: str = _email().validate_python(text.removesuffix("."))
    except ValueError:
        raise LineError("It is not an e-mail address. Give local-part@domain.") from None
    return address


def _time(text: str, name: str) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise LineError(
            f"`{name}` is no time. Use the form 2026-12-01T08:00:00Z (RFC 3339)."
        ) from None
