"""The gate: where the messages of this process wait for their slot, by lane.

The governor (`shared.quota`) knows what the mailboxes may send; the gate decides which of the
messages at hand goes first: lanes by their weights, within a lane what was accepted first. Messages
come here a few seconds before their turn. One that gets no slot in some seconds is told when to
come back, and waits on the queue; but the first of each line stay longer, so that a slot whose
message does not come (it was cancelled, or its queue is polled late) finds another one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from shared.quota import WEIGHTS, Closed, Demand, Lane, Slot

HOLD = timedelta(seconds=12)  # the usual longest wait in a running function, of each lane
_FIRST = (
    2  # of each line, or one a mailbox, are held on: slots of the next seconds are sure to be used
)
_FIRST_HOLD = timedelta(seconds=60)
_FIRST_IN_ALL = 24  # held on by this process: the others' places in the host are not theirs to take
# … where other processes have all connections of its mailboxes: they are to take the message.
_SHUT_OUT = timedelta(seconds=2)
WITHIN = timedelta(seconds=5)  # so far ahead are slots reserved…
WITHIN_URGENT = timedelta(seconds=8)  # …and where urgent ones wait, which are so sure to get one
AWAY = timedelta(seconds=4)  # the shortest time to be away
READY = timedelta(seconds=1)  # before its slot a message leaves the gate, for its session
_BATCH = 8  # demands shown to the governor at a time
_ASK_AGAIN = 0.25  # seconds; asking is free until the governor has news


class Slots(Protocol):
    """What the gate needs of the governor."""

    async def reserve(
        self, mailboxes: Sequence[str], demands: Sequence[Demand], *, within: timedelta
    ) -> list[Slot | Closed | None]: ...

    async def give_back(self, slots: Sequence[Slot]) -> None: ...

    def connects(self, mailboxes: Sequence[str]) -> bool: ...

    async def places(
        self, pool: Sequence[str], lane: Lane, count: int, *, again: bool = False
    ) -> list[datetime]: ...


@dataclass(frozen=True, slots=True)
class Refused:
    """No slot now; the message is to come back at `until`. `reason` and `fix` are for the operator,
    empty where the message just has to wait for its turn."""

    until: datetime
    reason: str = ""
    fix: str = ""


@dataclass(slots=True, eq=False)
class _Waiter:
    demand: Demand
    accepted: datetime
    since: datetime
    turn: "asyncio.Future[Slot | Refused]" = field(repr=False)
    nap: "asyncio.Future[None] | None" = field(default=None, repr=False)  # until its slot is near
    pressed: bool = False  # an urgent one that has made another give its slot up


class _Line:
    """Who waits for one pool of mailboxes, and the task that gets slots for them."""

    def __init__(self, gate: "Gate", pool: tuple[str, ...]) -> None:
        self._gate = gate
        self._pool = pool
        self._waiting: list[_Waiter] = []
        self._booked: dict[_Waiter, Slot] = {}  # whose slot is still ahead
        self._taken: dict[Lane, int] = dict.fromkeys(WEIGHTS, 0)
        self._worker: asyncio.Task[None] | None = None

    async def wait(self, waiter: _Waiter) -> Slot | Refused:
        try:
            while True:
                self._waiting.append(waiter)
                if self._worker is None or self._worker.done():
                    self._worker = asyncio.create_task(self._serve())
                answer = await waiter.turn
                if isinstance(answer, Refused) or await self._keeps(waiter, answer):
                    return answer
                waiter.turn = asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            elif waiter.turn.done() and not waiter.turn.cancelled():
                slot = waiter.turn.result()
                if isinstance(slot, Slot):
                    await self._gate.slots.give_back([slot])
            raise

    async def _keeps(self, waiter: _Waiter, slot: Slot) -> bool:
        """Waits until its slot is near (who goes before may need the session); False if an urgent
        message needed the slot."""
        ahead = (slot.at - READY - self._gate.now()).total_seconds()
        if ahead <= 0:
            return True
        waiter.nap = nap = asyncio.ensure_future(self._gate.sleep(ahead))
        if waiter.demand.lane != "high":
            self._booked[waiter] = slot
        try:
            await asyncio.wait({nap})
        finally:
            self._booked.pop(waiter, None)
            kept = not nap.cancelled()
            nap.cancel()
        return kept

    async def _press(self) -> None:
        """Each urgent message that comes makes another one give up the next slot: what this
        process has reserved ahead is no reason to wait."""
        for urgent in list(self._waiting):
            if urgent.demand.lane != "high" or urgent.pressed or not self._booked:
                continue
            urgent.pressed = True
            loser = min(self._booked, key=lambda waiter: self._booked[waiter].at)
            slot = self._booked.pop(loser)
            if loser.nap is not None and loser.nap.cancel():
                await self._gate.slots.give_back([slot])

    async def _serve(self) -> None:
        """Reserves for those at the front until nobody waits."""
        while front := self._front():
            urgent = any(waiter.demand.lane == "high" for waiter in front)
            within = WITHIN_URGENT if urgent else WITHIN
            try:
                await self._press()
                answers = await self._gate.slots.reserve(
                    self._pool, [w.demand for w in front], within=within
                )
            except Exception as error:  # noqa: BLE001 (it is the waiters' to handle)
                for waiter in self._drain():
                    waiter.turn.set_exception(error)
                return
            unused = self._hand_out(front, answers)
            if unused:
                await self._gate.slots.give_back(unused)
            if not any(isinstance(answer, Slot) for answer in answers):
                await self._send_away()
                if self._waiting:
                    await self._gate.sleep(_ASK_AGAIN)

    def _front(self, count: int = _BATCH) -> list[_Waiter]:
        """The next waiters, in the order in which their lanes have turns."""
        taken = dict(self._taken)
        lanes: dict[Lane, list[_Waiter]] = {lane: [] for lane in WEIGHTS}
        for waiter in sorted(filter(self._waits, self._waiting), key=lambda w: w.accepted):
            lanes[waiter.demand.lane].append(waiter)
        front: list[_Waiter] = []
        while len(front) < count and any(lanes.values()):
            lane = min(
                (name for name, line in lanes.items() if line),
                key=lambda name: ((taken[name] + 1) / WEIGHTS[name], -WEIGHTS[name]),
            )
            if lane == "high" and front and front[-1].demand.lane != "high":
                break  # another lane's turn comes first: what is urgent would book beyond it
            front.append(lanes[lane].pop(0))
            taken[lane] += 1
        return front

    def _hand_out(
        self, front: list[_Waiter], answers: Sequence[Slot | Closed | None]
    ) -> list[Slot]:
        """Gives the waiters their answers; returns slots whose waiter has gone meanwhile.

        The governor reserves a few at a time: who got nothing behind one that did waits on.
        """
        unused = [
            answer
            for waiter, answer in zip(front, answers, strict=True)
            if isinstance(answer, Slot) and not self._waits(waiter)
        ]
        for waiter, answer in zip(front, answers, strict=True):
            if answer is None or not self._waits(waiter):
                continue
            self._waiting.remove(waiter)
            if isinstance(answer, Slot):
                self._count(waiter.demand.lane)
                waiter.turn.set_result(answer)
            else:
                waiter.turn.set_result(Refused(answer.until, answer.reason, answer.fix))
        return unused

    def _waits(self, waiter: _Waiter) -> bool:
        """Whether it is still there: one that was cancelled leaves when its task runs again."""
        return waiter in self._waiting and not waiter.turn.done()

    async def _send_away(self) -> None:
        """Those who have waited long enough, and are not among the first, are to come again."""
        now = self._gate.now()
        if not self._gate.slots.connects(self._pool):
            self._hand_back(now)
            return
        first = (
            self._front(max(_FIRST, len(self._pool)))
            if self._gate.kept_on(self) < _FIRST_IN_ALL
            else []
        )
        late = [
            waiter for waiter in self._waiting
            if self._waits(waiter) and now - waiter.since
            >= (_FIRST_HOLD if waiter in first else HOLD)
        ]  # fmt: skip
        for lane in WEIGHTS:
            gone = [waiter for waiter in late if waiter.demand.lane == lane]
            if gone:
                await self._put_off(gone, lane, now)

    def _hand_back(self, now: datetime) -> None:
        """Those that cannot be sent from here go back to the queue, for whoever can."""
        for waiter in list(self._waiting):
            if self._waits(waiter) and now - waiter.since >= _SHUT_OUT:
                self._waiting.remove(waiter)
                waiter.turn.set_result(Refused(now + AWAY))

    async def _put_off(self, gone: Sequence[_Waiter], lane: Lane, now: datetime) -> None:
        for waiter in gone:
            self._waiting.remove(waiter)
        try:
            places = await self._gate.slots.places(self._pool, lane, len(gone), again=True)
        except Exception:  # noqa: BLE001 (whatever it is, the message is to come again)
            places = [now + HOLD] * len(gone)
        for waiter, place in zip(gone, places, strict=True):
            if not waiter.turn.done():
                waiter.turn.set_result(Refused(max(place, now + AWAY)))

    @property
    def held_on(self) -> int:
        """How many wait for longer than is usual."""
        now = self._gate.now()
        return sum(now - waiter.since >= HOLD for waiter in self._waiting)

    def _count(self, lane: Lane) -> None:
        """Notes a turn; turns are forgotten when nobody else waits, so that an idle lane saves
        up no more than one round."""
        self._taken[lane] += 1
        if sum(self._taken.values()) >= sum(WEIGHTS.values()):
            self._taken = dict.fromkeys(WEIGHTS, 0)

    def _drain(self) -> list[_Waiter]:
        gone, self._waiting = self._waiting, []
        return [waiter for waiter in gone if not waiter.turn.done()]


class Gate:
    """The lines of all pools. Belongs to one event loop."""

    def __init__(
        self,
        slots: Slots,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.slots = slots
        self.now = clock
        self.sleep = sleep
        self._lines: dict[tuple[str, ...], _Line] = {}

    async def enter(
        self, pool: Sequence[str], demand: Demand, *, accepted: datetime | None = None
    ) -> Slot | Refused:
        """Waits for a slot of one of the mailboxes; returns it shortly before its time (use
        `until`), or tells when to come again. accepted: since when the message waits in all."""
        key = tuple(sorted(pool))
        line = self._lines.setdefault(key, _Line(self, key))
        now = self.now()
        turn: asyncio.Future[Slot | Refused] = asyncio.get_running_loop().create_future()
        return await line.wait(_Waiter(demand, accepted or now, now, turn))

    def kept_on(self, line: _Line) -> int:
        """How many of the other lines' messages wait for longer than is usual."""
        return sum(other.held_on for other in self._lines.values() if other is not line)

    async def until(self, slot: Slot) -> None:
        """Waits until the slot's time has come."""
        ahead = (slot.at - self.now()).total_seconds()
        if ahead > 0:
            await self.sleep(ahead)

    async def give_back(self, slot: Slot) -> None:
        """Returns a slot that was not used."""
        await self.slots.give_back([slot])
