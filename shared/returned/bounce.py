"""Non-delivery and other delivery reports: who did not get the message, and why."""

import re
from dataclasses import replace

from shared.returned.addresses import addresses, clean
from shared.returned.delivery_status import (
    MOST_RECIPIENTS,
    StatusFields,
    action_of,
    fields_start,
    has_status_fields,
    read_status_fields,
    recipient_addresses,
    untyped,
)
from shared.returned.mime import Mail
from shared.returned.original import original_recipients
from shared.returned.prose import Found, explain_known, find_recipients, transcript_reply
from shared.returned.reading import Reading, Returned
from shared.returned.reasons import explain, is_hard, is_permanent
from shared.returned.report import Reason, ReportedRecipient, ReportKind
from shared.returned.status import choose_status, field_status, reply_code, text_statuses

_STATUS_PARTS = (
    "message/delivery-status", "message/global-delivery-status",
    "message/disposition-notification",
)  # fmt: skip
_SUCCESS = ("delivered", "relayed", "expanded")
_DIAGNOSTIC = 1000  # characters that are kept
_BARE = 12  # characters of a Status field that has no comment
_WORDS = 3000  # characters of a report's text that are looked at for each recipient

_DELAYED = (
    "warning message only", "do not need to resend", "has been delayed", "will keep trying",
    "will be retried", "still being retried", "not yet been delivered", "delivery is delayed",
    "been delayed", "still trying", "is delayed", "will continue to try", "continue to be made",
    "delivery attempts will continue", "delivery to the following recipients has been delayed",
    "attempts will continue", "no action is required on your part",
)  # fmt: skip
_GIVEN_UP = (
    "giving up", "given up", "permanent error", "stopped trying", "permanent failure",
    "has failed", "could not be delivered",
)  # fmt: skip
_DELIVERED = (
    "successfully delivered", "was delivered to", "has been delivered", "delivery was successful",
    "has been successfully", "successful mail delivery", "return receipt",
    "delivered successfully", "successfully relayed", "relayed to",
    "these recipients or groups is complete",
)  # fmt: skip


# What a mailbox's own filter says (Sieve's reject, Dovecot's quota), whatever else is told.
_AUTOMATICALLY = re.compile(r"was automatically rejected:\s*([^\n]{3,500})")


def read_bounce(returned: Returned) -> Reading:
    """What a delivery report says. Kind "other" where it names nobody."""
    fields, said = _status_fields(returned.mail, returned.said)
    recipients = recipients_of(fields, said) if fields else []
    if not recipients:
        recipients = _from_prose(Returned(returned.mail, said, returned.original))
    kind = kind_of(recipients)
    wanted = [r for r in recipients if kind == "delivered" or r.action not in _SUCCESS]
    message = fields.message if fields else {}
    return Reading(
        kind=kind,
        recipients=tuple(wanted[:MOST_RECIPIENTS]),
        reporting_mta=untyped(message.get("reporting-mta", ""))[:255],
        envelope_id=untyped(message.get("original-envelope-id", ""))[:500],
        arrival=message.get("arrival-date", ""),
        sender=clean(message.get("x-postfix-sender", "")),
    )


def _status_fields(mail: Mail, said: str) -> tuple[StatusFields | None, str]:
    """The fields of the report, from its part or from the text; and the text without them."""
    for part in mail.parts:
        if part.type in _STATUS_PARTS:
            fields = read_status_fields(part.text)
            if fields.recipients:
                return fields, said
    if has_status_fields(said):
        at = fields_start(said)
        return read_status_fields(said[at:]), said[:at]
    for part in mail.parts:
        if part.type not in ("message/rfc822", "text/html") and has_status_fields(part.text):
            return read_status_fields(part.text), said
    return None, said


def kind_of(recipients: list[ReportedRecipient]) -> ReportKind:
    actions = {r.action for r in recipients}
    if not recipients:
        return "other"
    if actions <= set(_SUCCESS):
        return "delivered"
    if "failed" not in actions and "" not in actions:
        return "delayed"
    return "bounce"


def recipients_of(fields: StatusFields, said: str) -> list[ReportedRecipient]:
    told: dict[str, ReportedRecipient] = {}
    pairs = [(group, *recipient_addresses(group)) for group in fields.recipients]
    known = [address for _, address, _ in pairs if address] + [o for _, _, o in pairs if o]
    explained = (
        {f.address.lower(): f.explanation for f in explain_known(said, known)} if said else {}
    )
    for group, address, original in pairs:
        if not address:
            continue
        words = explained.get(address.lower(), "") or explained.get(original.lower(), "")
        category = group.get("x-powermta-bouncecategory", "").strip().lower()
        words = _CATEGORIES.get(category, words)
        if len(pairs) == 1:
            words = words or said[:_WORDS]
        recipient = _of_fields(group, address, original, transcript_reply(said, address) or words)
        earlier = told.get(address.lower())
        if earlier is None or (earlier.action in _SUCCESS and recipient.action == "failed"):
            told[address.lower()] = recipient
    return list(told.values())


