"""The poison queues: what could not be handled ends with a reason, and is kept."""

import asyncio
import base64
import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import ChangedError, StorageUnavailableError
from shared.messages.identity import queue_reference
from shared.messages.record import MessageRecord
from tests.operations.conftest import Office, message


async def test_a_waiting_message_is_brought_back(office: Office) -> None:
    """What used up its tries, as instances that were killed, may be over."""
    message_id = await office.post()
    [(queue_id, text)] = await office.take()
    await office.poison(text, queue_id)
    assert await office.take() == []  # later, not now
    view = await office.view(message_id)
    assert (view["status"], [e["type"] for e in view["timeline"]]) == (
        "queued", ["accepted", "deferred"],
    )  # fmt: skip
    assert "5 tries" in view["timeline"][1]["detail"]
    office.clock.ahead = timedelta(minutes=5)
    await office.app.reconciliation.run()  # its queue message is invisible in real time
    assert await office.deliver() >= 1
    assert (await office.view(message_id))["status"] == "sent"
    assert len(office.mails(message_id)) == 1


async def test_a_message_that_never_gets_through_fails_and_says_where_to_look(
    office: Office,
) -> None:
    message_id = await office.post()
    [(_, text)] = await office.take()
    await office.give_up(message_id)
    view = await office.view(message_id)
    assert view["status"] == "failed"
    assert "5 tries" in view["detail"]
    assert message_id in view["fix"]
    assert "/api/messages/replay" in view["fix"]
    assert "5 times" in view["detail"]
    types = [entry["type"] for entry in view["timeline"]]
    assert types == ["accepted", *["deferred"] * 5, "failed"]
    assert await office.keys("due-") == []
    await office.poison(base64.b64encode(text.encode()), "again")
    assert await office.view(message_id) == view
    [replayed] = (await office.replay(dry_run=False))["messages"]
    assert replayed["outcome"] == "replayed"
    await office.deliver()
    assert (await office.view(message_id))["status"] == "sent"


@pytest.mark.parametrize("status", ["sent", "cancelled"])
async def test_what_has_ended_stays_as_it_is(office: Office, status: str) -> None:
    message_id = await office.post()
    if status == "sent":
        await office.deliver()
    else:
        await office.app.operations.cancel(message_id)
    before = await office.view(message_id)
    await office.poison(queue_reference(message_id))
    assert await office.view(message_id) == before
    assert before["status"] == status


async def test_a_message_in_the_middle_of_its_attempt_is_left_to_reconcile(office: Office) -> None:
    """It may have been sent: it must become unknown, not failed."""
    message_id = await office.post()
    ledger = office.app._ledger
    record = await ledger.get(message_id)
    assert record is not None
    sending = replace(record, status="sending", attempt=1, owner="gone", lease_until=office.clock())
    await ledger.change(record, sending)
    await office.poison(queue_reference(message_id))
    assert (await office.view(message_id))["status"] == "sending"
    office.clock.ahead = timedelta(minutes=10)
    await office.app.reconciliation.run()
    assert (await office.view(message_id))["status"] == "unknown"


async def test_a_valid_message_that_was_never_recorded_is_recorded_and_brought_back(
    office: Office,
) -> None:
    body = json.dumps(message(id="order-1"))
    for _ in range(2):  # delivered at least once
        await office.poison(body)
    view = await office.view("order-1")
    assert (view["status"], view["source"]) == ("queued", "queue")
    office.clock.ahead = timedelta(minutes=10)
    await office.app.reconciliation.run()
    await office.deliver()
    assert (await office.view("order-1"))["status"] == "sent"
    assert len(office.mails("order-1")) == 1


async def test_of_a_message_without_an_id_the_doubt_is_told(office: Office) -> None:
    await office.poison(json.dumps(message()), "q1")
    await office.poison(json.dumps(message()), "q1")
    [found] = (await office.replay())["messages"]
    view = await office.view(found["id"])
    assert "no id of its own" in view["fix"]


async def test_a_refused_queue_message_is_parked_with_its_reason(office: Office) -> None:
    body = json.dumps(message(to=[])).encode()
    await office.app.outbound.handle(body, queue_id="q1")
    [(queue_id, text)] = await office.take("outbound-mail-poison")
    await office.poison(text, queue_id)
    await office.poison(text, queue_id)
    [(name, parked)] = (await office.blobs()).items()
    message_id = json.loads(text)["message_id"]
    assert name == f"refused/{message_id}.json"
    document = json.loads(parked)
    assert "no recipient" in document["reason"]
    assert document["problems"][0]["fix"]
    assert base64.b64decode(document["original"]) == body
    view = await office.view(message_id)
    assert view["status"] == "failed"
    assert "no recipient" in view["detail"]
    [_, entry] = view["timeline"]
    assert name in entry["detail"]


