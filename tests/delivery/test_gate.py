"""The gate: who of those that wait gets the next slot, and who is sent away."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from bench.virtual import MemoryTable, run_virtual, virtual_now
from shared.delivery.gate import AWAY, HOLD, READY, WITHIN, WITHIN_URGENT, Gate, Refused
from shared.errors import StorageUnavailableError
from shared.quota import WEIGHTS, Closed, Demand, Governor, Lane, QuotaLimits, Slot
from tests.storage.account import StoppedClock

POOL = ("billing@contoso.test", "alerts@contoso.test")
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
SHUT = Closed(NOW + timedelta(minutes=5), "550 5.1.90 Quota exceeded", "Wait.")

type Answers = Sequence[Slot | Closed | None]


class Scarce:
    """Gives slots to the first few of each call: so many as `give` says."""

    def __init__(self, give: Callable[[], int] = lambda: 1) -> None:
        self.give = give
        self.closed: Closed | None = None
        self.errors: list[Exception] = []
        self.open = asyncio.Event()
        self.open.set()
        self.calls: list[tuple[tuple[str, ...], list[Demand], timedelta]] = []
        self.returned: list[Slot] = []
        self.place = NOW + timedelta(hours=1)
        self.put_off: list[tuple[Lane, int, bool]] = []

    def connects(self, mailboxes: Sequence[str]) -> bool:
        return True

    async def places(
        self, pool: Sequence[str], lane: Lane, count: int, *, again: bool = False
    ) -> list[datetime]:
        self.put_off.append((lane, count, again))
        return [self.place + timedelta(seconds=number) for number in range(count)]

    async def reserve(
        self, mailboxes: Sequence[str], demands: Sequence[Demand], *, within: timedelta
    ) -> list[Slot | Closed | None]:
        self.calls.append((tuple(mailboxes), list(demands), within))
        await self.open.wait()
        if self.errors:
            raise self.errors.pop(0)
        given = self.give()
        return [
            Slot(mailboxes[0], NOW, demand) if number < given else self.closed
            for number, demand in enumerate(demands)
        ]

    async def give_back(self, slots: Sequence[Slot]) -> None:
        self.returned.extend(slots)


class Door:
    """A gate over scarce slots; `came` tells the lanes in the order of their slots."""

    def __init__(self, slots: Scarce) -> None:
        self.slots = slots
        self.clock = StoppedClock(NOW)
        self.gate = Gate(slots, clock=self.clock, sleep=self._sleep)
        self.came: list[Lane] = []

    async def _sleep(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)
        await asyncio.sleep(0)

    async def enter(self, lane: Lane = "normal") -> Slot | Refused:
        answer = await self.gate.enter(POOL, Demand(1, lane=lane))
        if isinstance(answer, Slot):
            self.came.append(lane)
        return answer

    def wait(self, *lanes: Lane) -> list["asyncio.Task[Slot | Refused]"]:
        return [asyncio.create_task(self.enter(lane)) for lane in lanes]


def many(lane: Lane, count: int) -> list[Lane]:
    return [lane] * count


async def rest() -> None:
    """Lets everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


# Order


async def test_who_came_first_goes_first_within_a_lane() -> None:
    slots = Scarce()
    gate = Gate(slots, clock=StoppedClock(NOW))
    demands = [Demand(recipients) for recipients in range(1, 31)]
    answers = await asyncio.gather(*(gate.enter(POOL, demand) for demand in demands))
    assert [a.demand for a in answers if isinstance(a, Slot)] == demands
    assert [shown[0] for _, shown, _ in slots.calls] == demands


async def test_of_sixteen_turns_high_has_twelve_normal_three_and_low_one() -> None:
    door = Door(Scarce())
    await asyncio.gather(*door.wait(*many("low", 40), *many("normal", 40), *many("high", 40)))
    share = sum(WEIGHTS.values())
    for begin in range(0, 3 * share, share):
        assert Counter(door.came[begin : begin + share]) == WEIGHTS
    assert door.came[0] == "high"
    high_gone = max(number for number, lane in enumerate(door.came) if lane == "high")
    assert high_gone <= 40 * share / WEIGHTS["high"]


async def test_two_lanes_share_as_their_weights_do() -> None:
    door = Door(Scarce())
    await asyncio.gather(*door.wait(*many("low", 30), *many("normal", 30)))
    assert Counter(door.came[:12]) == {"normal": 9, "low": 3}


