"""The filter of addresses that may be suppressed: what it saves, and that it hides nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.virtual import run_virtual, virtual_now
from local.azurite import Azurite
from shared.errors import StorageUnavailableError
from shared.storage.connection import StorageConnection
from shared.storage.tables import Row, Table, Write
from shared.suppression import Suppression, SuppressionCheck, Suppressions
from shared.suppression.filter import BELIEVED, PARTITION, SuppressionFilter
from tests.faults.memory import Account, Line, MemoryTable
from tests.storage.account import StoppedClock, connect, running_azurite

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)
DEAD = Suppression(
    address="ana@example.com", scope="everything", reason="bounced", source="smtp", since=NOW
)


class Processes:
    """Suppressions of several processes over one account in memory."""

    def __init__(self) -> None:
        self.account = Account(virtual_now)
        self.lines: list[Line] = []

    def start(self) -> Suppressions:
        line = Line(Random(len(self.lines)))
        self.lines.append(line)
        nowhere: Any = None
        suppressions = Suppressions(nowhere)
        suppressions._table = MemoryTable(self.account, "suppressions", line)  # type: ignore[assignment]
        return suppressions


async def blocks(check: SuppressionCheck, address: str = DEAD.address) -> bool:
    return bool(await check.blocked([address], category="transactional", topic=""))


def in_virtual_time(test: Callable[[Processes], Any]) -> Callable[[], None]:
    def run() -> None:
        async def main() -> None:
            await test(Processes())

        run_virtual(main)

    run.__doc__, run.__name__ = test.__doc__, test.__name__
    return run


@in_virtual_time
async def test_who_is_not_suppressed_costs_one_read_in_a_second_and_a_half(
    processes: Processes,
) -> None:
    suppressions = processes.start()
    check = SuppressionCheck(suppressions, clock=virtual_now)
    await blocks(check)  # makes the filter
    await asyncio.sleep(2)
    before, started = processes.lines[0].steps, virtual_now()
    for number in range(500):
        assert not await blocks(check, f"reader-{number}@example.com")
    assert processes.lines[0].steps == before + 1
    assert virtual_now() - started < BELIEVED


@in_virtual_time
async def test_what_another_process_suppresses_counts_in_two_seconds(processes: Processes) -> None:
    one, other = processes.start(), processes.start()
    check = SuppressionCheck(one, clock=virtual_now)
    for number in range(20):
        address = f"reader-{number}@example.com"
        assert not await blocks(check, address)
        await other.add(replace(DEAD, address=address))
        await asyncio.sleep(2)
        assert await blocks(check, address)


@in_virtual_time
async def test_processes_that_suppress_at_once_hide_nothing_from_each_other(
    processes: Processes,
) -> None:
    everyone = [processes.start() for _ in range(4)]
    addresses = [f"reader-{number}@example.com" for number in range(60)]
    await asyncio.gather(
        *(everyone[n % 4].add(replace(DEAD, address=a)) for n, a in enumerate(addresses))
    )
    await asyncio.sleep(2)
    for suppressions in (*everyone, processes.start()):
        check = SuppressionCheck(suppressions, clock=virtual_now)
        found = await check.blocked(addresses, category="transactional", topic="")
        assert set(found) == set(addresses)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(1, 12),
    st.sampled_from(["die before", "die after", "fail", "lose the answer", "do it twice"]),
)
def test_a_row_that_is_there_is_found_whatever_happened_when_it_was_written(
    steps: int, trouble: Any
) -> None:
    async def main() -> None:
        processes = Processes()
        suppressions = processes.start()
        line = processes.lines[0]
        line.plan(steps, trouble)

        async def add() -> None:
            for number in range(3):
                await suppressions.add(replace(DEAD, address=f"r{number}@example.com"))

        task = asyncio.create_task(add())
        await asyncio.wait({task}, timeout=30)
        line.buried = True
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        stored = [
            row.values["address"]
            for (partition, _), row in processes.account.tables.get("suppressions", {}).items()
            if "address" in row.values
        ]
        check = SuppressionCheck(processes.start(), clock=virtual_now)
        found = await check.blocked(stored, category="transactional", topic="")
        assert set(found) == set(stored)

    run_virtual(main)


@in_virtual_time
async def test_rows_of_a_time_before_the_filter_are_found(processes: Processes) -> None:
    one = processes.start()
    for number in range(30):
        await one.add(replace(DEAD, address=f"r{number}@example.com"))
    rows = processes.account.tables["suppressions"]
    for place in [place for place in rows if place[0] == PARTITION]:
        del rows[place]
    check = SuppressionCheck(processes.start(), clock=virtual_now)
    for number in range(30):
        assert await blocks(check, f"r{number}@example.com")
    await processes.start().add(replace(DEAD, address="new@example.com"))
    await asyncio.sleep(2)
    assert await blocks(check, "new@example.com")
    assert await blocks(check, "r7@example.com")


@in_virtual_time
async def test_without_storage_nobody_is_taken_for_not_suppressed(processes: Processes) -> None:
    suppressions = processes.start()
    check = SuppressionCheck(suppressions, clock=virtual_now)
    await blocks(check)
    await asyncio.sleep(2)
    processes.lines[0].plan(1, "fail")
    with pytest.raises(StorageUnavailableError):
        await blocks(check)


@in_virtual_time
async def test_a_hundred_thousand_are_one_transaction_and_few_others_look_like_them(
    processes: Processes,
) -> None:
    suppressions = processes.start()
    filter_ = suppressions._filter
    await filter_.announce(f"gone-{number}@example.com" for number in range(100_000))
    assert processes.lines[0].steps <= 5  # to make the filter, and to announce
    others = {f"reader-{number}@example.com" for number in range(20_000)}
    assert len(await filter_.possible(others, now=virtual_now())) < 40
    gone = {f"gone-{number}@example.com" for number in range(0, 100_000, 97)}
    assert await filter_.possible(gone, now=virtual_now()) == gone


# On a real table


@pytest.fixture(scope="module")
async def azurite() -> AsyncIterator[Azurite]:
    async with running_azurite() as azurite:
        yield azurite


@pytest.fixture
async def storage(azurite: Azurite) -> AsyncIterator[StorageConnection]:
    storage = connect(azurite.connection_string)
    yield storage
    await storage.aclose()


async def test_a_table_of_before_becomes_the_filter_and_full_shards_fit(
    storage: StorageConnection,
) -> None:
    table, random = Table(storage, "filterofbefore"), Random(1)
    old = [f"old-{number}@example.com" for number in range(150)]
    for number, address in enumerate(old):
        row = Row(f"{number:02x}", f"k{number}", {"address": address})
        await table.write(Write("insert", row))
    one, other = SuppressionFilter(table), SuppressionFilter(table)
    keys = {f"k{number}" for number in range(len(old))}
    assert await one.possible([*keys, "nobody"], now=NOW) == keys
    many = [f"{random.getrandbits(64):x}@example.com" for _ in range(200_000)]
    await other.announce(many)
    late = NOW + BELIEVED + timedelta(seconds=1)
    assert await one.possible(set(many), now=late) == set(many)
    assert await one.possible(keys, now=late) == keys


async def test_what_this_process_announces_it_knows_at_once(storage: StorageConnection) -> None:
    suppressions, clock = Suppressions(storage), StoppedClock()
    check = SuppressionCheck(suppressions, clock=clock)
    assert not await blocks(check, "at-once@example.com")
    await suppressions.add(replace(DEAD, address="at-once@example.com"))
    assert await blocks(check, "at-once@example.com")


@in_virtual_time
async def test_many_who_ask_at_once_share_one_look_and_its_failure(processes: Processes) -> None:
    suppressions = processes.start()
    check = SuppressionCheck(suppressions, clock=virtual_now)
    await blocks(check)
    await asyncio.sleep(2)
    line = processes.lines[0]
    before = line.steps
    line.plan(1, "fail")
    answers = await asyncio.gather(
        *(blocks(check, f"r{number}@example.com") for number in range(50)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {StorageUnavailableError}
    assert line.steps == before + 1
    assert not await blocks(check)
