"""Delivery status notifications (RFC 3464, RFC 6533) and their broken cousins."""

import re
from dataclasses import dataclass, field

from shared.returned.addresses import clean

MOST_RECIPIENTS = 500
_LONGEST = 8000  # characters of a field
_LONGEST_TYPE = 30

_FIELD = re.compile(
    r"[ \t]{0,4}((?:x-)?[a-z]{2,20}(?:-[a-z0-9_]{1,24}){1,5}|action|status|recipient)"
    r"[ \t]*+:[ \t]*+(.*)",
    re.IGNORECASE,
)
_KNOWN = frozenset({
    "final-recipient", "original-recipient", "x-actual-recipient", "action", "status",
    "diagnostic-code", "remote-mta", "reporting-mta", "arrival-date", "original-envelope-id",
    "last-attempt-date", "will-retry-until", "received-from-mta", "final-log-id", "dsn-gateway",
    "x-display-name", "x-supplementary-info", "x-smtp-diagnostic-code", "recipient",
})  # fmt: skip
_STARTS = ("final-recipient", "original-recipient", "x-actual-recipient", "recipient")
_IN_TEXT = re.compile(
    r"^[ \t]{0,4}(?:final|original)-recipient[ \t]*:[ \t]*(?:[\w/ -]{1,12};|<)",
    re.IGNORECASE | re.MULTILINE,
)
_FIRST_IN_TEXT = re.compile(
    r"^[ \t]*(?:reporting-mta|(?:final|original)-recipient|action)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_FOLDED = re.compile(
    r"^([ \t]{0,4}(?:final|original)-recipient[ \t]{0,4}:[^\n@]{0,40})\n[ \t]{1,20}"
    r"(?=[^\n]{0,320}@)",
    re.IGNORECASE | re.MULTILINE,
)
_ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")
_SOME_ADDRESS = re.compile(r"[^\s@]@[^\s@]")


@dataclass(eq=False)
class StatusFields:
    """The fields of a report by their names in small letters: of the message, and of each
    recipient."""

    message: dict[str, str] = field(default_factory=dict)
    recipients: list[dict[str, str]] = field(default_factory=list)


def has_status_fields(text: str) -> bool:
    """Whether a text that is not declared as a report holds the fields of one."""
    return "ecipient" in text and _IN_TEXT.search(text) is not None


def fields_start(text: str) -> int:
    """Where the fields of a report begin in a text that is not declared as one."""
    match = _FIRST_IN_TEXT.search(text)
    return match.start() if match else 0


def read_status_fields(text: str) -> StatusFields:
    """The fields, grouped. Blank lines are not trusted: a second recipient in one block is one of
    its own, and a block without a recipient belongs to the one before it."""
    report = StatusFields()
    group: dict[str, str] = report.message
    last = ""
    blank = True
    for line in _FOLDED.sub(r"\1 ", text).splitlines():
        if not line.strip():
            blank, last = True, ""
            continue
        match = _FIELD.match(line)
        name = match[1].lower() if match else ""
        if not match or (line[0] in " \t" and name not in _KNOWN and last):
            if last and len(group[last]) < _LONGEST:
                group[last] += " " + line.strip()
            continue
        if _begins_recipient(report, group, name, match[2], blank=blank):
            if len(report.recipients) >= MOST_RECIPIENTS:
                break
            group = _start(report, group)
        blank = False
        if name not in group or not group[name]:
            group[name] = match[2].strip()
            last = name
        elif name == "diagnostic-code":
            group[name] += " " + match[2].strip()
            last = name
        else:
            last = ""
    return report


def _start(report: StatusFields, group: dict[str, str]) -> dict[str, str]:
    """A new recipient's fields. Action and status before the first recipient are its own."""
    new: dict[str, str] = {}
    if group is report.message:
        for name in ("action", "status", "diagnostic-code", "remote-mta"):
            if name in group:
                new[name] = group.pop(name)
    report.recipients.append(new)
    return new


def _begins_recipient(
    report: StatusFields, group: dict[str, str], name: str, value: str, *, blank: bool
) -> bool:
    """Whether a field begins a new recipient."""
    if name not in _STARTS or not _SOME_ADDRESS.search(value):
        return False
    if group is report.message:
        return True
    if name in group:
        return clean(group[name]).lower() != clean(value).lower() or (blank and "action" in group)
    return blank and ("action" in group or "status" in group)


def recipient_addresses(fields: dict[str, str]) -> tuple[str, str]:
    """The address that failed, and the one that the sender gave."""
    final = clean(fields.get("final-recipient", "") or fields.get("recipient", ""))
    original = clean(fields.get("original-recipient", ""))
    route = fields.get("final-recipient", "").partition(";")[2].strip().startswith("@")
    if not final or route:
        final = original or final or clean(fields.get("x-actual-recipient", ""))
    return final, original


def action_of(fields: dict[str, str]) -> str:
    """The action (RFC 3464 section 2.3.3) in small letters, "" where it is none of the five."""
    value = fields.get("action", "").lower()
    return next(
        (action for action in _ACTIONS if action in value[:40]), "failed" if "fail" in value else ""
    )


def untyped(value: str) -> str:
    """A field's value without the type before the semicolon: `smtp; 550 …`, `dns; host`."""
    kind, semicolon, rest = value.partition(";")
    return (
        rest.strip()
        if semicolon and len(kind) < _LONGEST_TYPE and " " not in kind.strip()
        else value.strip()
    )
