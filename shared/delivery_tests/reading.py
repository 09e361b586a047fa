"""Reads a mail that has arrived: what its header tells of its way, and what there is to mend."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from shared.delivery_tests.authentication import read_authentication
from shared.delivery_tests.fields import HeaderField, plain, read_fields, values_of
from shared.delivery_tests.hops import read_hops
from shared.delivery_tests.report import Arrival, ChangedField
from shared.delivery_tests.signatures import read_signatures
from shared.returned.encoding import decode_words

_MOST_CHANGED = 100

# What servers write on the way (RFC 5321, 5322 section 3.6.7, 6376, 8601, 8617, and their own).
_TRACE = frozenset(
    {"received", "return-path", "authentication-results", "dkim-signature", "received-spf"}
    | {"delivered-to", "resent-from", "resent-date", "thread-topic", "thread-index"}
)
_TRACE_PREFIXES = ("x-", "arc-", "domainkey-", "msip_labels")


def read_arrival(
    content: bytes,
    *,
    folder: Literal["inbox", "junk", "unknown"] = "unknown",
    arrived_at: datetime | None = None,
    sent: bytes | None = None,
    sent_at: datetime | None = None,
) -> Arrival:
    """The mail as it arrived, at least its header. sent: as it was handed over, if that is known;
    sent_at: when."""
    fields = read_fields(content)
    hops = read_hops(fields)
    arrived_at = arrived_at or next((hop.at for hop in reversed(hops) if hop.at), None)
    authentication = read_authentication(fields)
    signatures = read_signatures(fields)
    covered = None
    if any(field.name == "list-unsubscribe" for field in fields):
        covered = any(s.aligned and s.covers_unsubscribe for s in signatures)
    seconds = max(0.0, (arrived_at - sent_at).total_seconds()) if arrived_at and sent_at else None
    return Arrival(
        folder=folder,
        arrived_at=arrived_at,
        seconds=seconds,
        spf=authentication.result("spf"),
        dkim=authentication.result("dkim"),
        dmarc=authentication.result("dmarc"),
        compauth=authentication.result("compauth"),
        # Exchange takes this field off what comes from outside (its header firewall).
        internal=values_of(fields, "x-ms-exchange-organization-authas")[:1] == ["Internal"],
        authentication=authentication,
        signatures=signatures,
        unsubscribe_covered=covered,
        hops=hops,
        changed=compare_fields(read_fields(sent), fields) if sent else (),
    )


def compare_fields(
    sent: Sequence[HeaderField], arrived: Sequence[HeaderField]
) -> tuple[ChangedField, ...]:
    """The fields that are not as they were sent; folding and encoded words are no change."""
    before, after = _by_name(sent), _by_name(arrived)
    changed = []
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in before:
            if name not in _TRACE and not name.startswith(_TRACE_PREFIXES):
                changed.append(ChangedField(name=plain(name, 80), change="added"))
        elif name not in after:
            changed.append(ChangedField(name=plain(name, 80), change="removed"))
        elif before[name] != after[name]:
            changed.append(ChangedField(name=plain(name, 80), change="changed"))
    return tuple(changed[:_MOST_CHANGED])


def _by_name(fields: Sequence[HeaderField]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for field in fields:
        value = decode_words(field.value) if "=?" in field.value else field.value
        found.setdefault(field.name, []).append(" ".join(value.split()))
    return found
