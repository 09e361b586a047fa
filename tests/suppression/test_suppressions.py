"""The table of suppressions: one row an address, one read a question."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.azurite import Azurite
from shared.settings import load_settings
from shared.storage.connection import StorageConnection
from shared.suppression import Ladder, Suppression, SuppressionCheck, Suppressions
from shared.suppression.keys import AddressKeys
from tests.storage.account import StoppedClock

DEAD = Suppression(
    address="Ana@Bücher.example", scope="everything", reason="bounced", source="smtp",
    since=datetime(2026, 12, 1, 8, tzinfo=UTC), message_id="order-1", detail="550 5.1.1",
)  # fmt: skip


@pytest.fixture(scope="module")
async def suppressions() -> AsyncIterator[Suppressions]:
    azurite = Azurite()
    await azurite.start()
    settings = load_settings(
        {
            "MAILROOM_SENDERS": '["a@contoso.test"]',
            "MAILROOM_TENANT_ID": "t",
            "MAILROOM_CLIENT_ID": "c",
            "AzureWebJobsStorage": azurite.connection_string,
        }
    )
    storage = StorageConnection(settings, None)  # type: ignore[arg-type]
    yield Suppressions(storage)
    await storage.aclose()
    await azurite.stop()


async def test_it_is_found_in_every_form_of_the_address(suppressions: Suppressions) -> None:
    assert await suppressions.find("ana@bücher.example") == ()
    assert await suppressions.add(DEAD)
    [found] = await suppressions.find("ANA@xn--bcher-kva.example.")
    assert found == replace(DEAD, address="ana@xn--bcher-kva.example")
    assert await suppressions.find("ana+tag@bücher.example") == ()


async def test_the_first_of_a_scope_stays(suppressions: Suppressions) -> None:
    first = replace(DEAD, address="ben@example.com")
    assert await suppressions.add(first)
    assert not await suppressions.add(replace(first, message_id="order-2"))
    assert await suppressions.add(replace(first, scope="topic:news", reason="unsubscribed"))
    assert [(s.scope, s.message_id) for s in await suppressions.find("ben@example.com")] == [
        ("everything", "order-1"),
        ("topic:news", "order-1"),
    ]


async def test_scopes_added_at_once_are_all_kept(suppressions: Suppressions) -> None:
    scopes = [f"topic:t{number}" for number in range(6)]
    added = await asyncio.gather(
        *(suppressions.add(replace(DEAD, address="c@example.com", scope=s)) for s in scopes)
    )
    assert all(added)
    assert {s.scope for s in await suppressions.find("c@example.com")} == set(scopes)


@pytest.mark.parametrize("local", ["o'hara", "a/b", "a#b?", '"a b"', "ä" * 60])
async def test_addresses_that_keys_cannot_hold_as_they_are(
    suppressions: Suppressions, local: str
) -> None:
    assert await suppressions.add(replace(DEAD, address=f"{local}@example.com"))
    assert len(await suppressions.find(f"{local}@example.com")) == 1


async def test_a_question_is_one_read(
    suppressions: Suppressions, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    read = suppressions._table.read

    async def counted(*place: str) -> Any:
        asked.append(place)
        return await read(*place)

    await suppressions.find("first@example.com")  # once a process the salt is read, too
    monkeypatch.setattr(suppressions._table, "read", counted)
    await suppressions.find("nobody@example.com")
    assert len(asked) == 1


LADDER = Ladder(leases=(timedelta(hours=24), timedelta(hours=48)), forgiven=timedelta(days=7))


async def test_what_has_no_end_takes_the_place_of_what_has(suppressions: Suppressions) -> None:
    lease = replace(DEAD, address="d@example.com", until=DEAD.since + timedelta(days=1))
    assert await suppressions.add(lease)
    assert not await suppressions.add(replace(lease, until=DEAD.since + timedelta(hours=1)))
    assert await suppressions.add(replace(lease, until=DEAD.since + timedelta(days=2)))
    assert await suppressions.add(replace(lease, until=None))
    assert not await suppressions.add(lease)
    assert [s.until for s in await suppressions.find("d@example.com")] == [None]


async def test_a_complaint_stands_beside_a_bounce(suppressions: Suppressions) -> None:
    bounced = replace(DEAD, address="e@example.com")
    assert await suppressions.add(replace(bounced, reason="complained"))
    assert await suppressions.add(bounced)
    reasons = {s.reason for s in await suppressions.find("e@example.com")}
    assert reasons == {"bounced", "complained"}


async def test_soft_bounces_at_once_are_all_counted_but_climb_one_rung(
    suppressions: Suppressions,
) -> None:
    bounce = replace(DEAD, address="f@example.com", detail="452 4.2.2 full")
    events = [f"event-{number % 4}" for number in range(8)]
    await asyncio.gather(*(suppressions.count_soft(bounce, e, LADDER) for e in events))
    entry = await suppressions.entry("f@example.com")
    assert set(entry.soft.events) == set(events)
    [lease] = entry.suppressions
    assert lease.until == DEAD.since + timedelta(hours=24)
    assert lease.detail == "452 4.2.2 full"
    assert await suppressions.lift("f@example.com", "arrived", DEAD.since + timedelta(hours=1))
    assert await suppressions.find("f@example.com") == ()


async def test_what_is_removed_is_gone(suppressions: Suppressions) -> None:
    address = "g@example.com"
    for scope in ("everything", "topic:news"):
        await suppressions.add(replace(DEAD, address=address, scope=scope))
    await suppressions.count_soft(replace(DEAD, address=address), "e", LADDER)
    assert await suppressions.remove("G@example.com", scope="everything")
    assert [s.scope for s in await suppressions.find(address)] == ["topic:news"]
    assert await suppressions.remove(address)
    assert not await suppressions.remove(address)
    assert (await suppressions.entry(address)).cursor == ""  # no row


async def test_a_key_tells_nothing_of_the_address(suppressions: Suppressions) -> None:
    await suppressions.add(replace(DEAD, address="secret@example.com"))
    entry = await suppressions.entry("secret@example.com")
    partition, _, key = entry.cursor.partition(":")
    assert key.startswith(partition)
    assert len(bytes.fromhex(key)) == 32
    assert key != hashlib.sha256(b"secret@example.com").hexdigest()
    elsewhere = AddressKeys(suppressions._table)  # another process
    places = await asyncio.gather(*(elsewhere.place("secret@example.com") for _ in range(3)))
    assert set(places) == {(partition, key)}


async def test_all_are_listed_page_by_page(suppressions: Suppressions) -> None:
    addresses = {f"page{number}@example.com" for number in range(25)}
    for address in addresses:
        await suppressions.add(replace(DEAD, address=address))
    seen: list[str] = []
    cursor = ""
    while page := await suppressions.page(after=cursor, limit=7):
        assert len(page) <= 7
        seen += (entry.address for entry in page)
        cursor = page[-1].cursor
    assert len(seen) == len(set(seen))
    assert addresses <= set(seen)


def make_check(suppressions: Suppressions, clock: StoppedClock) -> SuppressionCheck:
    return SuppressionCheck(suppressions, exempt_topics=["security"], clock=clock)


@pytest.mark.parametrize(
    ("scope", "reason", "category", "topic", "blocks"),
    [
        ("everything", "bounced", "transactional", "", True),
        ("everything", "bounced", "bulk", "security", True),
        ("everything", "complained", "transactional", "", True),
        ("everything", "complained", "transactional", "security", False),
        ("everything", "complained", "bulk", "security", False),
        ("everything", "complained", "bulk", "news", True),
        ("bulk", "manual", "transactional", "news", False),
        ("bulk", "manual", "bulk", "news", True),
        ("topic:news", "unsubscribed", "bulk", "news", True),
        ("topic:news", "unsubscribed", "bulk", "offers", False),
        ("topic:news", "unsubscribed", "transactional", "news", False),
    ],
)
async def test_what_a_scope_covers(
    suppressions: Suppressions, scope: str, reason: Any, category: str, topic: str, *, blocks: bool
) -> None:
    address = f"{scope.replace(':', '-')}-{reason}@example.com"
    await suppressions.add(replace(DEAD, address=address, scope=scope, reason=reason))
    check = make_check(suppressions, StoppedClock())
    found = await check.blocked([address.upper()], category=category, topic=topic)
    assert list(found) == ([address.upper()] if blocks else [])


async def test_a_lease_that_is_over_is_on_probation(suppressions: Suppressions) -> None:
    address, clock = "h@example.com", StoppedClock(DEAD.since)
    check = make_check(suppressions, clock)

    async def sends() -> bool:
        clock.advance(seconds=3)  # what was remembered is forgotten
        found = await check.blocked([address], category="transactional", topic="", sending=True)
        return not found

    async def bounces(event: str) -> float:
        bounce = replace(DEAD, address=address, since=clock.now)
        until = (await suppressions.count_soft(bounce, event, LADDER)).soft.until
        assert until is not None
        return (until - clock.now) / timedelta(hours=1)

    assert await bounces("1") == 24
    assert not await sends()
    clock.advance(hours=24)
    assert await sends()
    clock.advance(days=6)
    assert await bounces("2") == 48  # too soon to be forgiven
    clock.advance(days=60)
    assert await bounces("3") == 48  # nothing was sent meanwhile: nothing speaks for it
    clock.advance(days=2)
    assert await sends()
    clock.advance(days=7)
    assert await bounces("4") == 24


async def test_rows_are_remembered_for_a_second_and_a_half(
    suppressions: Suppressions, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    entry = suppressions.entry

    async def counted(address: str) -> Any:
        asked.append(address)
        return await entry(address)

    monkeypatch.setattr(suppressions, "entry", counted)
    clock = StoppedClock()
    check = make_check(suppressions, clock)
    await suppressions.add(replace(DEAD, address="i@example.com"))
    for seconds in (0, 1, 1.5, 0.1):
        clock.advance(seconds=seconds)
        await check.blocked(["i@example.com", "I@EXAMPLE.com"], category="bulk", topic="news")
    assert asked == ["i@example.com"] * 2


async def test_what_this_process_changes_counts_at_once(suppressions: Suppressions) -> None:
    check = make_check(suppressions, StoppedClock())
    dead = replace(DEAD, address="J@example.com")

    async def blocks() -> bool:
        return bool(await check.blocked(["j@example.com"], category="bulk", topic="news"))

    assert not await blocks()
    await suppressions.add(dead)
    assert await blocks()
    await suppressions.remove("j@example.com")
    assert not await blocks()


async def test_what_is_no_address_is_not_suppressed(suppressions: Suppressions) -> None:
    check = make_check(suppressions, StoppedClock())
    assert await check.blocked(["nobody"], category="bulk", topic="news") == {}
