"""Many processes, at random: wrong clocks, crashes, lost answers. The server is the judge."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.fleet import Message, Server
from bench.virtual import run_virtual, virtual_now
from local.office365.tenant import Limits
from shared.errors import StorageUnavailableError
from shared.quota import Demand, Governor, Lane, QuotaLimits, Slot
from tests.quota.processes import A, Processes, ask, elapsed, losing_answers, slots, unavailable

SECONDS = 1200

LANES: tuple[Lane, ...] = ("high", "normal", "low")


@dataclass
class Process:
    """One instance, until it is killed. Its clock is wrong by `skew` seconds."""

    governor: Governor
    pool: Sequence[str]
    server: Server
    random: Random
    number: int
    skew: float
    pause: float
    naps: bool
    sessions: dict[str, asyncio.Lock] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def clock(self) -> datetime:
        return virtual_now() + timedelta(seconds=self.skew)

    def start(self) -> None:
        for main in (self.work(), self.keep()):
            self._spawn(main)

    def _spawn(self, main: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(main)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def kill(self) -> None:
        """The process is gone between two instructions, its connections with it."""
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        for mailbox in self.sessions:
            self.server.close_session(mailbox)

    async def work(self) -> None:
        while True:
            demands = [self.demand() for _ in range(self.random.randint(1, 6))]
            try:
                answers = await self.governor.reserve(
                    self.pool, demands, within=timedelta(seconds=self.random.choice([1, 5, 10]))
                )
            except StorageUnavailableError:
                answers = []
            for slot in slots(answers):
                self._spawn(self.hand_over(slot))
            nap = self.naps and self.random.random() < 0.02
            await asyncio.sleep(self.random.uniform(0, 4000 if nap else self.pause))

    def demand(self) -> Demand:
        recipients = self.random.choice([1, 1, 1, 2, 5])
        return Demand(
            recipients, external=self.random.randint(0, recipients),
            onmicrosoft=False, lane=self.random.choice(LANES),
        )  # fmt: skip

    async def hand_over(self, slot: Slot) -> None:
        if self.random.random() < 0.15:
            await asyncio.sleep(self.random.uniform(0, 3))
            await self.governor.give_back([slot])
            return
        await asyncio.sleep(max(0.0, (slot.at - self.clock()).total_seconds()))
        lock = self.sessions.get(slot.mailbox)
        if lock is None:
            assert self.governor.permit_until(slot.mailbox) is not None
            lock = self.sessions[slot.mailbox] = asyncio.Lock()
            self.server.open_session(slot.mailbox)
        async with lock:
            if self.clock() > slot.latest:
                self.governor.late(slot, self.clock())
            await asyncio.sleep(self.random.uniform(0.02, 0.15))
            self.server.submit(slot.mailbox, Message("normal", slot.demand, self.number))

    async def keep(self) -> None:
        while True:
            await asyncio.sleep(20)
            for mailbox in await self.governor.keep(list(self.sessions)):
                async with self.sessions.pop(mailbox):
                    self.server.close_session(mailbox)


async def run(
    seed: int,
    *,
    count: int,
    boxes: int,
    faults: float,
    skews: list[float],
    pause: float,
    naps: bool = True,
) -> Server:
    """Twenty minutes of `count` processes, each of which is killed and replaced now and then."""
    random = Random(seed)
    processes = Processes(QuotaLimits(recipients_per_day=600, external=900), seed=seed)
    server = Server(Limits(recipients_per_day=600, tenant_external_recipients_per_day=900))
    pool = [f"m{n}@contoso.test" for n in range(boxes)]

    def start(n: int) -> Process:
        skew = skews[n % len(skews)]
        governor = processes.start(
            skew=skew, fault=losing_answers(random, share=faults) if faults else None
        )
        process = Process(governor, pool, server, random, n, skew, pause, naps)
        process.start()
        return process

    running = [start(n) for n in range(count)]
    while elapsed() < SECONDS:
        await asyncio.sleep(random.expovariate(1 / 300))
        victim = random.randrange(count)
        await running[victim].kill()
        running[victim] = start(victim)
    for process in running:
        await process.kill()
    return server


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 10**6), count=st.integers(1, 4), boxes=st.integers(1, 4),
    pause=st.sampled_from([0.3, 2.0, 20.0]),
)  # fmt: skip
def test_no_limit_is_overrun_whoever_crashes_when(
    seed: int, count: int, boxes: int, pause: float
) -> None:
    server = run_virtual(
        lambda: run(seed, count=count, boxes=boxes, faults=0.0, skews=[0.0], pause=pause)
    )
    assert not server.counters.over_limit
    assert max(server.counters.concurrent_max.values(), default=0) <= 3
    assert len(server.taken) > 10


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10**6), boxes=st.integers(1, 3), faults=st.floats(0.01, 0.2))
def test_nor_when_storage_loses_requests_and_answers(seed: int, boxes: int, faults: float) -> None:
    server = run_virtual(
        lambda: run(seed, count=3, boxes=boxes, faults=faults, skews=[0.0], pause=2.0)
    )
    assert not server.counters.over_limit
    assert max(server.counters.concurrent_max.values(), default=0) <= 3


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10**6), skew=st.sampled_from([-300.0, -2.0, 2.0, 30.0, 300.0]))
def test_nor_when_one_clock_is_minutes_off(seed: int, skew: float) -> None:
    server = run_virtual(
        lambda: run(
            seed, count=3, boxes=2, faults=0.0, skews=[0.0, skew, 0.0], pause=1.0, naps=False
        )
    )
    assert not server.counters.over_limit
    assert max(server.counters.concurrent_max.values(), default=0) <= 3
    shares = Counter(message.accepted for _, _, message in server.taken)
    assert all(shares[n] >= 10 for n in range(3))  # and nobody keeps the others away


def test_the_judge_sees_what_goes_too_far() -> None:
    async def main() -> Server:
        server = Server(Limits())
        for _ in range(31):
            server.submit(A, Message("normal", Demand(recipients=1), 0.0))
        return server

    assert run_virtual(main).counters.over_limit == {"messages_per_minute": 1}


def test_after_crashes_nothing_is_leaked_for_longer_than_the_lease() -> None:
    async def main() -> None:
        processes = Processes()
        for _ in range(10):
            dead = [processes.start() for _ in range(3)]
            await asyncio.gather(*(ask(g, A, count=8) for g in dead))
            await asyncio.sleep(processes.random.uniform(0, 91))
        await asyncio.sleep(90)
        governor, got, begun = processes.start(), 0, elapsed()
        while elapsed() < begun + 60:
            got += sum(
                (s.at - virtual_now()).total_seconds() + elapsed() < begun + 60
                for s in slots(await ask(governor, A, count=8))
            )
            await asyncio.sleep(0.25)
        assert got == 30
        assert await governor.allow(A, 3) == 3

    run_virtual(main)


def test_an_order_of_unknown_result_is_counted_once_and_its_slots_are_used() -> None:
    async def main() -> None:
        processes = Processes(QuotaLimits(recipients_per_day=100))
        table = processes.table.client()
        governor = Governor(
            table, processes.limits, holder="a", clock=virtual_now, random=processes.random.random
        )
        await ask(governor, A)  # the rows are known, the permit is held
        await asyncio.sleep(1)

        async def lose(_name: str, perform: Callable[[], Any]) -> Any:
            perform()
            raise StorageUnavailableError("The answer was lost.")

        table.fault = lose
        with pytest.raises(StorageUnavailableError):
            await ask(governor, A, demand=Demand(recipients=60))
        table.fault = None
        (slot,) = await ask(governor, A, demand=Demand(recipients=60))
        assert isinstance(slot, Slot)
        await asyncio.sleep(2)
        view = await governor.view([A])
        assert view["mailboxes"][0]["recipients_24h"]["used"] == 61

    run_virtual(main)


def test_storage_that_is_away_is_told_and_nothing_is_reserved() -> None:
    async def main() -> None:
        processes = Processes()
        governor = processes.start(fault=unavailable)
        with pytest.raises(StorageUnavailableError):
            await ask(governor, A)
        with pytest.raises(StorageUnavailableError):
            await governor.pause(A, kind="service", reason="421", fix="")
        await governor.aclose()
        assert processes.table.rows == {}

    run_virtual(main)
