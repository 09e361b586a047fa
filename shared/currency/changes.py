"""What differs from the last look, and what it may mean. Pure: values in, values out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from shared.currency.observation import Facts

_KEPT = timedelta(days=60)  # a value that was seen within them is no news when it comes back
_VALUES = 8  # of one fact

_LISTS = (
    "capabilities", "sign-in mechanisms", "certificate names", "token roles", "token scopes",
    "token claims",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """One fact that changed. alert: somebody should look at it; else it is worth a note."""

    fact: str
    old: str
    new: str
    meaning: str
    alert: bool


@dataclass(frozen=True, slots=True)
class Memory:
    """What was seen: of each fact its last value, and of each value the day it was seen last.

    The service has many front ends, in two states while a change is rolled out to them: each state
    is told once.
    """

    last: Facts = field(default_factory=dict)
    seen: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


# By the beginning of the fact's name, from the top: what it may mean, and whether to alert.
_MEANINGS: tuple[tuple[str, str, bool], ...] = (
    ("greeting", "Another server software or a proxy answers; check MAILROOM_SMTP_HOST.", True),
    (
        "capabilities",
        (
            "Mailroom uses what is offered and does without the rest; without STARTTLS nothing is "
            "sent, without CHUNKING, DSN, SMTPUTF8 or PIPELINING some mails are refused, or slower."
        ),
        True,
    ),
    ("sign-in mechanisms", "Without XOAUTH2 Mailroom cannot sign in.", True),
    ("sign-in reply", "A refusal: run the doctor. Another text of success means nothing.", True),
    ("largest message", "Compare MAILROOM_SIZE_LIMIT with it (octets).", True),
    ("STARTTLS", "Another server software or a proxy answers.", True),
    ("TLS version", "A lower one: something between decrypts, or the service steps back.", True),
    (
        "certificate issuers",
        (
            "A new authority: outbound TLS inspection, or the service's change; check that every "
            "network that sends trusts it."
        ),
        True,
    ),
    ("certificate subject", "The service's own change, or another server answers.", True),
    ("certificate names", "Names were added or taken away; the configured one still fits.", False),
    ("certificate", "The certificate was renewed by the same authority.", False),
    (
        "token lifetime",
        (
            "A token lifetime policy or continuous access evaluation; below 20 minutes sessions "
            "are opened anew all the time."
        ),
        True,
    ),
    ("token audience", "A wrong scope: the server refuses such tokens with 535 5.7.3.", True),
    (
        "token roles",
        (
            "Permissions of the app were given or taken away: more than SMTP.SendAsApp (and "
            "IMAP.AccessAsApp) is more than Mailroom needs; none at all is right with RBAC only."
        ),
        True,
    ),
    ("token scopes", "The signed-in user's consent was changed.", True),
    ("token form", "Mailroom cannot read such tokens, and does not need to; sign-in tells.", True),
    ("token", "Entra ID's tokens carry other claims; Mailroom reads none of them to send.", False),
)


def compare(memory: Memory, facts: Facts, today: date) -> tuple[Memory, Sequence[Change]]:
    """The memory after this look, and the changes. A fact that this look could not have is not
    missed; a new fact is not a change of anything."""
    changes = []
    seen = {fact: dict(values) for fact, values in memory.seen.items()}
    for fact, value in facts.items():
        values = {
            known: day for known, day in seen.get(fact, {}).items()
            if date.fromisoformat(day) > today - _KEPT
        }  # fmt: skip
        old = memory.last.get(fact)
        if old is not None and old != value and value not in values:
            meaning, alert = _meaning(fact)
            changes.append(Change(fact, old, value, _difference(fact, old, value) + meaning, alert))
        values[value] = today.isoformat()
        newest = sorted(values.items(), key=lambda pair: pair[1])[-_VALUES:]
        seen[fact] = dict(newest)
    return Memory({**memory.last, **facts}, seen), changes


def _difference(fact: str, old: str, new: str) -> str:
    """Of facts that are lists of words: which are gone, and which are new."""
    if not fact.startswith(_LISTS):
        return ""
    before, after = set(old.split()), set(new.split())
    parts = [("Gone", before - after), ("New", after - before)]
    return "".join(f"{name}: {' '.join(sorted(words))}. " for name, words in parts if words)


def _meaning(fact: str) -> tuple[str, bool]:
    for beginning, meaning, alert in _MEANINGS:
        if fact.startswith(beginning):
            return meaning, alert
    raise AssertionError(f"{fact} has no meaning")