@pytest.mark.parametrize("given", [1, 3, 8])
async def test_the_order_does_not_depend_on_how_many_slots_come_at_a_time(given: int) -> None:
    door = Door(Scarce(lambda: given))
    await asyncio.gather(*door.wait(*many("low", 16), *many("normal", 16), *many("high", 16)))
    assert Counter(door.came[:16]) == WEIGHTS
    assert len(door.came) == 48


async def test_a_lane_that_was_idle_has_not_saved_up_turns() -> None:
    door = Door(Scarce())
    await asyncio.gather(*door.wait(*many("high", 100)))
    door.came.clear()
    await asyncio.gather(*door.wait(*many("low", 20), *many("high", 20)))
    assert Counter(door.came[:16])["high"] >= 11
    assert "high" in door.came[:2]


async def test_one_who_comes_while_others_wait_overtakes_by_its_lane() -> None:
    slots = Scarce()
    slots.open.clear()
    door = Door(slots)
    waiting = door.wait(*many("low", 20))
    await rest()
    waiting += door.wait("high")
    slots.open.set()
    await asyncio.gather(*waiting)
    assert door.came.index("high") <= 1  # one was being served when it came


async def test_a_few_are_shown_at_a_time() -> None:
    door = Door(Scarce(lambda: 99))
    await asyncio.gather(*door.wait(*many("normal", 20)))
    assert [len(shown) for _, shown, _ in door.slots.calls] == [8, 8, 4]


async def test_pools_do_not_wait_for_each_other_and_their_order_is_no_matter() -> None:
    slots = Scarce()
    slots.open.clear()
    gate = Gate(slots, clock=StoppedClock(NOW))
    pools = [("a", "b"), ("b", "a"), ("c",)]
    waiting = [asyncio.create_task(gate.enter(pool, Demand(1))) for pool in pools]
    await rest()
    assert sorted(pool for pool, _, _ in slots.calls) == [("a", "b"), ("c",)]
    slots.open.set()
    await asyncio.gather(*waiting)
    assert [pool for pool, _, _ in slots.calls].count(("a", "b")) == 2


# Holding, and sending away


@pytest.mark.parametrize(
    ("lane", "within"), [("high", WITHIN_URGENT), ("normal", WITHIN), ("low", WITHIN)]
)
async def test_a_slot_is_looked_for_in_the_next_seconds(lane: Lane, within: timedelta) -> None:
    door = Door(Scarce())
    await door.enter(lane)
    assert [asked for _, _, asked in door.slots.calls] == [within]
    assert timedelta(seconds=5) == WITHIN < WITHIN_URGENT == timedelta(seconds=8)


@pytest.mark.parametrize("lane", ["high", "normal", "low"])
async def test_where_there_is_no_slot_all_but_the_first_are_sent_away_after_a_time(
    lane: Lane,
) -> None:
    door = Door(Scarce(lambda: 0))
    waiting = door.wait(*many(lane, 20))
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    await rest()
    assert [task.done() for task in waiting] == [False] * 2 + [True] * 18
    assert HOLD <= door.clock.now - NOW < HOLD + timedelta(seconds=4)
    assert len(door.slots.calls) < 80  # it asks again a few times a second
    answers = [await task for task in waiting]
    places = [door.slots.place + timedelta(seconds=number) for number in range(18)]
    assert answers[2:] == [Refused(place) for place in places]
    assert door.slots.put_off[0] == (lane, 18, True)
    assert timedelta(seconds=60) <= door.clock.now - NOW < timedelta(seconds=62)


async def test_what_is_held_on_in_all_lines_has_a_limit() -> None:
    door = Door(Scarce(lambda: 0))
    pools = [(f"{number}@contoso.test",) for number in range(30)]
    gone: list[timedelta] = []
    waiting = [
        asyncio.create_task(door.gate.enter(pool, Demand(1))) for pool in pools for _ in range(3)
    ]
    for task in waiting:
        task.add_done_callback(lambda _: gone.append(door.clock.now - NOW))
    await asyncio.gather(*waiting)
    held = sum(time > timedelta(seconds=50) for time in gone)
    assert 0 < held <= 26


