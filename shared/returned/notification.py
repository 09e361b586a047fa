"""Amazon SES tells of bounces and complaints in JSON, which SNS may send as mail.

https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
"""

import json
import re
from typing import Any

from shared.returned.addresses import clean
from shared.returned.bounce import kind_of, recipients_of
from shared.returned.delivery_status import StatusFields, untyped
from shared.returned.mime import Headers
from shared.returned.reading import Reading
from shared.returned.report import ReportedRecipient

_CUT_LINE = re.compile(r"!\n ")  # a server's way of breaking lines of more than 998 characters
_MOST = 500  # recipients, headers
_RECIPIENTS = {
    "bounce": "bouncedRecipients",
    "complaint": "complainedRecipients",
    "delivery": "recipients",
}


def read_notification(text: str) -> tuple[Reading, Headers] | None:
    """What a text that is such a notification says, and the headers of the original that it
    tells; None where it is none."""
    start = text[:200].lstrip()
    if not start.startswith("{") or ("notificationType" not in text and "eventType" not in text):
        return None
    value = _loads(_CUT_LINE.sub("", text.strip()))
    if isinstance(value.get("Message"), str):
        value = _loads(value["Message"])
    kind = str(value.get("notificationType") or value.get("eventType") or "").lower()
    details = value.get(kind)
    if kind not in _RECIPIENTS or not isinstance(details, dict):
        return None
    mail = value.get("mail")
    return _reading(kind, details), _headers(mail if isinstance(mail, dict) else {})


def _reading(kind: str, details: dict[str, Any]) -> Reading:
    recipients = recipients_of(StatusFields({}, _recipients(kind, details)), "")
    mta = untyped(_text(details, "reportingMTA"))[:255]
    if kind != "complaint":
        return Reading(kind=kind_of(recipients), recipients=tuple(recipients), reporting_mta=mta)
    return Reading(
        kind="complaint",
        recipients=tuple(ReportedRecipient(address=r.address) for r in recipients),
        feedback_type=_text(details, "complaintFeedbackType")[:40] or "abuse",
    )


def _headers(mail: dict[str, Any]) -> Headers:
    """The original's headers, as far as they are told; SES gives it a Message-ID of its own."""
    told = mail.get("headers")
    items = told[:_MOST] if isinstance(told, list) else []
    lines = [
        f"{_text(item, 'name')}: {' '.join(_text(item, 'value').split())}"
        for item in items
        if isinstance(item, dict)
    ]
    if own := "".join(_text(mail, "messageId").split()):
        lines.append(f"Message-ID: <{own}>")
    return Headers("\n".join(lines))


def _recipients(kind: str, details: dict[str, Any]) -> list[dict[str, str]]:
    told = details.get(_RECIPIENTS[kind])
    found = []
    for item in told[:_MOST] if isinstance(told, list) else ():
        fields = item if isinstance(item, dict) else {"emailAddress": item}
        address = clean(_text(fields, "emailAddress"))
        if address:
            action = _text(fields, "action") or ("delivered" if kind == "delivery" else "failed")
            found.append({
                "final-recipient": address,
                "action": action,
                "status": _text(fields, "status"),
                "diagnostic-code": _text(fields, "diagnosticCode"),
            })  # fmt: skip
    return found


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return value[:4000] if isinstance(value, str) else ""


def _loads(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
