"""Records in a real table: as they were, changed by one at a time, found when due."""

import asyncio
import random
import secrets
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import AlreadyExistsError, ChangedError
from shared.findings import Finding
from shared.messages.indexes import HeldEntry, IndexEntry
from shared.messages.ledger import PARTITIONS, Ledger
from shared.messages.record import (
    FINAL_STATUSES,
    Hold,
    MessageRecord,
    RecipientRecord,
    TimelineEntry,
)
from tests.messages.drafts import steady

NOW = datetime(2026, 11, 2, 12, 0, 0, 250_000, tzinfo=UTC)
_ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,60}", fullmatch=True)
_text = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30)
_times = st.integers(0, 2**41).map(lambda number: NOW + timedelta(milliseconds=number))
_recipients = st.lists(
    st.builds(
        RecipientRecord,
        email=_text,
        status=st.sampled_from(
            ["pending", "sent", "rejected", "bounced", "deferred", "complained", "suppressed"]
        ),
        code=_text,
        reply=_text,
    ),
    max_size=4,
).map(tuple)
_histories = st.lists(
    st.builds(
        TimelineEntry,
        type=st.sampled_from(["sent", "rejected", "deferred", "unknown", "failed"]),
        at=_times,
        attempt=st.integers(0, 99),
        recipients=st.lists(_text, max_size=3).map(tuple),
        code=_text,
        reply=_text,
        detail=_text,
        mailbox=_text,
    ),
    max_size=4,
).map(tuple)
_records = st.builds(
    MessageRecord,
    id=_ids,
    status=st.sampled_from(["held", "scheduled", "queued", "sending", "sent", "failed", "unknown"]),
    accepted_at=_times,
    source=st.sampled_from(["http", "queue"]),
    content_hash=_text,
    sender=_text,
    recipients=_recipients,
    message_id=_text,
    category=_text,
    topic=_text,
    priority=_text,
    tags=st.dictionaries(_text, _text, max_size=3),
    send_at=st.none() | _times,
    not_before=st.none() | _times,
    due=st.none() | _times,
    checks=st.integers(0, 99),
    attempt=st.integers(0, 999),
    owner=_text,
    lease_until=st.none() | _times,
    mailbox=_text,
    server_id=_text,
    finished_at=st.none() | _times,
    detail=_text,
    fix=_text,
    history=_histories,
    findings=st.lists(
        st.builds(
            Finding,
            rule=_text,
            severity=st.sampled_from(["info", "warning", "error"]),
            where=_text,
            why=_text,
            fix=_text,
            masked=_text,
        ),
        max_size=3,
    ).map(tuple),
    hold=st.none()
    | st.builds(
        Hold,
        at=_times,
        decision=st.sampled_from(["", "released", "redacted", "refused", "lapsed"]),
        decided_at=st.none() | _times,
        by=_text,
        why=_text,
    ),
)


def as_kept(record: MessageRecord) -> MessageRecord:
    """The record as the ledger keeps it: what is final expires, and is due no more unless it is
    unknown."""
    if not record.final:
        due = None if record.status == "held" else record.due
        return replace(record, expires_at=None, due=due)
    ended = record.finished_at
    due = record.due if record.status == "unknown" else None
    return replace(record, due=due, expires_at=ended + timedelta(days=30) if ended else None)


def record_of(message_id: str, **changes: Any) -> MessageRecord:
    whole = MessageRecord(
        id=message_id,
        status="queued",
        accepted_at=NOW,
        source="http",
        content_hash="0" * 64,
        sender="billing@contoso.test",
        recipients=(RecipientRecord("ana@example.com"),),
        message_id=f"<{message_id}@contoso.test>",
        due=NOW,
    )
    return replace(whole, **changes)


async def due(ledger: Ledger, now: datetime, message_id: str) -> list[IndexEntry]:
    """The entries of one message that are due."""
    found = await asyncio.gather(*(ledger.due(p, now, limit=1000) for p in PARTITIONS))
    return [entry for entries in found for entry in entries if entry.message_id == message_id]


