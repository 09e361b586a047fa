"""Pauses and the way back: a mailbox or the tenant is left alone, then one message tries again.

open ──pause──▶ paused until T ──T──▶ one probe ──worked──▶ open
                    ▲                     │
                    └──── pause, longer ──┘
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

PauseKind = Literal[
    "service",  # 421, 451 and the like: the service has trouble
    "connections",  # 432: somebody else uses the mailbox's connections
    "credentials",  # 535, 430 4.2.0: no permission, or no usable token
    "throttled",  # 550 5.2.251-255: the mailbox is blocked after too many errors
    "recipients",  # the mailbox's recipients of 24 hours are used up, as the server counts
    "full",  # 554 5.2.2: Sent Items is full
    "restricted",  # 5.1.8, 5.7.501-503: restricted for spam
    "external",  # 5.7.232, 5.7.233: the tenant's external recipients (TERRL)
    "onmicrosoft",  # 5.7.236: external recipients of *.onmicrosoft.com senders
    "barred",  # 5.7.705, .708, .750: the tenant is barred
]

_MINUTE, _HOUR = 60.0, 3600.0

# First pause and longest, in seconds; each repetition doubles. Short where trouble passes by
# itself or an operator mends it while looking on (one sign-in a minute harms nobody), longer where
# only Microsoft, or the sliding 24 hours, can end it.
LADDER: Mapping[PauseKind, tuple[float, float]] = {
    "service": (30, 15 * _MINUTE),
    "connections": (30, 10 * _MINUTE),
    "credentials": (_MINUTE, 30 * _MINUTE),
    "throttled": (30 * _MINUTE, 12 * _HOUR),
    "recipients": (30 * _MINUTE, 4 * _HOUR),
    "full": (15 * _MINUTE, 4 * _HOUR),
    "restricted": (_HOUR, 12 * _HOUR),
    "external": (30 * _MINUTE, 4 * _HOUR),
    "onmicrosoft": (30 * _MINUTE, 4 * _HOUR),
    "barred": (_HOUR, 12 * _HOUR),
}
PROBE_LEASE = 180.0  # seconds after which a probe without a result is taken for lost
_MAX_TEXT = 500


def span(kind: PauseKind, strikes: int) -> float:
    """Seconds of the pause after so many failures in a row."""
    base, cap = LADDER[kind]
    return min(cap, base * 2.0 ** min(strikes - 1, 30))


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause, in force until somebody's message `worked`. Times: seconds since the epoch.

    strikes: pauses in a row. probe_until: a probe is under way, and after that lost.
    cleared: when it ended, 0 while it is in force; kept, so that a relapse counts on.
    """

    until: float
    kind: PauseKind
    reason: str
    fix: str
    strikes: int = 1
    probe_until: float = 0.0
    cleared: float = 0.0

    @classmethod
    def of(cls, value: Mapping[str, Any] | None) -> "Pause | None":
        return cls(**value) if value else None

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def in_force(self) -> bool:
        return not self.cleared

    def closed_until(self, now: float) -> float | None:
        """Until when nothing may be sent; None where a probe, or everything, may."""
        if self.cleared:
            return None
        if now < self.until:
            return self.until
        return self.probe_until if now < self.probe_until else None

    def probed(self, now: float) -> "Pause":
        """With the one probe given away."""
        return replace(self, probe_until=now + PROBE_LEASE)

    def unprobed(self) -> "Pause":
        """With the probe unused: the next one may try."""
        return replace(self, probe_until=0.0)

    def worked(self, now: float) -> "Pause":
        """After a success. One that began before the pause proves nothing: it stays."""
        return self if self.cleared or now < self.until else replace(self, cleared=now)


def paused(before: Pause | None, now: float, *, kind: PauseKind, reason: str, fix: str) -> Pause:
    """The pause after one more failure.

    Several sessions that meet the same refusal are one failure; a failed probe, or a relapse
    within the time that the last pause took, is one more in the row.
    """
    strikes = 1
    if before is not None and before.in_force:
        if now < before.until and now + span(kind, before.strikes) <= before.until + span(
            before.kind, 1
        ):
            return before
        strikes = before.strikes + (now >= before.until)
    elif before is not None and now - before.cleared < span(before.kind, before.strikes):
        strikes = before.strikes + 1
    return Pause(now + span(kind, strikes), kind, reason[:_MAX_TEXT], fix[:_MAX_TEXT], strikes)