async def test_who_is_sent_away_stays_away_for_a_while() -> None:
    slots = Scarce(lambda: 0)
    slots.place = NOW
    door = Door(slots)
    answers = await asyncio.gather(*door.wait(*many("normal", 3)))
    away = [answer.until - NOW for answer in answers if isinstance(answer, Refused)]
    assert len(away) == 3
    assert min(away) >= HOLD + AWAY


async def test_without_places_there_is_another_time_all_the_same() -> None:
    class Placeless(Scarce):
        async def places(
            self, pool: Sequence[str], lane: Lane, count: int, *, again: bool = False
        ) -> list[datetime]:
            raise StorageUnavailableError("Storage does not answer.")

    answers = await asyncio.gather(*Door(Placeless(lambda: 0)).wait(*many("normal", 3)))
    assert all(isinstance(answer, Refused) and answer.until > NOW for answer in answers)


async def test_where_others_have_all_connections_a_message_goes_back_for_them_to_take() -> None:
    class ShutOut(Scarce):
        def connects(self, mailboxes: Sequence[str]) -> bool:
            return False

    door = Door(ShutOut(lambda: 0))
    answers = await asyncio.gather(*door.wait("normal", "high", "low"))
    assert door.clock.now - NOW < timedelta(seconds=3)
    assert {a.until for a in answers if isinstance(a, Refused)} == {door.clock.now + AWAY}
    assert door.slots.put_off == []  # it takes no place of another one


async def test_who_came_later_waits_longer() -> None:
    door = Door(Scarce(lambda: 0))
    (first,) = door.wait("normal")
    while door.clock.now < NOW + timedelta(seconds=3):
        await asyncio.sleep(0)
    (second,) = door.wait("normal")
    assert isinstance(await first, Refused)
    assert not second.done()
    assert isinstance(await second, Refused)
    assert door.clock.now >= NOW + timedelta(seconds=63)


async def test_what_was_accepted_first_goes_first_whenever_it_comes() -> None:
    slots = Scarce()
    slots.open.clear()
    gate = Gate(slots, clock=StoppedClock(NOW))
    came: list[int] = []

    async def enter(minutes: int) -> None:
        accepted = NOW - timedelta(minutes=minutes)
        await gate.enter(POOL, Demand(1), accepted=accepted)
        came.append(minutes)

    waiting = [asyncio.create_task(enter(minutes)) for minutes in (9, 5, 7, 30)]
    await rest()
    slots.open.set()
    await asyncio.gather(*waiting)
    assert came == [30, 9, 7, 5]


async def test_a_slot_ahead_is_held_until_shortly_before_its_time() -> None:
    class Later(Scarce):
        async def reserve(
            self, mailboxes: Sequence[str], demands: Sequence[Demand], *, within: timedelta
        ) -> list[Slot | Closed | None]:
            return [Slot(mailboxes[0], NOW + timedelta(seconds=4), d) for d in demands]

    door = Door(Later())
    assert isinstance(await door.enter(), Slot)
    assert door.clock.now == NOW + timedelta(seconds=4) - READY


async def test_a_slot_that_comes_up_meanwhile_is_taken() -> None:
    supply = itertools.chain([2, 0, 0, 1, 0, 1], itertools.repeat(0))
    door = Door(Scarce(lambda: next(supply)))
    answers = await asyncio.gather(*door.wait(*many("normal", 5)))
    assert [isinstance(answer, Slot) for answer in answers] == [True] * 4 + [False]


async def test_a_closed_pool_says_until_when_why_and_what_to_do() -> None:
    slots = Scarce(lambda: 0)
    slots.closed = SHUT
    answers = await asyncio.gather(*Door(slots).wait("normal", "high"))
    assert set(answers) == {Refused(SHUT.until, SHUT.reason, SHUT.fix)}


async def test_one_who_is_refused_for_itself_does_not_hold_up_the_others() -> None:
    class Picky(Scarce):
        async def reserve(
            self, mailboxes: Sequence[str], demands: Sequence[Demand], *, within: timedelta
        ) -> list[Slot | Closed | None]:
            return [SHUT if d.external else Slot(mailboxes[0], NOW, d) for d in demands]

    gate = Gate(Picky(), clock=StoppedClock(NOW))
    outside, inside = await asyncio.gather(
        gate.enter(POOL, Demand(1, external=1)), gate.enter(POOL, Demand(1))
    )
    assert outside == Refused(SHUT.until, SHUT.reason, SHUT.fix)
    assert isinstance(inside, Slot)


