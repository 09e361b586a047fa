"""POST /api/messages/replay: what failed is found, and put back."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from local.office365 import Fault, Mailbox
from tests.operations.conftest import Office, OpenOffice, message, pointers, read
from tests.operations.test_resolving import statuses, unknown_message

PART_REFUSED = [{"email": f"{name}@example.com"} for name in ("blocked", "unknown")]


async def failed_message(office: Office, **changes: Any) -> str:
    """A message that the server refused at the end of data; it would take it now."""
    message_id = await office.post(**changes)
    reply = "554 5.7.1 The message was refused by policy"
    office.services.office365.faults.add([Fault("end-of-data", "reply", reply=reply)])
    await office.deliver()
    assert (await office.view(message_id))["status"] == "failed"
    return message_id


async def test_a_dry_run_lists_and_changes_nothing(office: Office) -> None:
    message_id = await failed_message(office)
    await unknown_message(office)
    page = await office.replay()
    assert page["dry_run"] is True
    assert page["cursor"] is None
    [found] = page["messages"]
    view = await office.view(message_id)
    assert found == {
        "id": message_id,
        "status": "failed",
        "reason": view["detail"],
        "codes": ["5.7.1"],
        "finished_at": view["finished_at"],
        "mailbox": "billing@contoso.test",
        "category": "transactional",
        "outcome": "would be replayed",
        "detail": "",
    }
    assert view["status"] == "failed"
    assert await office.deliver() == 0


async def test_what_failed_is_sent(office: Office) -> None:
    message_id = await failed_message(office)
    [replayed] = (await office.replay(dry_run=False))["messages"]
    assert (replayed["id"], replayed["outcome"]) == (message_id, "replayed")
    assert (await office.replay())["messages"] == []
    await office.deliver()
    view = await office.view(message_id)
    assert view["status"] == "sent"
    assert len(office.mails(message_id)) == 1
    [note] = [entry for entry in view["timeline"] if entry["type"] == "replayed"]
    assert "5.7.1" in note["detail"]
    assert await office.keys("ended-") == []


async def test_what_is_unknown_is_replayed_only_when_named(office: Office) -> None:
    message_id = await unknown_message(office, taken=False)
    assert (await office.replay(dry_run=False))["messages"] == []
    [replayed] = (await office.replay(status=["unknown"], dry_run=False))["messages"]
    assert replayed["id"] == message_id
    await office.deliver()
    assert (await office.view(message_id))["status"] == "sent"


async def test_the_filter(office: Office) -> None:
    start = office.clock()
    old = await failed_message(office)
    office.clock.ahead = timedelta(hours=2)
    other = await failed_message(office, **{"from": {"email": "alerts@contoso.test"}})
    dead = await office.post(to=[{"email": "unknown@example.com"}])
    await office.deliver()

    async def ids(**wanted: Any) -> set[str]:
        return {found["id"] for found in (await office.replay(**wanted))["messages"]}

    hour = (start + timedelta(hours=1)).isoformat()
    assert await ids() == {old, other, dead}
    assert await ids(since=hour) == {other, dead}
    assert await ids(until=hour) == {old}
    assert await ids(since=hour, until=hour) == set()
    assert await ids(mailbox="ALERTS@contoso.test") == {other}
    assert await ids(category="bulk") == set()
    assert await ids(category="transactional") == {old, other, dead}
    assert await ids(reason="Refused BY policy") == {old, other}
    assert await ids(reason="5.1.10") == {dead}
    assert await ids(reason="5.1") == {dead}, "a part of the detail, not only whole codes"
    assert await ids(reason="4.7.0") == set()


async def test_dead_addresses_are_tried_again_only_when_their_refusal_is_named(
    office: Office,
) -> None:
    message_id = await office.post(to=PART_REFUSED)
    await office.deliver()
    assert (await office.view(message_id))["status"] == "failed"
    [replayed] = (await office.replay(dry_run=False))["messages"]
    assert replayed["outcome"] == "replayed"
    view = await office.view(message_id)
    assert statuses(view) == {"blocked": "pending", "unknown": "rejected"}
    await office.deliver()
    await office.replay(reason="5.1.10", dry_run=False)
    assert statuses(await office.view(message_id)) == {"blocked": "rejected", "unknown": "pending"}


async def test_a_message_with_nothing_but_dead_addresses_is_skipped(office: Office) -> None:
    message_id = await office.post(to=PART_REFUSED[1:])
    await office.deliver()
    [skipped] = (await office.replay(dry_run=False))["messages"]
    assert (skipped["id"], skipped["outcome"]) == (message_id, "skipped")
    assert "status code" in skipped["detail"]
    assert (await office.view(message_id))["status"] == "failed"


async def test_who_has_it_does_not_get_it_again(office: Office) -> None:
    message_id = await office.post(to=[{"email": f"{n}@example.com"} for n in ("ana", "full")])
    await office.deliver()
    await office.give_up(message_id)
    view = await office.view(message_id)
    assert (view["status"], statuses(view)) == ("failed", {"ana": "sent", "full": "deferred"})
    [replayed] = (await office.replay(dry_run=False))["messages"]
    assert replayed["outcome"] == "replayed"
    await office.deliver()
    view = await office.view(message_id)
    assert (view["attempts"], statuses(view)) == (2, {"ana": "sent", "full": "deferred"})
    assert len(office.mails(message_id)) == 1


async def test_pages_have_every_message_once(office: Office) -> None:
    batch = {
        "shared": message(to=[{"email": "unknown@example.com"}]),
        "messages": [{}] * 60,
    }
    ids = {entry["id"] for entry in read(await office.post_batch(batch))["accepted"]}
    while await office.deliver():
        pass
    found: list[str] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        page = await office.replay(limit=7, cursor=cursor)
        assert len(page["messages"]) <= 7
        found += (entry["id"] for entry in page["messages"])
        cursor, pages = page["cursor"], pages + 1
    assert sorted(found) == sorted(ids)
    assert 9 <= pages <= 10


async def test_what_fails_again_meanwhile_is_not_replayed_twice(office: Office) -> None:
    ids = [await failed_message(office) for _ in range(6)]
    replayed: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await office.replay(limit=2, cursor=cursor, dry_run=False)
        replayed += (entry["id"] for entry in page["messages"])
        cursor = page["cursor"]
        reply = "554 5.7.1 The message was refused by policy"
        office.services.office365.faults.add([Fault("end-of-data", "reply", reply=reply, times=2)])
        await office.deliver()
        office.services.office365.faults.clear()
    assert sorted(replayed) == sorted(ids)


async def test_two_replays_at_once_put_it_back_once(office: Office) -> None:
    message_id = await failed_message(office)
    pages = await asyncio.gather(*(office.replay(dry_run=False) for _ in range(4)))
    outcomes = [entry["outcome"] for page in pages for entry in page["messages"]]
    assert outcomes.count("replayed") == 1
    await office.deliver()
    assert len(office.mails(message_id)) == 1


async def test_what_lost_its_content_is_skipped(office: Office) -> None:
    await failed_message(office)
    office.clock.ahead = timedelta(days=31)
    await office.app.retention.run()
    [skipped] = (await office.replay(dry_run=False))["messages"]
    assert (skipped["outcome"], skipped["detail"]) == ("skipped", "Its content has been deleted.")


async def test_a_refused_queue_message_is_accepted_when_the_settings_allow_it(
    office: Office, open_office: OpenOffice
) -> None:
    from_new = message(**{"from": {"email": "new@contoso.test"}}, id="order-7")
    await office.app.outbound.handle(_json(from_new), queue_id="q1")
    [(queue_id, text)] = await office.take("outbound-mail-poison")
    await office.poison(text, queue_id)
    [skipped] = (await office.replay(dry_run=False))["messages"]
    assert skipped["outcome"] == "skipped"
    assert "senders" in skipped["detail"]
    office.services.office365.exchange.put_mailbox(Mailbox("new@contoso.test"))
    allowed = open_office(MAILROOM_SENDERS='["new@contoso.test"]')
    [replayed] = (await allowed.replay(dry_run=False))["messages"]
    assert replayed["outcome"] == "replayed"
    assert "order-7" in replayed["detail"]
    await allowed.deliver()
    assert (await allowed.view("order-7"))["status"] == "sent"
    assert (await allowed.replay())["messages"] == []


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"limit": 1001}, "/limit"),
        ({"limit": 0}, "/limit"),
        ({"status": ["sent"]}, "/status/0"),
        ({"status": []}, "/status"),
        ({"since": "2026-01-01T00:00:00"}, "/since"),
        ({"dry_run": "no"}, "/dry_run"),
        ({"cursor": "nonsense"}, "/cursor"),
        ({"cursor": "WzEsMiwzLDRd"}, "/cursor"),
        ({"statuses": ["failed"]}, "/statuses"),
    ],
)
async def test_what_is_no_filter_is_refused(
    office: Office, wanted: dict[str, Any], pointer: str
) -> None:
    answer = await office.app.operations.replay(_json(wanted), {})
    assert answer.status == 422
    assert pointers(answer) == {pointer}


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
