"""What this process does with mailboxes' rows: one change of a mailbox at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from shared.quota.holding import Holding
from shared.quota.limits import QuotaLimits
from shared.quota.mailbox import LEASE, Mailbox, Order, Permit, Taken
from shared.quota.model import Ticket
from shared.quota.pacing import Pace
from shared.quota.pauses import Pause, PauseKind, paused
from shared.quota.rows import Key, Rows, row_key

_RENEW_BEFORE = 42.0  # seconds left of a permit when it is renewed: leaves a second try
_LET_LAPSE = 20.0  # seconds left of a permit when giving it back is not worth a write
_IDLE = 20.0  # seconds without a reservation after which a permit without a session is released

KIND = "mailbox"


@dataclass(slots=True)
class Mailboxes:
    """The mailboxes' rows as one process changes them. Times are storage's."""

    rows: Rows
    limits: QuotaLimits
    holder: str
    pace: Pace
    _holdings: dict[str, Holding] = field(default_factory=dict)
    _keys: dict[str, Key[Mailbox]] = field(default_factory=dict)

    def key(self, mailbox: str) -> Key[Mailbox]:
        key = self._keys.get(mailbox)
        if key is None:
            key = self._keys[mailbox] = Key(row_key(KIND, mailbox), Mailbox)
        return key

    def box(self, mailbox: str) -> Mailbox:
        """The row as last known."""
        return self.rows.get(self.key(mailbox))

    def age(self, mailbox: str) -> float:
        """Seconds since the row was read or written."""
        return self.rows.age_of(self.key(mailbox))

    async def look_again(self, mailbox: str) -> None:
        """Reads the row."""
        async with self.holding(mailbox).lock:
            await self.rows.read(self.key(mailbox))

    def holding(self, mailbox: str) -> Holding:
        return self._holdings.setdefault(self.key(mailbox).name, Holding(self.holder))

    def connects(self, mailbox: str) -> bool:
        """Whether this process has a permit, or there is a connection left for it."""
        now = self.rows.now()
        if self.holding(mailbox).permit_until > now:
            return True
        return self.box(mailbox).free_sessions(self.holder, now, self.limits.connections) > 0

    def held(self) -> list[str]:
        """The mailboxes of which this process has a permit, slots or counted recipients."""
        now = self.rows.now()
        return [
            mailbox for mailbox in self._keys
            if (h := self._holdings.get(self._keys[mailbox].name)) is not None
            and (h.permit_until > now or not h.clean)
        ]  # fmt: skip

    async def fill(self, mailbox: str, order: Order) -> list[Ticket | None]:
        """Slots for an order's wants, from what is in hand or by one write.

        Raises ChangedError after too many lost races, StorageUnavailableError.
        """
        holding = self.holding(mailbox)
        async with holding.lock:
            now = self.rows.now()
            tickets = [
                holding.spend(want.recipients, now=now, latest=order.latest) for want in order.wants
            ]
            left = [i for i, ticket in enumerate(tickets) if ticket is None]
            if left or not order.wants:
                wants = tuple(order.wants[i] for i in left)
                try:
                    bought = await self._order(mailbox, holding, replace(order, wants=wants))
                except BaseException:
                    for spent in filter(None, tickets):
                        holding.put_back(spent)
                    raise
                for i, ticket in zip(left, bought, strict=True):
                    tickets[i] = ticket
            return tickets

    async def _order(self, mailbox: str, holding: Holding, order: Order) -> Sequence[Ticket | None]:
        tried: list[str] = []

        def edit(box: Mailbox, mark: str) -> tuple[Mailbox, tuple[Order, Taken]]:
            holding.failed(tried)
            tried.append(mark)
            return holding.try_order(
                box, order, mark, now=self.rows.now(), pace=self.pace, limits=self.limits
            )

        sent, taken = await self.rows.change(
            self.key(mailbox), edit, mark_of=lambda box: box.mark(self.holder)
        )
        holding.failed(tried)
        return holding.accept(sent, taken)

    async def renew(self, mailbox: str) -> None:
        """Prolongs the permit if it needs it, and gives back what was counted for nothing."""
        holding, now = self.holding(mailbox), self.rows.now()
        fresh = holding.permit_until > now + _RENEW_BEFORE
        if not (fresh and (holding.ahead(now) or holding.clean)):
            await self.fill(mailbox, Order(self.holder, (), now, now))

    def idle(self, mailbox: str) -> bool:
        """Whether nothing has been reserved for some time."""
        return self.holding(mailbox).permit_until - LEASE < self.rows.now() - _IDLE

    async def allow(self, mailbox: str, sessions: int) -> int:
        """Makes the permit one for so many sessions, or as many as others leave."""

        def edit(box: Mailbox, _mark: str) -> tuple[Mailbox, Permit | None]:
            now = self.rows.now()
            free = box.free_sessions(self.holder, now, self.limits.connections)
            if min(sessions, free) < 1:
                return box, None
            mark = box.mark(self.holder)
            permit = Permit(self.holder, now + LEASE, min(sessions, free), mark)
            return box.with_permit(permit, now), permit

        holding = self.holding(mailbox)
        async with holding.lock:
            permit = await self.rows.change(self.key(mailbox), edit)
            if permit is None:
                return 0
            holding.permit_until = permit.until
            return permit.sessions

    async def release(self, mailbox: str) -> None:
        """Gives the permit back, and slots and recipients with it."""
        holding = self.holding(mailbox)
        async with holding.lock:
            if holding.clean and holding.permit_until < self.rows.now() + _LET_LAPSE:
                holding.forget()
                return

            def edit(box: Mailbox, _mark: str) -> tuple[Mailbox, None]:
                now = self.rows.now()
                order = holding.order(box, Order(self.holder, (), now, now), now=now)
                if box.permit(self.holder) is None:
                    return box, None  # done by a write whose answer was lost, or run out
                return box.released(self.holder, now, order.own, order.unused), None

            await self.rows.change(self.key(mailbox), edit)
            holding.forget()

    async def pause(self, mailbox: str, *, kind: PauseKind, reason: str, fix: str) -> float:
        """Sets the mailbox aside; until when."""

        def edit(box: Mailbox, _mark: str) -> tuple[Mailbox, float]:
            pause = paused(box.pause, self.rows.now(), kind=kind, reason=reason, fix=fix)
            return (box if pause is box.pause else replace(box, pause=pause)), pause.until

        async with self.holding(mailbox).lock:
            return await self.rows.change(self.key(mailbox), edit)

    async def end_probe(self, mailbox: str, *, worked: bool) -> None:
        """The mailbox works again, or the probe was not used. Writes only if it is paused."""

        def after(pause: Pause | None) -> Pause | None:
            if pause is None or not pause.in_force:
                return pause
            return pause.worked(self.rows.now()) if worked else pause.unprobed()

        def edit(box: Mailbox, _mark: str) -> tuple[Mailbox, None]:
            pause = after(box.pause)
            return (box if pause == box.pause else replace(box, pause=pause)), None

        known = self.box(mailbox).pause
        if after(known) == known:
            return
        async with self.holding(mailbox).lock:
            await self.rows.change(self.key(mailbox), edit)
