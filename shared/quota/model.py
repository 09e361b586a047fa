"""What callers of the governor say and are told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from shared.quota.pacing import MARGIN
from shared.settings import Settings

Lane = Literal["high", "normal", "low"]

# How many turns a lane gets when all of them wait: a password reset overtakes newsletters, and a
# newsletter still gets every sixteenth slot however many resets there are.
WEIGHTS: dict[Lane, int] = {"high": 12, "normal": 3, "low": 1}


@dataclass(frozen=True, slots=True)
class Demand:
    """One message. recipients: all of them; external: those outside of the tenant's domains;
    onmicrosoft: its From address is at *.onmicrosoft.com.

    A `high` one may be given any free slot in time; others may not book so far ahead that it
    would have to wait for them.
    """

    recipients: int
    external: int = 0
    onmicrosoft: bool = False
    lane: Lane = "normal"


def demand_of(settings: Settings, sender: str, recipients: Sequence[str], *, lane: Lane) -> Demand:
    """What a message from this From address to these recipients asks for."""
    return Demand(
        recipients=len(recipients),
        external=sum(settings.is_external(address) for address in recipients),
        onmicrosoft=sender.lower().endswith(".onmicrosoft.com"),
        lane=lane,
    )


@dataclass(slots=True)
class Ticket:
    """What was counted for a slot, and where, so that it can be given back once.

    time: storage's. counted: the mailbox's recipients, (bucket, count). tenant: the tenant's,
    (budget, bucket, count). probe: it tries whether a paused mailbox works again; tenant_probes:
    the same of the tenant.
    """

    time: float
    counted: tuple[tuple[int, int], ...]
    tenant: tuple[tuple[str, int, int], ...] = ()
    probe: bool = False
    tenant_probes: tuple[str, ...] = ()
    returned: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """Leave to hand one message over from `mailbox`: at `at` (by the local clock), not before, and
    not after `latest`; else it is to be given back, or `Governor.late` to be told."""

    mailbox: str
    at: datetime
    demand: Demand
    ticket: Ticket | None = field(default=None, repr=False, compare=False)

    @property
    def latest(self) -> datetime:
        return self.at + timedelta(seconds=MARGIN)


@dataclass(frozen=True, slots=True)
class Closed:
    """Nothing of this demand may be sent before `until`, for this reason; `fix` for an operator."""

    until: datetime
    reason: str
    fix: str