few = settings(steady, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


@few
@given(record=_records, other=_records)
async def test_any_record_comes_back_as_it_was(
    ledger: Ledger, record: MessageRecord, other: MessageRecord
) -> None:
    record = replace(record, id=f"{record.id}{secrets.token_hex(8)}")
    stored = await ledger.add(record, {})
    assert stored == as_kept(record)
    assert await ledger.get(record.id) == stored
    changed = await ledger.change(stored, replace(other, id=record.id))
    read = await ledger.get(record.id)
    assert read == changed
    assert read is not None
    assert read.etag == changed.etag != stored.etag
    expected = as_kept(replace(other, id=record.id))
    assert {f.name: getattr(read, f.name) for f in fields(read) if f.name != "etag"} == {
        f.name: getattr(expected, f.name) for f in fields(expected) if f.name != "etag"
    }
    indexed = await due(ledger, datetime(2100, 1, 1, tzinfo=UTC), record.id)
    assert len(indexed) == (expected.due is not None)


@pytest.mark.parametrize("message_id", ["a+b@c:d=e", "a", "A.b_c-d", "2026-11-02T12:00", "due-1-x"])
async def test_ids_of_callers_are_found_again(ledger: Ledger, new_id: str, message_id: str) -> None:
    odd = f"{message_id}{new_id}"
    await ledger.add(record_of(odd), {})
    assert (await due(ledger, NOW, odd))[0].message_id == odd
    read = await ledger.get(odd)
    assert read is not None
    assert read.id == odd


async def test_an_id_is_taken_once(ledger: Ledger, new_id: str) -> None:
    await ledger.add(record_of(new_id), {})
    with pytest.raises(AlreadyExistsError):
        await ledger.add(record_of(new_id, due=NOW + timedelta(hours=1)), {})
    final = record_of(f"{new_id}-final", status="failed", due=None)
    await ledger.add(final, {})
    with pytest.raises(AlreadyExistsError):
        await ledger.add(final, {})
    assert len(await due(ledger, NOW + timedelta(hours=2), new_id)) == 1


async def test_a_missing_record_is_none(ledger: Ledger, new_id: str) -> None:
    assert await ledger.get(new_id) is None
    assert await ledger.get_with_content(new_id) is None


async def test_of_two_changes_one_wins(ledger: Ledger, new_id: str) -> None:
    stored = await ledger.add(record_of(new_id), {})
    first = await ledger.change(stored, replace(stored, status="sending", owner="first"))
    with pytest.raises(ChangedError):
        await ledger.change(stored, replace(stored, status="sending", owner="second"))
    read = await ledger.get(new_id)
    assert read is not None
    assert (read.owner, read.etag) == ("first", first.etag)


async def test_an_extended_lease_is_a_change(ledger: Ledger, new_id: str) -> None:
    stored = await ledger.add(record_of(new_id, status="sending", owner="me"), {})
    until = NOW + timedelta(minutes=2)
    await ledger.extend_lease(stored, until)
    read = await ledger.get(new_id)
    assert read is not None
    assert (read.lease_until, read.owner) == (until, "me")
    with pytest.raises(ChangedError):
        await ledger.change(stored, replace(stored, status="sent"))
    with pytest.raises(ChangedError):
        await ledger.extend_lease(record_of(f"{new_id}-missing"), until)


async def test_content_stays_with_the_record(ledger: Ledger, new_id: str) -> None:
    stored = await ledger.add(record_of(new_id), {"content_blob": "a/b.json"})
    await ledger.change(stored, replace(stored, status="sending"))
    found = await ledger.get_with_content(new_id)
    assert found is not None
    assert found[0].status == "sending"
    assert found[1]["content_blob"] == "a/b.json"


@pytest.mark.parametrize("status", sorted(FINAL_STATUSES - {"unknown"}))
async def test_a_final_record_is_due_no_more(ledger: Ledger, new_id: str, status: Any) -> None:
    stored = await ledger.add(record_of(new_id), {})
    assert len(await due(ledger, NOW, new_id)) == 1
    changed = await ledger.change(stored, replace(stored, status=status))
    assert changed.due is None
    assert await due(ledger, NOW + timedelta(days=999), new_id) == []


async def test_a_record_is_due_at_its_time_and_not_before(ledger: Ledger, new_id: str) -> None:
    when = NOW + timedelta(minutes=5, microseconds=7)
    stored = await ledger.add(record_of(new_id, due=when), {})
    assert await due(ledger, when - timedelta(microseconds=1), new_id) == []
    assert len(await due(ledger, when, new_id)) == 1
    later = when + timedelta(hours=1)
    await ledger.change(stored, replace(stored, due=later))
    assert await due(ledger, when, new_id) == []
    assert len(await due(ledger, later, new_id)) == 1


@pytest.mark.parametrize("hours", [-11, 0, 5.5, 14])
async def test_times_of_any_zone_are_due_at_their_instant(
    ledger: Ledger, new_id: str, hours: float
) -> None:
    local = NOW.astimezone(timezone(timedelta(hours=hours)))
    await ledger.add(record_of(new_id, due=local, send_at=local, not_before=local), {})
    assert await due(ledger, NOW - timedelta(seconds=1), new_id) == []
    assert len(await due(ledger, NOW, new_id)) == 1
    read = await ledger.get(new_id)
    assert read is not None
    await ledger.change(read, replace(read, due=read.due and read.due + timedelta(days=1)))
    assert await due(ledger, NOW, new_id) == []
    assert len(await due(ledger, NOW + timedelta(days=1), new_id)) == 1


async def test_what_is_due_comes_oldest_first_and_no_more_than_asked_for(
    ledger: Ledger, new_id: str
) -> None:
    past = NOW - timedelta(days=4000)
    times = [past + timedelta(seconds=i) for i in range(24)]
    random.Random(1).shuffle(times)
    for number, when in enumerate(times):
        await ledger.add(record_of(f"{new_id}-{number}", due=when), {})
    last = max(times)
    counts = 0
    for partition in PARTITIONS:
        entries = await ledger.due(partition, last, limit=1000)
        assert [e.key for e in entries] == sorted(e.key for e in entries)
        assert all(e.partition == partition for e in entries)
        counts += len(entries)
        assert await ledger.due(partition, last, limit=2) == entries[:2]
        for entry in entries:
            await ledger.forget(entry)
            await ledger.forget(entry)  # gone already: no error
    assert counts == 24
    assert [await ledger.due(partition, last, limit=9) for partition in PARTITIONS] == [[]] * 16


async def test_a_thousand_recipients_with_long_replies_fit(ledger: Ledger, new_id: str) -> None:
    chance = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -.[]<>@"

    def reply(address: str) -> str:  # 500 characters that hardly compress
        return f"550 5.1.10 {address} {''.join(chance.choices(letters, k=500))}"[:500]

    recipients = tuple(
        RecipientRecord(address, "rejected", "5.1.10", reply(address))
        for address in (f"{chance.getrandbits(160):x}@example{i}.com" for i in range(1000))
    )
    stored = await ledger.add(record_of(new_id), {"content0": b"x" * 48_000, "contentParts": 1})
    await ledger.change(
        stored, replace(stored, recipients=recipients, status="failed", detail="d" * 2000)
    )
    read = await ledger.get(new_id)
    assert read is not None
    assert read.recipients == recipients


async def test_of_a_history_that_is_too_long_the_newest_entries_are_kept(
    ledger: Ledger, new_id: str
) -> None:
    """Fifty attempts for a thousand recipients who are refused one by one."""
    chance = random.Random(7)
    history = tuple(
        TimelineEntry(
            type="deferred", at=NOW, attempt=attempt, reply=f"{chance.getrandbits(3000):x}",
            recipients=tuple(f"{chance.getrandbits(160):x}@example.com" for _ in range(300)),
        )
        for attempt in range(1, 51)
    )  # fmt: skip
    stored = await ledger.add(record_of(new_id), {})
    await ledger.change(stored, replace(stored, history=history))
    read = await ledger.get(new_id)
    assert read is not None
    assert 5 < len(read.history) < 50
    assert read.history == history[-len(read.history) :]


async def test_many_messages_are_spread_over_the_partitions(ledger: Ledger, new_id: str) -> None:
    for number in range(40):
        await ledger.add(record_of(f"{new_id}.{number}", due=NOW - timedelta(days=9)), {})
    found = [await ledger.due(p, NOW - timedelta(days=9), limit=99) for p in PARTITIONS]
    assert sum(bool(entries) for entries in found) > 8
    for entries in found:
        for entry in entries:
            await ledger.forget(entry)


async def held(ledger: Ledger, message_id: str, **bounds: Any) -> list[HeldEntry]:
    """The entries of one message among those that are held."""
    until = NOW + timedelta(days=1)
    found = [await ledger.held(p, **{"until": until, "limit": 1000, **bounds}) for p in PARTITIONS]
    return [entry for entries in found for entry in entries if entry.message_id == message_id]


async def test_a_held_message_is_in_an_index_while_it_is_held(ledger: Ledger, new_id: str) -> None:
    finding = Finding("payment-card", "error", "/text", "why", "fix", "Visa: ****1111")
    record = record_of(new_id, status="held", hold=Hold(at=NOW), findings=(finding, finding))
    stored = await ledger.add(record, {})
    assert stored.due is None
    assert await due(ledger, NOW + timedelta(days=999), new_id) == []
    (entry,) = await held(ledger, new_id)
    assert (entry.held_at, entry.sender, entry.recipients) == (NOW, "billing@contoso.test", 1)
    assert (entry.findings, entry.rules) == ((finding, finding), ("payment-card",))
    assert await held(ledger, new_id, until=NOW) == []
    assert await held(ledger, new_id, after=entry.key) == []
    assert len(await held(ledger, new_id, since=NOW)) == 1
    assert await held(ledger, new_id, since=NOW + timedelta(seconds=1)) == []
    await ledger.change(stored, replace(stored, status="queued", due=NOW))
    assert await held(ledger, new_id) == []
    assert len(await due(ledger, NOW, new_id)) == 1


async def test_of_too_many_findings_the_index_has_as_many_as_fit(
    ledger: Ledger, new_id: str
) -> None:
    findings = tuple(Finding("iban", "error", f"/{n}", "w" * 900, "f") for n in range(50))
    record = record_of(new_id, status="held", hold=Hold(at=NOW), findings=findings)
    await ledger.add(record, {})
    (entry,) = await held(ledger, new_id)
    assert 20 < len(entry.findings) < 50
    read = await ledger.get(new_id)
    assert read is not None
    assert read.findings == findings


async def test_a_ping_needs_no_row(ledger: Ledger) -> None:
    await ledger.ping()
