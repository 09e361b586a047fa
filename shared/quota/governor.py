"""The quota governor: nothing is handed over before it has reserved what Office 365 allows.

All instances share its rows in storage (rows.py); what each of them has in hand (holding.py,
tenant.py) saves most of the writing. Every reservation is one compare-and-swap of a mailbox's row,
which takes slots, counts recipients and renews the connection permit together.
"""

import asyncio
import logging
import random as random_module
from collections.abc import Callable, Collection, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.errors import ChangedError, StorageUnavailableError
from shared.quota.clock import StorageClock
from shared.quota.limits import QuotaLimits
from shared.quota.mailbox import MAX_LATE
from shared.quota.mailboxes import Mailboxes
from shared.quota.model import Closed, Demand, Lane, Slot
from shared.quota.overview import overview
from shared.quota.pacing import MARGIN, Pace
from shared.quota.pauses import PauseKind
from shared.quota.places import Group, Places
from shared.quota.reservation import KNOWN_FOR, Reservations
from shared.quota.rows import QuotaTable, Rows
from shared.quota.tenant import TenantBudget

logger = logging.getLogger(__name__)

KEEP_EVERY = 20.0  # seconds between two calls of `keep`


class Governor:
    """One process's governor. It belongs to one event loop.

    holder: a random id of this process. clock: the local one; the governor corrects it by
    storage's answers, and all times that it takes and gives are local.

    Every method may raise StorageUnavailableError: what was asked for has not been done, or nobody
    knows, and nothing is counted twice for it. ChangedError: too many instances at once.
    """

    def __init__(
        self,
        table: QuotaTable,
        limits: QuotaLimits,
        *,
        holder: str,
        clock: Callable[[], datetime],
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self._clock = StorageClock(clock)
        table.observe_dates(self._clock)
        self._rows = Rows(table, self._clock.now, random)
        self._mailboxes = Mailboxes(
            self._rows, limits, holder, Pace.per_minute(limits.messages_per_minute)
        )
        self._tenant = TenantBudget(self._rows, limits, holder, self._clock.now)
        self._places = Places(self._rows)
        self._reservations = Reservations(self._mailboxes, self._tenant, self._clock)

    async def reserve(
        self, mailboxes: Sequence[str], demands: Sequence[Demand], *, within: timedelta
    ) -> list[Slot | Closed | None]:
        """For each demand, in order: a slot at one of the mailboxes, at most `within` from now;
        None where there is none in time (ask again, without cost, after a quarter of a second);
        Closed where nothing of the kind may be sent for a time, and why.

        A high demand needs `within` of four message intervals (8 s at 30 a minute) to be sure of a
        slot at a single saturated mailbox.
        """
        return await self._reservations.reserve(mailboxes, demands, within.total_seconds())

    async def give_back(self, slots: Sequence[Slot]) -> None:
        """Slots that no message used: this process can use them until their time, and what was
        counted for them is uncounted with the next write. Twice for one slot is once."""
        for slot in slots:
            if self._reservations.put_back(slot):
                await self._reservations.drop_probe(slot)

    def late(self, slot: Slot, at: datetime) -> None:
        """A message reached the server at `at`, later than `slot.latest`: the mailbox's next slots
        are moved, with the next write, so that no minute gets too many all the same."""
        seconds = (at - slot.at).total_seconds() - MARGIN
        if seconds > 0:
            self._mailboxes.holding(slot.mailbox).note_late(min(seconds, MAX_LATE))

    def permit_until(self, mailbox: str) -> datetime | None:
        """Until when this process may have sessions of the mailbox open; None: it may not."""
        until = self._mailboxes.holding(mailbox).permit_until
        return self._clock.to_local(until) if until > self._rows.now() else None

    def connects(self, mailboxes: Sequence[str]) -> bool:
        """Whether this process has a permit for one of the mailboxes or could get one, as far as
        is known: else others have all of the connections."""
        return any(self._mailboxes.connects(mailbox) for mailbox in mailboxes)

    async def allow(self, mailbox: str, sessions: int) -> int:
        """Asks for permits for so many sessions at once (a reservation brings one); returns how
        many this process may have open, 0 if other processes have them all."""
        await self._rows.refresh(older_than=KNOWN_FOR)
        return await self._mailboxes.allow(mailbox, sessions)

    async def keep(self, mailboxes: Collection[str]) -> list[str]:
        """To be called every 20 s, with the mailboxes of which sessions are open: renews their
        permits, and gives back what is not needed. Storage that is away raises nothing here.

        Returns the mailboxes whose sessions are to be closed: their permit is gone, because others
        have them all, or it could not be renewed and runs out before the next call.
        """
        names = {self._mailboxes.key(mailbox).name for mailbox in mailboxes}
        idle = [
            mailbox for mailbox in self._mailboxes.held()
            if self._mailboxes.key(mailbox).name not in names and self._mailboxes.idle(mailbox)
        ]  # fmt: skip
        await self._settle(
            *(self._mailboxes.renew(mailbox) for mailbox in mailboxes),
            *(self._mailboxes.release(mailbox) for mailbox in idle),
            self._tenant.give_back(everything=False),
        )
        needed = self._rows.now() + KEEP_EVERY
        return [m for m in mailboxes if self._mailboxes.holding(m).permit_until < needed]

    async def _settle(self, *steps: Coroutine[Any, Any, Any]) -> None:
        for result in await asyncio.gather(*steps, return_exceptions=True):
            if isinstance(result, (StorageUnavailableError, ChangedError)):
                logger.warning("quota not kept", extra={"error": str(result)})
            elif isinstance(result, BaseException):
                raise result

    async def release(self, mailbox: str) -> None:
        """This process has no session of the mailbox open any more."""
        await self._mailboxes.release(mailbox)

    async def pause(
        self, mailbox: str | None, *, reason: str, fix: str, kind: PauseKind
    ) -> datetime:
        """Sets a mailbox, or (None) what the kind is about of the tenant, aside. Afterwards one
        message may try: `worked` opens it, another `pause` doubles the time. Returns until when."""
        await self._rows.refresh(older_than=KNOWN_FOR)
        if mailbox is None:
            until = await self._tenant.pause(kind=kind, reason=reason, fix=fix)
        else:
            until = await self._mailboxes.pause(mailbox, kind=kind, reason=reason, fix=fix)
        return self._clock.to_local(until)

    async def worked(self, mailbox: str) -> None:
        """The mailbox has taken a message. Nothing is done unless that was a probe's."""
        await self._reservations.worked(mailbox)

    async def place(self, pool: Sequence[str], lane: Lane, *, again: bool = False) -> datetime:
        """The rough time when a message of the lane should become visible; now if few wait.
        again: it has been visible before, and got no slot."""
        return (await self.places(pool, lane, 1, again=again))[0]

    async def places(
        self, pool: Sequence[str], lane: Lane, count: int, *, again: bool = False
    ) -> list[datetime]:
        """The same for many messages at once, for the price of one."""
        working = sum(self._reservations.works(mailbox) for mailbox in pool)
        interval = self._mailboxes.pace.interval / max(1, working)
        group: Group = "again" if again and lane != "high" else lane
        found = await self._places.give(pool, group, count, interval)
        return [self._clock.to_local(place) for place in found]

    async def view(self, mailboxes: Sequence[str]) -> dict[str, Any]:
        """JSON of the headroom of these mailboxes and the tenant."""
        await self._rows.refresh(older_than=1.0)
        return overview(self._mailboxes, mailboxes, time=self._clock.to_local)

    async def aclose(self) -> None:
        """Gives back permits, slots, recipients and the tenant's blocks. Where storage is away the
        leases end by themselves."""
        await self._settle(
            *(self._mailboxes.release(mailbox) for mailbox in self._mailboxes.held()),
            self._tenant.give_back(everything=True),
        )
