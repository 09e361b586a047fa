"""Compare-and-swap: races, lost answers, storage that is away."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Self

import pytest

from bench.virtual import MemoryTable, run_virtual, virtual_now
from shared.errors import ChangedError, StorageUnavailableError
from shared.quota.rows import Key, Rows, row_key
from tests.quota.processes import losing_answers


@dataclass(frozen=True, slots=True)
class Tally:
    """A count, and who wrote it last of each holder."""

    count: int = 0
    marks: tuple[tuple[str, str], ...] = ()

    @classmethod
    def decode(cls, text: str) -> Self:
        if not text:
            return cls()
        count, marks = json.loads(text)
        return cls(count, tuple((h, m) for h, m in marks))

    def encode(self) -> str:
        return json.dumps([self.count, self.marks])

    def mark(self, holder: str) -> str:
        return dict(self.marks).get(holder, "")

    def up(self, holder: str, mark: str) -> "Tally":
        return Tally(self.count + 1, tuple({**dict(self.marks), holder: mark}.items()))


KEY = Key("tally", Tally)


def rows(table: MemoryTable, seed: int = 1) -> Rows:
    return Rows(table, lambda: virtual_now().timestamp(), Random(seed).random)


async def count_up(rows: Rows, holder: str) -> int:
    def edit(tally: Tally, mark: str) -> tuple[Tally, int]:
        return tally.up(holder, mark), tally.count + 1

    return await rows.change(KEY, edit, mark_of=lambda tally: tally.mark(holder))


def stored(table: MemoryTable) -> int:
    (row,) = table.rows.values()
    return Tally.decode(row.values["state"]).count


def test_many_processes_lose_no_change() -> None:
    async def main() -> None:
        random = Random(5)
        table = MemoryTable(latency=lambda: random.uniform(0.001, 0.03))

        async def process(n: int) -> None:
            mine = rows(table.client(), n)
            for _ in range(10):
                await asyncio.sleep(random.uniform(0, 0.4))
                await count_up(mine, f"holder-{n}")

        await asyncio.gather(*(process(n) for n in range(4)))
        assert stored(table) == 40
        assert table.lost["write"] > 0

    run_virtual(main)


@pytest.mark.parametrize("seed", range(8))
def test_an_answer_that_was_lost_is_not_written_twice(seed: int) -> None:
    """The SDK repeats a write whose answer it did not get; the repetition looks like a lost race.

    Each change that returned has been made once; each that raised, once or not at all."""

    async def main() -> None:
        random, table, done, raised = Random(seed), MemoryTable(), 0, 0

        async def process(n: int) -> tuple[int, int]:
            client = table.client()
            client.fault = losing_answers(random, share=0.3)
            mine, done, raised = rows(client, n), 0, 0
            while done < 30:
                await asyncio.sleep(random.uniform(0, 0.3))
                try:
                    await count_up(mine, f"holder-{n}")
                    done += 1
                except StorageUnavailableError:
                    raised += 1
            return done, raised

        for one, other in await asyncio.gather(process(1), process(2)):
            done, raised = done + one, raised + other
        assert raised > 0
        assert done <= stored(table) <= done + raised

    run_virtual(main)


def test_an_edit_that_changes_nothing_writes_nothing() -> None:
    async def main() -> None:
        table = MemoryTable()
        mine = rows(table)
        assert await mine.change(KEY, lambda tally, _: (tally, "same")) == "same"
        assert table.transactions["write"] == 0

    run_virtual(main)


def test_a_race_that_is_always_lost_ends() -> None:
    async def main() -> None:
        table = MemoryTable()
        mine, other = rows(table.client()), rows(table.client(), 2)
        await count_up(mine, "a")

        async def faster(name: str, perform: Callable[[], Any]) -> Any:
            if name == "write":
                await count_up(other, "b")
            return perform()

        client = table.client()
        client.fault = faster
        with pytest.raises(ChangedError, match="Too many instances"):
            await count_up(rows(client), "c")

    run_virtual(main)


def test_all_rows_are_read_by_one_transaction_and_own_writes_are_not_forgotten() -> None:
    async def main() -> None:
        table = MemoryTable()
        mine, other = rows(table.client()), rows(table.client(), 2)
        keys = [Key(f"tally:{n}", Tally) for n in range(30)]
        for key in keys:
            await other.change(key, lambda tally, mark: (tally.up("b", mark), None))
        before = table.transactions.total()
        assert await mine.refresh(older_than=0)
        assert sum(mine.get(key).count for key in keys) == 30
        assert table.transactions.total() - before == 1
        await mine.change(keys[0], lambda tally, _: (replace(tally, count=9), None))
        assert mine.get(keys[0]).count == 9
        assert not await mine.refresh(older_than=5)

    run_virtual(main)


def test_a_refresh_that_saw_an_older_row_does_not_undo_what_was_written_meanwhile() -> None:
    async def main() -> None:
        table = MemoryTable(latency=lambda: 0.1)
        mine = rows(table)
        await count_up(mine, "a")
        refreshing = asyncio.create_task(mine.refresh(older_than=0))
        await asyncio.sleep(0.06)  # the query has been answered, the answer is on its way
        slow = asyncio.create_task(count_up(mine, "a"))
        await asyncio.gather(refreshing, slow)
        assert mine.get(KEY).count == 2
        assert await count_up(mine, "a") == 3
        assert table.lost["write"] == 0

    run_virtual(main)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("Billing@Contoso.com", "mailbox:billing@contoso.com"),
        ("o'brien/x#1?@contoso.com", "mailbox:o=0027brien=002fx=00231=003f@contoso.com"),
        ("a=b@contoso.com", "mailbox:a=003db@contoso.com"),
    ],
)
def test_addresses_make_keys_that_storage_takes(address: str, key: str) -> None:
    assert row_key("mailbox", address) == key
