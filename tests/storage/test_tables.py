"""The table client against a real table service."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import AlreadyExistsError, ChangedError
from shared.storage.connection import StorageConnection
from shared.storage.tables import MAX_WRITES, Row, Table, Write, pack, unpack

ODD_IDS = ["a+b@c:d=e", "a.b..c", "0", "A-B_C", "x" * 100, "1:2:3", "a=@b", "trailing."]


@pytest.fixture
def table(storage: StorageConnection, name: str) -> Table:
    return Table(storage, name)


async def keys(table: Table, low: str = "", high: str = "~", limit: int = 1000) -> Sequence[str]:
    return [row.key async for row in table.query("p", low, high, limit=limit)]


async def test_a_missing_table_reads_as_empty_and_is_created_by_the_first_write(
    table: Table,
) -> None:
    assert await table.read("p", "a") is None
    assert await keys(table) == []
    etag = await table.write(Write("insert", Row("p", "a", {"text": "é"})))
    row = await table.read("p", "a")
    assert row is not None
    assert row.values["text"] == "é"
    assert row.etag == etag != ""


async def test_a_missing_table_is_created_by_a_transaction_too(table: Table) -> None:
    await table.write(Write("insert", Row("p", "a")), Write("put", Row("p", "b")))
    assert await keys(table) == ["a", "b"]


async def test_first_writes_at_the_same_time_all_arrive(table: Table) -> None:
    await asyncio.gather(*(table.write(Write("put", Row("p", f"k{i}"))) for i in range(6)))
    assert len(await keys(table)) == 6


async def test_an_insert_of_what_exists_is_refused(table: Table) -> None:
    await table.write(Write("insert", Row("p", "a", {"n": 1})))
    with pytest.raises(AlreadyExistsError):
        await table.write(Write("insert", Row("p", "a", {"n": 2})))
    with pytest.raises(AlreadyExistsError):
        await table.write(Write("put", Row("p", "b")), Write("insert", Row("p", "a", {"n": 2})))
    row = await table.read("p", "a")
    assert row is not None
    assert row.values["n"] == 1
    assert await keys(table) == ["a"]


async def test_a_merge_changes_what_it_names_and_a_put_replaces_all(table: Table) -> None:
    await table.write(Write("insert", Row("p", "a", {"kept": "k", "changed": 1})))
    await table.write(Write("merge", Row("p", "a", {"changed": 2})))
    row = await table.read("p", "a")
    assert row is not None
    assert (row.values["kept"], row.values["changed"]) == ("k", 2)
    await table.write(Write("put", Row("p", "a", {"other": True})))
    row = await table.read("p", "a")
    assert row is not None
    assert row.values["other"] is True
    assert "kept" not in row.values


async def test_an_old_etag_changes_nothing(table: Table) -> None:
    first = await table.write(Write("insert", Row("p", "a", {"n": 1})))
    second = await table.write(Write("merge", Row("p", "a", {"n": 2}, first)))
    assert second != first
    for write in (
        Write("merge", Row("p", "a", {"n": 3}, first)),
        Write("delete", Row("p", "a", etag=first)),
    ):
        with pytest.raises(ChangedError):
            await table.write(write)
        with pytest.raises(ChangedError):
            await table.write(write, Write("put", Row("p", "beside")))
    row = await table.read("p", "a")
    assert row is not None
    assert (row.values["n"], row.etag) == (2, second)
    assert await keys(table) == ["a"]


async def test_the_etag_of_a_transaction_is_that_of_its_first_row(table: Table) -> None:
    etag = await table.write(
        Write("insert", Row("p", "a", {"n": 1})), Write("put", Row("p", "b", {"n": 1}))
    )
    again = await table.write(
        Write("merge", Row("p", "a", {"n": 2}, etag)), Write("delete", Row("p", "b"))
    )
    row = await table.read("p", "a")
    assert row is not None
    assert row.etag == again
    assert await keys(table) == ["a"]


async def test_merging_or_changing_what_is_gone_is_refused(table: Table) -> None:
    etag = await table.write(Write("insert", Row("p", "a")))
    await table.write(Write("delete", Row("p", "a")))
    with pytest.raises(ChangedError):
        await table.write(Write("merge", Row("p", "a", {"n": 1})))
    with pytest.raises(ChangedError):
        await table.write(Write("merge", Row("p", "a", {"n": 1}, etag)))
    with pytest.raises(ChangedError):
        await table.write(Write("put", Row("p", "b")), Write("delete", Row("p", "a")))
    assert await keys(table) == []


async def test_deleting_what_is_gone_is_no_error_by_itself(table: Table) -> None:
    await table.write(Write("delete", Row("p", "never")))
    await table.write(Write("insert", Row("p", "a")))
    await table.write(Write("delete", Row("p", "a")))
    await table.write(Write("delete", Row("p", "a")))
    assert await table.read("p", "a") is None


async def test_a_transaction_takes_a_hundred_writes(table: Table) -> None:
    await table.write(*(Write("insert", Row("p", f"{i:03d}")) for i in range(MAX_WRITES)))
    assert len(await keys(table)) == MAX_WRITES


async def test_a_query_has_bounds_order_and_limit(table: Table) -> None:
    names = ["due-1", "due-2", "due-3", "message-1", "z"]
    for key in reversed(names):
        await table.write(Write("put", Row("p", key)))
    await table.write(Write("put", Row("other", "due-0")))
    assert await keys(table) == names
    assert await keys(table, "due-", "due-~") == names[:3]
    assert await keys(table, "due-2", "due-3") == ["due-2"]
    assert await keys(table, limit=2) == names[:2]
    assert await keys(table, "due-4", "m") == []


async def test_a_query_goes_on_over_the_service_s_pages(table: Table) -> None:
    count = 1_050  # a page of the service has 1,000
    for start in range(0, count, MAX_WRITES):
        rows = range(start, min(start + MAX_WRITES, count))
        await table.write(*(Write("insert", Row("p", f"{i:05d}")) for i in rows))
    assert await keys(table, limit=count + 1) == [f"{i:05d}" for i in range(count)]
    assert len(await keys(table, limit=1_001)) == 1_001


@pytest.mark.parametrize("odd", ODD_IDS)
async def test_ids_of_callers_can_be_row_keys_and_partitions(table: Table, odd: str) -> None:
    etag = await table.write(Write("insert", Row(odd, f"message-{odd}", {"n": 1})))
    await table.write(
        Write("merge", Row(odd, f"message-{odd}", {"n": 2}, etag)),
        Write("put", Row(odd, f"due-1-{odd}")),
    )
    row = await table.read(odd, f"message-{odd}")
    assert row is not None
    assert row.values["n"] == 2
    assert [r.key async for r in table.query(odd, "due-", "due-~")] == [f"due-1-{odd}"]
    await table.write(Write("delete", Row(odd, f"due-1-{odd}")))
    assert [r.key async for r in table.query(odd, "due-", "due-~")] == []


async def test_values_come_back_as_they_were(table: Table) -> None:
    values = {
        "text": "Grüße \U0001f600 'quoted' \"double\" <&>",
        "empty": "",
        "number": -5,
        "truth": False,
        "octets": bytes(range(256)),
        "time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    }
    await table.write(Write("insert", Row("p", "a", values)))
    row = await table.read("p", "a")
    assert row is not None
    assert {name: row.values[name] for name in values} == values


async def test_select_names_the_properties_wanted(table: Table) -> None:
    await table.write(Write("insert", Row("p", "a", {"one": 1, "two": 2})))
    row = await table.read("p", "a", select=["one"])
    assert row is not None
    assert row.values["one"] == 1
    assert "two" not in row.values


@settings(deadline=None, derandomize=True)
@given(value=st.binary(max_size=300), copies=st.sampled_from([1, 1, 1, 400, 1_000]))
def test_what_is_packed_can_be_unpacked(value: bytes, copies: int) -> None:
    whole = value * copies
    packed = pack("content", whole)
    assert unpack("content", packed) == whole
    assert all(len(part) <= 64 * 1024 for part in packed.values() if isinstance(part, bytes))
    assert unpack("other", packed) == b""


async def test_long_values_fit_into_a_row(table: Table) -> None:
    long = bytes(range(256)) * 2_000  # half a megabyte, in nine properties
    await table.write(Write("insert", Row("p", "a", pack("content", long))))
    await table.write(Write("merge", Row("p", "a", {"other": "x"})))
    row = await table.read("p", "a")
    assert row is not None
    assert unpack("content", row.values) == long
    await table.write(Write("merge", Row("p", "a", pack("content", b"shorter now"))))
    row = await table.read("p", "a")
    assert row is not None
    assert unpack("content", row.values) == b"shorter now"