async def test_an_error_is_told_to_everybody_and_the_next_may_enter() -> None:
    slots = Scarce()
    slots.errors.append(StorageUnavailableError("Storage does not answer."))
    door = Door(slots)
    answers = await asyncio.gather(*door.wait(*many("normal", 12)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StorageUnavailableError] * 12
    assert isinstance(await door.enter(), Slot)


# Leaving


async def test_who_leaves_while_a_slot_is_looked_for_costs_nobody_the_slot() -> None:
    slots = Scarce(lambda: 2)
    slots.open.clear()
    door = Door(slots)
    first, second, third = door.wait("normal", "normal", "normal")
    await rest()
    first.cancel()
    await rest()
    slots.open.set()
    assert isinstance(await second, Slot)
    assert isinstance(await third, Slot)
    assert first.cancelled()
    assert len(slots.returned) == 1


async def test_who_leaves_in_the_moment_of_its_slot_gives_it_back() -> None:
    slots = Scarce()
    slots.open.clear()
    door = Door(slots)
    (leaving,) = door.wait("normal")
    await rest()
    slots.open.set()
    for _ in range(20):
        await asyncio.sleep(0)
        leaving.cancel()
        if leaving.done():
            break
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await rest()
    assert len(slots.returned) == 1


@pytest.mark.parametrize("moment", range(8))
async def test_whenever_somebody_leaves_no_slot_is_lost(moment: int) -> None:
    """Every slot that was given is with somebody who stayed, or was given back."""
    given = 0

    def one() -> int:
        nonlocal given
        given += 1
        return 1

    door = Door(Scarce(one))
    tasks = door.wait(*many("normal", 6))
    for _ in range(moment):
        await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    await rest()
    kept = sum(isinstance(answer, Slot) for answer in answers)
    assert kept >= 3
    assert kept + len(door.slots.returned) == given


# Until the slot's time


@pytest.mark.parametrize(("ahead", "slept"), [(-1.0, []), (0.0, []), (2.5, [2.5])])
async def test_a_slot_is_waited_for(ahead: float, slept: list[float]) -> None:
    naps: list[float] = []

    async def sleep(seconds: float) -> None:
        naps.append(seconds)

    gate = Gate(Scarce(), clock=StoppedClock(NOW), sleep=sleep)
    await gate.until(Slot("a", NOW + timedelta(seconds=ahead), Demand(1)))
    assert naps == slept


async def test_an_unused_slot_goes_back() -> None:
    door = Door(Scarce())
    slot = await door.enter()
    assert isinstance(slot, Slot)
    await door.gate.give_back(slot)
    assert door.slots.returned == [slot]


# With the governor, at 30 messages a minute


def test_an_urgent_message_overtakes_a_backlog() -> None:
    """Whoever waits for a mailbox whose slots are taken: the urgent one goes within three of them,
    and what it overtook has to come again."""

    async def main() -> None:
        gate = Gate(
            Governor(MemoryTable(), QuotaLimits(), holder="one", clock=virtual_now),
            clock=virtual_now,
        )
        came: list[tuple[float, Lane]] = []
        numbers = itertools.count()

        async def message(lane: Lane) -> None:
            next(numbers)
            while True:
                slot = await gate.enter(POOL[:1], Demand(1, lane=lane))
                if isinstance(slot, Slot):
                    await gate.until(slot)
                    came.append((asyncio.get_running_loop().time(), lane))
                    return
                await asyncio.sleep(2.5)

        backlog = [asyncio.create_task(message("low")) for _ in range(60)]
        backlog += [asyncio.create_task(message("normal")) for _ in range(60)]
        await asyncio.sleep(30)
        for _ in range(5):
            begun = asyncio.get_running_loop().time()
            await message("high")
            assert asyncio.get_running_loop().time() - begun <= 3 * 2.01
            await asyncio.sleep(7)
        await asyncio.gather(*backlog)
        times = sorted(time for time, _ in came)
        assert len(times) == next(numbers)
        assert all(later - time > 60 for time, later in zip(times, times[30:], strict=False))
        lanes = Counter(lane for time, lane in came if 60 < time < 180)
        assert lanes["normal"] > lanes["low"] > 0

    run_virtual(main)
