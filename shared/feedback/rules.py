"""What a bounce brings about: one table of rules, and the words for it. Pure.

Only what tells of the address itself keeps mail from it. What a server has against the message, the
sender or its reputation says nothing about the recipient: suppressing there would hide the cause,
and lose a reader for good over one bad day.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args

from shared.returned.report import Reason
from shared.settings import Settings
from shared.suppression import Ladder

# suppress: at once, for good. lease: for a time, longer with each. count: for the reputation only.
Effect = Literal["suppress", "lease", "count"]
# How surely a report is about a message, the surest first.
Certainty = Literal["signed", "message-id", "unsigned", "guess", "none"]

REASONS: frozenset[str] = frozenset(get_args(Reason))
CERTAINTIES: tuple[Certainty, ...] = get_args(Certainty)

# Of reports that do not call the address dead; those that do suppress it, whatever the reason.
DEFAULT_EFFECTS: Mapping[Reason, Effect] = {
    # A word about the address, but not a certain one: the parser would have called it dead.
    "user-unknown": "lease",
    "host-unknown": "lease",
    "moved": "lease",
    "no-mail": "lease",
    "mailbox-full": "lease",
    "suspended": "lease",
    "filtered": "lease",
    "expired": "lease",
    "network": "lease",
    "mail-loop": "lease",
    "system": "lease",
    "other": "lease",
    "too-large": "count",
    "content": "count",
    "spam": "count",
    "virus": "count",
    "policy": "count",
    "blocked": "count",
    "authentication": "count",
    "rejected": "count",
    "rate-limited": "count",
    "list": "count",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is known of one failed recipient.

    permanent: trying again is of no use. given_up: nobody tries again (RFC 3464, action `failed`),
    whatever its status says. forwarded: it failed behind the address that the message was sent to,
    which may be a list.
    """

    reason: str
    hard: bool
    permanent: bool
    match: Certainty = "signed"
    given_up: bool = False
    forwarded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackRules:
    """The rules as the settings have them. own: effects that win over the defaults, by reason."""

    own: Mapping[str, Effect]
    trusted: frozenset[Certainty]
    ladder: Ladder

    @classmethod
    def of(cls, settings: Settings) -> "FeedbackRules":
        """Those that the settings describe."""
        least = CERTAINTIES.index(settings.trusted_match)
        # A tag in the Message-ID is as hard to guess as a signature.
        trusted = frozenset(CERTAINTIES[: max(least, CERTAINTIES.index("message-id")) + 1])
        own = {reason: _effect(effect) for reason, effect in settings.bounce_rules}
        ladder = Ladder(
            leases=tuple(timedelta(hours=hours) for hours in settings.bounce_leases),
            forgiven=timedelta(days=settings.bounce_forgiven_days),
        )
        return cls(own=own, trusted=trusted, ladder=ladder)

    def effect(self, verdict: Verdict) -> Effect:
        """What a bounce brings about."""
        if verdict.match not in self.trusted:
            return "count"
        effect = self.own.get(verdict.reason)
        if effect is None:
            effect = "suppress" if verdict.hard else _default(verdict.reason)
        # One dead member of a list, or one dead place to which somebody's mail is forwarded, does
        # not make the address dead that Mailroom knows.
        if effect == "suppress" and verdict.forwarded:
            effect = "lease"
        over = verdict.permanent or verdict.hard or verdict.given_up or verdict.reason == "expired"
        return effect if over else "count"


def _default(reason: str) -> Effect:
    for known, effect in DEFAULT_EFFECTS.items():
        if known == reason:
            return effect
    return "lease"


def _effect(text: str) -> Effect:
    effects: tuple[Effect, ...] = get_args(Effect)
    return next(effect for effect in effects if effect == text)
