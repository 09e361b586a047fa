"""The way of a mail: its Received fields (RFC 5321 section 4.4), and which of them tell of TLS.

How TLS is told is everybody's own affair. Exchange and Gmail: `(version=TLS1_3, cipher=…)`;
Postfix: `(using TLSv1.3 with cipher …)`; Exim: `(TLS1.3)`; all others by the `S` of `ESMTPS`
(RFC 3848), which tells no version.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shared.delivery_tests.fields import HeaderField, plain, tokens, values_of
from shared.delivery_tests.report import Hop, HopSecurity

MOST_HOPS = 50

_CLAUSES = frozenset({"from", "by", "with", "via", "id", "for"})
_VERSION = re.compile(r"\b(?:TLS ?v?_?1[._]([0-3])|TLSv1\b|(SSL ?v?[23]))", re.IGNORECASE)
_CIPHER = re.compile(r"\bcipher[= ]([A-Za-z0-9_-]{3,80})", re.IGNORECASE)
_SECURE = re.compile(r"(?:UTF8)?(?:E?SMTP|LMTP)SA?|HTTPS", re.IGNORECASE)
_PLAIN = re.compile(r"(?:UTF8)?E?SMTPA?", re.IGNORECASE)
_OLD = frozenset({"1.0", "1.1"})


def read_hops(fields: Sequence[HeaderField]) -> tuple[Hop, ...]:
    """The hops in the order of the mail's way; delays are to the hop before."""
    hops: list[Hop] = []
    for value in reversed(values_of(fields, "received")[:MOST_HOPS]):
        hop = parse_received(value)
        before = next((one.at for one in reversed(hops) if one.at), None)
        if hop.at and before:
            hop = hop.model_copy(update={"seconds": (hop.at - before).total_seconds()})
        hops.append(hop)
    return tuple(hops)


def parse_received(value: str) -> Hop:
    """One Received field; what it does not tell is "" or None."""
    clauses: dict[str, list[str]] = {}
    comments: list[str] = []
    name, date = "", ""
    for kind, text in tokens(value):
        if kind == "comment":
            comments.append(text)
            continue
        stated, semicolon, rest = text.rpartition(";")
        if semicolon:
            date = rest
        elif date:
            date += stated + rest
            continue
        else:
            stated = text
        for word in stated.split():
            if word.lower() in _CLAUSES and word.lower() not in clauses:
                name = word.lower()
                clauses[name] = []
            elif name:
                clauses[name].append(word)
    protocol = plain(" ".join(clauses.get("with", ())), 60)
    sender = plain(" ".join(clauses.get("from", ())))
    version, cipher = _tls(comments)
    return Hop(
        sender=sender,
        by=plain(" ".join(clauses.get("by", ()))),
        protocol=protocol,
        at=_moment(date),
        security=_security(sender, protocol, version),
        tls=version,
        cipher=cipher,
    )


def _tls(comments: Sequence[str]) -> tuple[str, str]:
    """Version and cipher, "" where none is told."""
    for comment in comments:
        if version := _VERSION.search(comment):
            cipher = _CIPHER.search(comment)
            number = f"1.{version[1] or 0}"
            return version[2] or number, cipher[1] if cipher else ""
    return "", ""


def _security(sender: str, protocol: str, version: str) -> HopSecurity:
    if version:
        return "weak" if version in _OLD or version.upper().startswith("SSL") else "tls"
    if any(_SECURE.fullmatch(word) for word in protocol.split()):
        return "tls"
    if not sender:
        return "internal"  # handed on within one system, as Gmail does
    return "plain" if _PLAIN.fullmatch(protocol) else "unknown"


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text.strip()[:100])
        # RFC 5322 section 3.3: -0000 tells no zone, and is UTC.
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
