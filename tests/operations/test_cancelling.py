"""DELETE /api/messages/{id}: until the moment it is sending, and with one winner."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from tests.operations.conftest import Office, read


async def test_a_queued_message_is_cancelled_and_its_queue_message_dropped(office: Office) -> None:
    message_id = await office.post()
    answer = await office.app.operations.cancel(message_id)
    assert answer.status == 200
    assert read(answer)["status"] == "cancelled"
    assert [entry["type"] for entry in read(answer)["timeline"]] == ["accepted", "cancelled"]
    assert await office.deliver() == 1
    assert office.mails(message_id) == []
    assert (await office.view(message_id))["status"] == "cancelled"
    assert await office.keys("due-") == []


async def test_cancelling_again_gives_the_same_answer(office: Office) -> None:
    message_id = await office.post()
    first, second = [await office.app.operations.cancel(message_id) for _ in range(2)]
    assert (second.status, second.body) == (200, first.body)


async def test_a_scheduled_message_is_cancelled(office: Office) -> None:
    send_at = (office.clock() + timedelta(days=300)).isoformat()
    message_id = await office.post(send_at=send_at)
    assert (await office.view(message_id))["status"] == "scheduled"
    assert (await office.app.operations.cancel(message_id)).status == 200


async def test_what_was_sent_or_never_was_cannot_be_cancelled(office: Office) -> None:
    message_id = await office.post()
    await office.deliver()
    answer = await office.app.operations.cancel(message_id)
    assert answer.status == 409
    assert "it is sent" in read(answer)["detail"]
    assert (await office.view(message_id))["status"] == "sent"
    for unknown in ("0" * 32, "no/id", ""):
        assert (await office.app.operations.cancel(unknown)).status == 404


async def test_a_message_that_is_being_sent_says_so(office: Office) -> None:
    message_id = await office.post()
    ledger = office.app._ledger
    record = await ledger.get(message_id)
    assert record is not None
    until = office.clock() + timedelta(minutes=2)
    await ledger.change(
        record, replace(record, status="sending", owner="somebody", lease_until=until)
    )
    answer = await office.app.operations.cancel(message_id)
    assert answer.status == 409
    assert "being sent" in read(answer)["detail"]
    assert read(answer)["fix"]


async def test_of_a_cancellation_and_a_delivery_one_wins(office: Office) -> None:
    """Both end up agreeing: a mail where the answer was 409, none where it was 200."""
    outcomes = set()
    for wait in (*(0.004 * number for number in range(10)), 1.0):
        message_id = await office.post()

        async def cancel(message_id: str = message_id, wait: float = wait) -> int:
            await asyncio.sleep(wait)
            return (await office.app.operations.cancel(message_id)).status

        status, _ = await asyncio.gather(cancel(), office.deliver())
        sent = len(office.mails(message_id))
        view = await office.view(message_id)
        assert (status, sent, view["status"]) in {(200, 0, "cancelled"), (409, 1, "sent")}
        outcomes.add(status)
    assert outcomes == {200, 409}, "the race was never a race: change the waits"


async def test_two_cancellations_at_once_both_succeed(office: Office) -> None:
    message_id = await office.post()
    answers = await asyncio.gather(*(office.app.operations.cancel(message_id) for _ in range(5)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