def _of_fields(group: dict[str, str], address: str, original: str, words: str) -> ReportedRecipient:
    diagnostic = untyped(group.get("diagnostic-code", ""))
    for name in ("x-supplementary-info", "x-smtp-diagnostic-code"):
        if name in group:
            diagnostic = f"{diagnostic} {group[name]}".strip()
    comment = group.get("status", "")
    action = action_of(group)
    status = field_status(comment)
    if not action:
        action = "failed" if status[:1] in ("4", "5", "") else "delivered"
    return describe(
        ReportedRecipient(
            address=address,
            original=original,
            action=action,
            remote_mta=untyped(group.get("remote-mta", ""))[:255],
        ),
        field=status,
        diagnostic=f"{diagnostic} {comment[len(status) :] if len(comment) > _BARE else ''}".strip(),
        words=words,
    )


# PowerMTA's own classes of bounces, in words that have a meaning here.
_CATEGORIES = {
    "bad-domain": "no such domain", "bad-mailbox": "no such mailbox", "quota-issues": "over quota",
    "inactive-mailbox": "inactive mailbox", "message-expired": "message expired",
    "spam-related": "detected as spam", "virus-related": "contains a virus",
    "invalid-sender": "invalid sender",
}  # fmt: skip


def _from_prose(returned: Returned) -> list[ReportedRecipient]:
    headers, said, original = returned.mail.headers, returned.said, returned.original
    failed = addresses(headers.get("x-failed-recipients"))
    own = [clean(original.raw("return-path")), clean(original.get("from"))]
    own += [*addresses(headers.get("to")), clean(headers.get("from"))]
    senders = frozenset(address.lower() for address in own if address)
    found = find_recipients(
        said, senders=senders, known=failed, originals=original_recipients(original)
    )
    action = _prose_action(returned.mail, said)
    return [_of_prose(f, action, said, alone=len(found) == 1) for f in found if f.address]


def _prose_action(mail: Mail, said: str) -> str:
    start = " ".join(said[:4000].lower().split())
    subject = mail.headers.get("subject").lower()
    delay = (
        any(phrase in start for phrase in _DELAYED)
        or "delay" in subject
        or subject.startswith("warning:")
    )
    if delay and not any(phrase in start for phrase in _GIVEN_UP):
        return "delayed"
    failed = "fail" in start or "unable" in start or " not be " in start
    if any(phrase in start for phrase in _DELIVERED) and not failed:
        return "delivered"
    return "failed"


def _of_prose(found: Found, action: str, said: str, *, alone: bool) -> ReportedRecipient:
    """alone: no other recipient is named, so that all of the text is about this one."""
    reply = transcript_reply(said, found.address)
    words = found.explanation
    recipient = ReportedRecipient(address=found.address, action=action)
    told = describe(recipient, field="", diagnostic=reply or words, words=words if reply else "")
    if not alone or (told.status and told.reason != "other"):
        return told
    wider = describe(recipient, field=told.status, diagnostic=words, words=said[:_WORDS])
    if told.reason == "other":
        return wider
    return replace(
        wider,
        reason=told.reason,
        hard=is_hard(told.reason, wider.status, action),
        permanent=is_permanent(told.reason, wider.status, wider.reply_code, action),
    )


def describe(
    recipient: ReportedRecipient, *, field: str, diagnostic: str, words: str
) -> ReportedRecipient:
    """A recipient with status, reply code, reason and what follows from them.

    field: the status that the report states. diagnostic: what the remote server said, as far as
    known. words: what the report says to people, which counts where the diagnostic says nothing.
    """
    told = text_statuses(diagnostic)
    status = choose_status(field, told)
    if words and (not status or status.endswith(".0.0")):
        status = choose_status(status, text_statuses(words))
    reason: Reason = "other"
    if rejected := _AUTOMATICALLY.search(words):
        reason = explain(rejected[1], status)
    elif recipient.action not in _SUCCESS:
        reason = explain(diagnostic, status, more=words)
    reply = reply_code(diagnostic) or (reply_code(words) if words else None)
    return replace(
        recipient,
        status=status,
        reply_code=reply,
        diagnostic=" ".join((diagnostic or words)[:4000].split())[:_DIAGNOSTIC],
        reason=reason,
        hard=is_hard(reason, status, recipient.action),
        permanent=is_permanent(reason, status, reply, recipient.action),
    )
