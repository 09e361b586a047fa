"""Governors of several processes over one table in memory, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from random import Random
from typing import Any

from bench.virtual import MemoryTable, virtual_now
from shared.errors import StorageUnavailableError
from shared.quota import Closed, Demand, Governor, QuotaLimits, Slot

ONE = Demand(recipients=1)
A, B = "a@contoso.test", "b@contoso.test"
LIMITS = QuotaLimits()


class Processes:
    """What the processes of a test share: rows, randomness, limits."""

    def __init__(self, limits: QuotaLimits = LIMITS, *, seed: int = 1) -> None:
        self.limits = limits
        self.random = Random(seed)
        self.table = MemoryTable(latency=lambda: self.random.uniform(0.002, 0.02))
        self._count = 0

    @property
    def transactions(self) -> int:
        return self.table.transactions.total()

    def start(self, *, skew: float = 0.0, fault: Any = None) -> Governor:
        """A new process; its clock is wrong by `skew` seconds."""
        self._count += 1
        table = self.table.client()
        table.fault = fault
        return Governor(
            table, self.limits, holder=f"process-{self._count}",
            clock=lambda: virtual_now() + timedelta(seconds=skew), random=self.random.random,
        )  # fmt: skip


def elapsed() -> float:
    return asyncio.get_running_loop().time()


def slots(answers: Sequence[Slot | Closed | None]) -> list[Slot]:
    return [answer for answer in answers if isinstance(answer, Slot)]


async def ask(
    governor: Governor, *mailboxes: str, count: int = 1, within: float = 5.0, demand: Demand = ONE
) -> list[Slot | Closed | None]:
    return await governor.reserve(mailboxes, [demand] * count, within=timedelta(seconds=within))


async def get(governor: Governor, *mailboxes: str, demand: Demand = ONE) -> Slot:
    """One slot, asked for until there is one."""
    for _ in range(10_000):
        (answer,) = await ask(governor, *mailboxes, demand=demand)
        if isinstance(answer, Slot):
            return answer
        assert answer is None, answer
        await asyncio.sleep(0.25)
    raise AssertionError("no slot came")


async def get_closed(governor: Governor, *mailboxes: str, demand: Demand = ONE) -> Closed:
    (answer,) = await ask(governor, *mailboxes, demand=demand)
    assert isinstance(answer, Closed), answer
    return answer


def seconds_until(slot: Slot) -> float:
    return (slot.at - virtual_now()).total_seconds()


async def unavailable(_name: str, _perform: Callable[[], Any]) -> Any:
    """A fault: storage does not answer, and has done nothing."""
    raise StorageUnavailableError("Storage does not answer.")


def losing_answers(
    random: Random, *, share: float
) -> Callable[[str, Callable[[], Any]], Awaitable[Any]]:
    """A fault: calls fail before or after they were done; some are repeated by the SDK, so that a
    write that was done looks like a lost race."""

    async def fault(name: str, perform: Callable[[], Any]) -> Any:
        await asyncio.sleep(random.uniform(0.002, 0.05))
        if random.random() >= share:
            return perform()
        how = random.choice(["before", "after", "repeated"])
        if how != "before":
            perform()
        if how == "repeated" and name == "write":
            return perform()  # refused, for its own ETag has changed
        raise StorageUnavailableError("Storage does not answer.")

    return fault
