"""The rules of the guard, each with what it does unless told otherwise; they make docs/guard.md."""

from dataclasses import dataclass
from typing import Literal

Action = Literal["allow", "warn", "encrypt", "redact", "hold", "block"]

# From the mildest to the strictest: of several findings the strictest decides.
ACTIONS: tuple[Action, ...] = ("allow", "warn", "encrypt", "redact", "hold", "block")


@dataclass(frozen=True, slots=True)
class Rule:
    """What is looked for. `group` names rules together in the setting; `reason` argues `default`.

    setting_only: it is looked for only where the setting asks for it.
    """

    name: str
    group: str
    what: str
    default: Action
    reason: str
    fix: str
    setting_only: bool = False


_ELSEWHERE = "Send it by another way, or a link to a page that asks for a sign-in."
_ROTATE = "Remove it, and exchange it for a new one if it was real: others have seen it by now."

RULES: tuple[Rule, ...] = (
    Rule(
        "payment-card", "payments",
        "a payment card's number: issuer prefix, length, Luhn, grouping and the words around it",
        "hold", "PCI DSS 4.2.2 forbids it in mail; it is never needed there in full",
        "Show the last four digits only.",
    ),
    Rule(
        "iban", "payments",
        "an IBAN: country, length and structure (ISO 13616), check digits (mod 97)",
        "warn", "invoices name the payee's account, and have to",
        "Show the last four characters only, unless it is your own account.",
    ),
    Rule(
        "password", "credentials",
        "a password in clear: “your password is …”, “Passwort: …”, in some twenty languages",
        "hold", "it stays in a mailbox for years; a link to set one's own does the same job",
        "Send a link to set a password instead. One-time codes pass.",
    ),
    Rule(
        "url-credentials", "credentials", "user and password in a URL (`scheme://user:…@host`)",
        "hold", "it is a password in clear", _ROTATE,
    ),
    Rule(
        "connection-string", "credentials",
        "a key or password in a connection string (Azure Storage, Service Bus, Event Hubs, IoT "
        "Hub, Cosmos DB, SQL and other databases)",
        "hold", "it opens a whole database or account", _ROTATE,
    ),
    Rule(
        "authorization-header", "credentials", "an `Authorization: Bearer …` or `Basic …` line",
        "hold", "whoever reads it can use it", _ROTATE,
    ),
    Rule(
        "private-key", "keys",
        "a private key: PEM (PKCS#1, PKCS#8, EC, encrypted), OpenSSH, PGP, PuTTY, JWK, age; also "
        "without its first line, or wrapped in base64",
        "hold", "no mail ever needs one", _ROTATE,
    ),
    Rule(
        "access-token", "tokens",
        "a vendor's token or key in its documented form, with its checksum where it has one",
        "hold", "whoever reads it can use it, and scanners look for it", _ROTATE,
    ),
    Rule(
        "jwt", "tokens", "a JSON Web Token, read and found whole, outside of a link",
        "hold", "whoever reads it can use it until it expires", _ROTATE,
    ),
    Rule(
        "link-token", "tokens", "a JSON Web Token inside a link (a sign-in link)",
        "allow", "sign-in and confirmation links are made this way, for their reader",
        "Let it be short-lived and usable once.",
    ),
    Rule(
        "signed-url", "tokens", "a link signed by Azure (SAS), AWS or Google for a file",
        "warn", "it is meant for its reader, but opens the file for all who have it",
        "Let it expire soon, or link to a page that asks for a sign-in.",
    ),
    Rule(
        "labelled-secret", "tokens", "“api key: …”, “client secret = …” before a random value",
        "hold", "whoever reads it can use it", _ROTATE,
    ),
    Rule(
        "national-id", "national-ids",
        "a national id of the countries in `national_ids`, with its check digits where it has any",
        "hold", "asked for by setting: an organisation knows which ids it must not mail",
        _ELSEWHERE, setting_only=True,
    ),
    Rule(
        "not-inspected", "limits", "a part that is larger than what is searched",
        "warn", "a large log or CSV file is no offence; its first part was searched",
        "Send a smaller file.",
    ),
)  # fmt: skip

RULE_NAMES = frozenset(rule.name for rule in RULES)
GROUP_NAMES = frozenset(rule.group for rule in RULES)
_BY_NAME = {rule.name: rule for rule in RULES}


def rule_named(name: str) -> Rule:
    """The rule of this name. Raises KeyError."""
    return _BY_NAME[name]
