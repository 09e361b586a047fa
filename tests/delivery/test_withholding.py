"""Suppressed recipients: asked for when a message is accepted, and again before it is sent."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.suppression import Suppression
from tests.delivery.post import Post

SINCE = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
async def nobody_stays_suppressed(post: Post) -> AsyncIterator[None]:
    """Other tests use the same storage, and the same addresses."""
    yield
    for name in ("ana", "bo"):
        await post.suppressions.remove(f"{name}@example.com")


async def suppress(post: Post, address: str, scope: str = "everything", **values: Any) -> None:
    whole: dict[str, Any] = {"reason": "bounced", "source": "test", "since": SINCE}
    whole |= {"detail": "550 5.1.1"} | values
    await post.suppressions.add(Suppression(address=address, scope=scope, **whole))


async def statuses(post: Post, message_id: str) -> tuple[str, dict[str, str]]:
    record = await post.record(message_id)
    return record.status, {r.email: r.status for r in record.recipients}


def addresses(*names: str) -> list[dict[str, str]]:
    return [{"email": f"{name}@example.com"} for name in names]


async def test_accepted_for_nobody_it_is_suppressed(post: Post) -> None:
    await suppress(post, "ana@example.com")
    message_id = await post.accept()
    record = await post.record(message_id)
    assert record.status == "suppressed"
    assert record.finished_at == post.clock.now
    assert record.expires_at is not None
    assert "550 5.1.1" in record.detail
    assert record.fix
    assert await post.queue.depth() == 0
    await post.delivery.deliver(message_id)
    assert post.office.messages == ()


async def test_some_are_left_out_and_the_rest_get_it(post: Post) -> None:
    await suppress(post, "ANA@example.com")
    message_id = await post.accept(to=addresses("ana", "bo"))
    await post.run_queue()
    assert await statuses(post, message_id) == (
        "sent", {"ana@example.com": "suppressed", "bo@example.com": "sent"},
    )  # fmt: skip
    [mail] = post.mails(message_id)
    assert mail.addresses == ("bo@example.com",)


async def test_who_is_suppressed_while_the_message_waits_does_not_get_it(post: Post) -> None:
    message_id = await post.accept(to=addresses("ana", "bo"))
    await suppress(post, "ana@example.com")
    post.clock.advance(seconds=15)
    await post.run_queue()
    assert await statuses(post, message_id) == (
        "sent", {"ana@example.com": "suppressed", "bo@example.com": "sent"},
    )  # fmt: skip
    [mail] = post.mails(message_id)
    assert mail.addresses == ("bo@example.com",)
    told = [(e.attempt, e.type) for e in (await post.record(message_id)).history]
    assert told == [(1, "suppressed"), (1, "sent")]


async def test_when_nobody_is_left_nothing_is_sent_and_the_slot_is_given_back(post: Post) -> None:
    message_id = await post.accept()
    await suppress(post, "ana@example.com")
    post.clock.advance(seconds=15)
    before = post.office.counters.messages
    await post.run_queue()
    status, recipients = await statuses(post, message_id)
    assert (status, recipients) == ("suppressed", {"ana@example.com": "suppressed"})
    record = await post.record(message_id)
    assert (record.due, record.attempt, record.owner) == (None, 0, "")
    assert post.office.counters.messages == before
    assert await post.queue.depth() == 0


async def test_bulk_minds_topics_and_transactional_mail_does_not(post: Post) -> None:
    await suppress(post, "ana@example.com", "topic:news", reason="unsubscribed")
    ids = [
        await post.accept(category="bulk", topic="news"),
        await post.accept(category="bulk", topic="offers"),
        await post.accept(topic="news"),
    ]
    await post.run_queue()
    assert [(await statuses(post, one))[0] for one in ids] == ["suppressed", "sent", "sent"]


async def test_what_can_be_unsubscribed_from_minds_topics_as_bulk_does(post: Post) -> None:
    message_id = await post.accept(topic="news", unsubscribe=True)
    record = await post.record(message_id)
    stored = await post.ledger.change(record, replace(record, listed=True))
    assert (await post.record(message_id)).listed
    assert stored.category == "transactional"
    await suppress(post, "ana@example.com", "topic:news", reason="unsubscribed")
    post.clock.advance(seconds=15)
    await post.run_queue()
    assert (await statuses(post, message_id))[0] == "suppressed"


async def test_one_from_the_queue_is_recorded_as_suppressed(post: Post) -> None:
    await suppress(post, "ana@example.com")
    body = {
        "id": f"{post.prefix}-queued", "from": {"email": "billing@contoso.test"},
        "to": addresses("ana"), "subject": "x", "text": "y",
    }  # fmt: skip
    await post.outbound.handle(json.dumps(body).encode(), queue_id="q")
    assert (await statuses(post, body["id"]))[0] == "suppressed"  # type: ignore[arg-type]


@pytest.mark.parametrize("scheduled", [True, False])
async def test_a_repeat_gives_the_first_answer(post: Post, *, scheduled: bool) -> None:
    await suppress(post, "ana@example.com")
    whole: dict[str, Any] = {
        "from": {"email": "billing@contoso.test"}, "to": addresses("ana", "bo"), "subject": "x",
        "text": "y",
    }  # fmt: skip
    if scheduled:
        whole["send_at"] = (post.clock.now + timedelta(hours=1)).isoformat()
    body = json.dumps(whole).encode()
    first = await post.acceptance.accept(body, key=post.prefix)
    assert first.status == ("scheduled" if scheduled else "queued")
    assert set(first.suppressed) == {"ana@example.com"}
    await suppress(post, "bo@example.com")
    post.clock.advance(hours=2)
    await post.delivery.deliver(first.id)
    assert (await statuses(post, first.id))[0] == "suppressed"
    again = await post.acceptance.accept(body, key=post.prefix)
    assert (again.status, again.suppressed, again.repeated) == (
        first.status, first.suppressed, True,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "waits", "reads"), [("zoe", 15, 0), ("bo", 0, 1), ("bo", 15, 2)])
async def test_a_row_is_read_only_of_who_may_have_one_and_again_if_the_message_has_waited(
    post: Post, monkeypatch: pytest.MonkeyPatch, name: str, waits: int, reads: int
) -> None:
    await suppress(post, "bo@example.com")
    await post.suppressions.remove("bo@example.com")
    asked: list[str] = []
    entry = post.suppressions.entry

    async def counted(address: str) -> Any:
        asked.append(address)
        return await entry(address)

    monkeypatch.setattr(post.suppressions, "entry", counted)
    message_id = await post.accept(to=addresses(name))
    post.clock.advance(seconds=waits)
    await post.run_queue()
    assert (await statuses(post, message_id))[0] == "sent"
    assert asked == [f"{name}@example.com"] * reads


async def test_a_lease_ends_by_itself(post: Post) -> None:
    await suppress(post, "ana@example.com", until=post.clock.now + timedelta(hours=1))
    assert (await statuses(post, await post.accept()))[0] == "suppressed"
    post.clock.advance(hours=1)
    message_id = await post.accept()
    await post.run_queue()
    assert (await statuses(post, message_id))[0] == "sent"