async def test_a_large_refused_queue_message_is_parked_whole(office: Office) -> None:
    body = json.dumps(message(to=[], text="x" * 60_000)).encode()
    await office.app.outbound.handle(body, queue_id="q1")
    [(queue_id, text)] = await office.take("outbound-mail-poison")
    assert "original_blob" in json.loads(text)
    await office.poison(text, queue_id)
    [parked] = (await office.blobs("refused/")).values()
    assert base64.b64decode(json.loads(parked)["original"]) == body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b"nonsense",
        b"{",
        b"[" * 5000,
        b"{}",
        b'{"content_blob": "no/such/blob"}',
        b'{"recorded":"never-was"}',
        b'{"message_id": "x/../y", "problems": [], "original": "e30="}',
        b'{"message_id": "forged", "problems": 7, "original": "?"}',
        b'{"message_id": "forged", "problems": [], "original_blob": "other/refused"}',
        b'{"id": {"not": "text"}}',
        json.dumps({"id": 7, **message()}).encode(),
    ],
)
async def test_whatever_it_is_it_ends_as_a_record_and_a_blob(office: Office, body: bytes) -> None:
    for _ in range(2):
        await office.poison(body, "q9")
    [found] = (await office.replay())["messages"]
    view = await office.view(found["id"])
    assert view["status"] == "failed"
    assert view["detail"]
    [parked] = await office.blobs("refused/")
    assert parked == f"refused/{found['id']}.json"


async def test_a_forged_refusal_ends_nothing_that_is_not_refused(office: Office) -> None:
    message_id = await office.post()
    forged = {"message_id": message_id, "problems": [], "original": "e30=", "reason": "because"}
    await office.poison(json.dumps(forged))
    assert (await office.view(message_id))["status"] == "queued"


async def test_storage_away_leaves_it_on_the_queue(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise StorageUnavailableError("Storage does not answer.")

    message_id = await office.post()
    monkeypatch.setattr(office.app._ledger, "get", away)
    with pytest.raises(StorageUnavailableError):
        await office.poison(queue_reference(message_id))


async def test_a_fault_of_ours_parks_the_body_and_takes_it_off_the_queue(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(office.app._ledger, "get", broken)
    await office.poison(queue_reference("some-id"))
    [(name, parked)] = (await office.blobs("refused/")).items()
    assert name.startswith("refused/unread-")
    assert base64.b64decode(json.loads(parked)["original"]) == queue_reference("some-id").encode()


async def test_a_cancellation_and_the_watch_agree(office: Office) -> None:
    for _ in range(5):
        message_id = await office.post()
        answer, _ = await asyncio.gather(
            office.app.operations.cancel(message_id), office.poison(queue_reference(message_id))
        )
        status = (await office.view(message_id))["status"]
        assert (answer.status, status) == (200, "cancelled")


async def test_a_look_and_the_watch_agree(office: Office) -> None:
    """`reconcile` notes its look on the same record: the message must come back all the same."""
    ledger = office.app._ledger
    for _ in range(5):
        message_id = await office.post()
        [(queue_id, text)] = await office.take()
        record = await ledger.get(message_id)
        assert record is not None

        async def look(record: MessageRecord = record) -> None:
            with suppress(ChangedError):
                await ledger.change(record, replace(record, checks=1))

        await asyncio.gather(office.poison(text, queue_id), look())
        record = await ledger.get(message_id)
        assert record is not None
        assert (record.status, record.poisoned) == ("queued", 1)
        assert record.not_before is not None


async def test_a_recorded_queue_message_does_not_come_back_as_a_second_one(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once recorded it is due: what hinders its delivery must not send the raw body to poison."""

    async def away(_: str) -> None:
        raise StorageUnavailableError("Storage does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(office.app.delivery, "deliver", away)
        await office.app.outbound.handle(json.dumps(message(id="order-2")).encode(), queue_id="q")
    assert (await office.view("order-2"))["status"] == "queued"
    office.clock.ahead = timedelta(minutes=5)
    await office.app.reconciliation.run()
    await office.deliver()
    assert (await office.view("order-2"))["status"] == "sent"
