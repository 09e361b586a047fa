"""Feedback reports (RFC 5965, RFC 6591) and what comes in their place."""

import re

from shared.returned.addresses import addresses, clean
from shared.returned.mime import Headers, Mail, Part
from shared.returned.reading import Reading, Returned
from shared.returned.report import ReportedRecipient

_FIELD = re.compile(r"^([a-z-]{3,40})[ \t]*:[ \t]*(.*(?:\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE)
_TYPE_FIELD = re.compile(r"^feedback-type[ \t]*:", re.IGNORECASE | re.MULTILINE)
_MOST = 100  # recipients

# Feedback types that tell of no complaint (RFC 6591, RFC 6430).
NO_COMPLAINT = frozenset({"auth-failure", "not-spam"})


def read_feedback(returned: Returned) -> Reading | None:
    """What a feedback report says, None where there is none."""
    fields = _find(returned.mail)
    if fields is None:
        return None
    kind = _one(fields, "feedback-type").lower()[:40] or "other"
    people = complainers(fields, returned.original)
    return Reading(
        kind="other" if kind in NO_COMPLAINT else "complaint",
        recipients=tuple(ReportedRecipient(address=address) for address in people),
        reporting_mta=_one(fields, "reporting-mta").rpartition(";")[2].strip()[:255],
        envelope_id=_one(fields, "original-envelope-id")[:500],
        arrival=_one(fields, "arrival-date") or _one(fields, "received-date"),
        sender=clean(_one(fields, "original-mail-from")),
        feedback_type=kind,
    )


def _one(fields: dict[str, list[str]], name: str) -> str:
    return (fields.get(name) or [""])[0].strip()


def _find(mail: Mail) -> dict[str, list[str]] | None:
    """The fields of the feedback report in a mail."""
    for part in mail.parts:
        if part.type in ("message/feedback-report", "message/x-feedback-report"):
            return _fields(part.text)
    if "feedback-report" in mail.headers.raw("content-type").lower():
        for part in mail.parts:
            if _TYPE_FIELD.search(part.body[:4000]):
                return _fields(part.text)
        return {"feedback-type": ["abuse"]}
    return _like_feedback(mail)


def _fields(text: str) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for match in _FIELD.finditer(text):
        values = fields.setdefault(match[1].lower(), [])
        if len(values) < _MOST:
            values.append(" ".join(match[2].split()))
    return fields


def _like_feedback(mail: Mail) -> dict[str, list[str]] | None:
    """Complaints in a form of their own: Microsoft's Junk Mail Reporting Program returns the mail
    as an attachment; Apple Mail's button writes a mail to the List-Unsubscribe address."""
    headers = mail.headers
    if "x-apple-unsubscribe" in headers:
        return {"feedback-type": ["opt-out"], "original-rcpt-to": [clean(headers.raw("from"))]}
    sender = clean(headers.raw("from")).lower()
    jmrp = (
        sender.startswith(("staff@hotmail.", "staff@outlook."))
        or "x-hmxmroriginalrecipient" in headers
    )
    enclosed = next(
        (p for p in mail.parts if p.type in ("message/rfc822", "text/rfc822-headers")), None
    )
    if jmrp or (enclosed and _names_complainer(enclosed)):
        return {"feedback-type": ["abuse"]}
    return None


def _names_complainer(part: Part) -> bool:
    """Microsoft's reports name who complained in the returned headers."""
    return "x-hmxmroriginalrecipient:" in part.body[:20_000].lower()


def complainers(fields: dict[str, list[str]], original: Headers) -> list[str]:
    """Whose complaint it is: the report's own words, else the returned headers'."""
    told: dict[str, str] = {}
    names = ("original-rcpt-to", "removal-recipient", "original-recipient", "final-recipient")
    for name in names:
        for value in fields.get(name, ()):
            for address in addresses(value) or [clean(value)]:
                if address:
                    told.setdefault(address.lower(), address)
    if told:
        return list(told.values())[:_MOST]
    for name in ("x-hmxmroriginalrecipient", "x-original-to", "delivered-to", "to"):
        if found := addresses(original.raw(name)):
            return found[:1] if name != "to" else found[:_MOST]
    return []
