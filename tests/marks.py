"""Mailroom's own marks in a mail, as tests look for them."""

import re

_FIELD = re.compile(rb"X-Mailroom-Id: ([^\r\n]+?)(?:\.[A-Za-z0-9_-]{43})?\r\n")


def marked_id(head: bytes) -> str | None:
    """The message's id in the header X-Mailroom-Id, signed or not; None if there is none."""
    found = _FIELD.search(head)
    return found.group(1).decode() if found else None
