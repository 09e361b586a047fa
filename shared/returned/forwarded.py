"""Delivery reports that somebody forwarded: the report is not the mail's, but in it."""

import re

from shared.returned.delivery_status import has_status_fields
from shared.returned.mime import Mail, Part

_SUBJECT = re.compile(r"\W{0,2}(?:fwd?|wg|tr|rv|i|enc|vs|doorst|pd|転送)\s*:", re.IGNORECASE)
_QUOTE = re.compile(r"^(?:>[ \t]?)+(?!>)", re.MULTILINE)
_FAILED = re.compile(r"^action[ \t]*:[ \t]*(?:failed|delayed)", re.IGNORECASE | re.MULTILINE)


def is_forwarded(mail: Mail) -> bool:
    """Whether somebody passed a mail on, rather than answered it."""
    return _SUBJECT.match(mail.headers.get("subject")) is not None


def unquote(text: str) -> str:
    """A forwarded report in a mail's text without the marks of a quotation, "" where there is none.

    Only one that still has its fields (RFC 3464) is trusted to be one.
    """
    plain = _QUOTE.sub("", text)
    return plain if has_status_fields(plain) and _FAILED.search(plain) else ""


def enclosed_report(mail: Mail) -> Part | None:
    """The report that is attached to the mail as a message."""
    for part in mail.parts:
        if part.type == "message/rfc822" and "delivery-status" in part.body[:20_000].lower():
            return part
    return None
