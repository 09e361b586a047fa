"""The table `deliverytests`: each test in a row, with a mark while it is open."""

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.delivery_tests.report import DeliveryTest
from shared.errors import NotFoundError
from shared.storage.connection import StorageConnection
from shared.storage.names import DELIVERY_TESTS
from shared.storage.tables import Row, Table, Write, pack, unpack

_PARTITION = "test"
_TEST, _OPEN, _KEY = "test-", "open-", "key-"
_MOST_OPEN = 200  # that one run looks at
_LAST_MOMENT = (1 << 44) - 1  # milliseconds; in the year 2527


@dataclass(frozen=True, slots=True)
class Kept:
    """A test as it was read; `row` has its ETag."""

    test: DeliveryTest
    row: Row


class Trials:
    """Keeps tests. Their ids sort newest first, since keys of a table sort upwards alone."""

    def __init__(self, storage: StorageConnection) -> None:
        self._table = Table(storage, DELIVERY_TESTS)

    async def add(self, test: DeliveryTest, key: str) -> None:
        """key: a digest that the caller's repeats have too; "" for none. Raises
        AlreadyExistsError where it is known."""
        writes = [Write("insert", Row(_PARTITION, _KEY + key, {"id": test.id}))] if key else []
        writes += [
            Write(
                "insert",
                Row(_PARTITION, _TEST + test.id, {"key": key, **pack("test", _json(test))}),
            ),
            Write("insert", Row(_PARTITION, _OPEN + test.id)),
        ]
        await self._table.write(*writes)

    async def of_key(self, key: str) -> Kept | None:
        """The test that was begun with this key."""
        row = await self._table.read(_PARTITION, _KEY + key)
        return await self.find(row.values["id"]) if row else None

    async def find(self, test_id: str) -> Kept | None:
        row = await self._table.read(_PARTITION, _TEST + test_id)
        return _kept(row) if row else None

    async def get(self, test_id: str) -> Kept:
        """Raises NotFoundError."""
        kept = await self.find(test_id)
        if kept is None:
            raise NotFoundError("No such test.", fix="GET /api/delivery-tests lists them.")
        return kept

    async def change(self, kept: Kept, test: DeliveryTest) -> None:
        """Raises ChangedError where somebody else was quicker."""
        row = Row(_PARTITION, kept.row.key, pack("test", _json(test)), kept.row.etag)
        writes = [Write("merge", row)]
        if test.ended and not kept.test.ended:
            writes.append(Write("delete", Row(_PARTITION, _OPEN + test.id)))
        await self._table.write(*writes)

    async def forget(self, kept: Kept) -> None:
        """Deletes a test, and what its key stands for."""
        names = [kept.row.key]
        if not kept.test.ended:
            names.append(_OPEN + kept.test.id)
        if key := kept.row.values.get("key"):
            names.append(_KEY + key)
        await self._table.write(*(Write("delete", Row(_PARTITION, name)) for name in names))

    async def open(self) -> Sequence[str]:
        """The ids of tests that have not ended."""
        rows = self._table.query(_PARTITION, _OPEN, f"{_OPEN}~", limit=_MOST_OPEN, select=())
        return [row.key.removeprefix(_OPEN) async for row in rows]

    async def newest(self, *, after: str, limit: int) -> tuple[Sequence[DeliveryTest], str]:
        """A page, newest first, and the cursor of the next one ("" after the last)."""
        low = f"{_TEST}{after}\x20" if after else _TEST
        rows = self._table.query(_PARTITION, low, f"{_TEST}~", limit=limit + 1)
        tests = [_kept(row).test async for row in rows]
        return tests[:limit], tests[limit - 1].id if len(tests) > limit else ""

    async def expired(self, before: datetime, *, limit: int) -> AsyncIterator[Kept]:
        """Tests that were asked for before this moment."""
        low = _TEST + _stamp(before)
        async for row in self._table.query(_PARTITION, low, f"{_TEST}~", limit=limit):
            yield _kept(row)


def new_test_id(now: datetime) -> str:
    """An id of 32 hexadecimal digits; a later one sorts before an earlier one."""
    return _stamp(now) + secrets.token_hex(10) + "0"


def _stamp(moment: datetime) -> str:
    passed = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return f"{_LAST_MOMENT - passed:011x}"


def _json(test: DeliveryTest) -> bytes:
    return test.model_dump_json().encode()


def _kept(row: Row) -> Kept:
    return Kept(DeliveryTest.model_validate_json(unpack("test", row.values)), row)
