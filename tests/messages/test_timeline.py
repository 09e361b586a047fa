"""What is noted of a message after its attempts, in a real table."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.messages.record import TimelineEntry
from shared.messages.timeline import Timeline
from tests.messages.drafts import steady

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
_text = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30)
_entries = st.lists(
    st.builds(
        TimelineEntry,
        type=st.sampled_from(["bounced", "complained", "resolved", "cancelled", "failed"]),
        at=st.integers(0, 2**36).map(lambda seconds: NOW + timedelta(milliseconds=seconds)),
        attempt=st.integers(0, 99),
        recipients=st.lists(_text, max_size=5).map(tuple),
        code=_text,
        reply=_text,
        detail=_text,
        mailbox=_text,
    ),
    min_size=1,
    max_size=5,
)


def entry(kind: str, minutes: int = 0, **values: object) -> TimelineEntry:
    return TimelineEntry(type=kind, at=NOW + timedelta(minutes=minutes), **values)  # type: ignore[arg-type]


@settings(steady, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=_entries)
async def test_any_entries_come_back_in_order_and_stand_once(
    timeline: Timeline, entries: list[TimelineEntry]
) -> None:
    message_id = secrets.token_hex(8)
    for _ in range(2):
        for number, one in enumerate(entries):
            await timeline.note(message_id, f"event-{number}", one)
    assert await timeline.read(message_id) == sorted(entries, key=lambda one: one.at)


async def test_messages_and_keys_are_told_apart(timeline: Timeline, new_id: str) -> None:
    assert await timeline.read(new_id) == []
    for minutes in (10, 1, 2):
        await timeline.note(new_id, f"bounce-{minutes}", entry("bounced", minutes))
    await timeline.note(f"{new_id}x", "bounce-1", entry("complained"))
    assert [e.type for e in await timeline.read(new_id)] == ["bounced"] * 3
    assert [e.at - NOW for e in await timeline.read(new_id)] == [
        timedelta(minutes=minutes) for minutes in (1, 2, 10)
    ]
    assert len(await timeline.read(new_id, limit=2)) == 2


async def test_the_same_key_again_is_the_same_entry(timeline: Timeline, new_id: str) -> None:
    await timeline.note(new_id, "poisoned-1", entry("failed", detail="first"))
    await timeline.note(new_id, "poisoned-1", entry("failed", detail="again"))
    assert [e.detail for e in await timeline.read(new_id)] == ["again"]


async def test_a_thousand_recipients_with_one_reply_are_a_few_entries(
    timeline: Timeline, new_id: str
) -> None:
    everyone = tuple(f"{'x' * 60}{i}@{'sub.' * 40}example.com" for i in range(1000))
    await timeline.note(new_id, "all", entry("bounced", recipients=everyone, reply="r" * 500))
    entries = await timeline.read(new_id)
    assert tuple(address for e in entries for address in e.recipients) == everyone
    assert len(entries) < 20


@pytest.mark.parametrize("count", [0, 1, 101])
async def test_all_entries_of_a_message_are_deleted_and_no_others(
    timeline: Timeline, new_id: str, count: int
) -> None:
    everyone = tuple(f"{i}@example.com" for i in range(80 * count))
    if count:
        await timeline.note(new_id, "many", entry("bounced", recipients=everyone))
    await timeline.note(f"{new_id}x", "other", entry("bounced"))
    await timeline.delete(new_id)
    assert await timeline.read(new_id) == []
    assert len(await timeline.read(f"{new_id}x")) == 1
    await timeline.delete(new_id)  # again, without harm
