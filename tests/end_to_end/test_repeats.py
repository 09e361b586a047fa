"""A caller that does not know whether it was heard asks again: there is one mail all the same."""

import asyncio
import json

from local.stack import LocalStack
from tests.end_to_end.caller import Caller, mail_of, mails_of, message


async def test_the_same_key_and_body_give_the_first_answer_again(
    caller: Caller, stack: LocalStack
) -> None:
    first = await caller.post(message(), "order-1042")
    await caller.finished(first.json["id"])
    again = await caller.post(message(), "order-1042")
    assert (again.status, again.json) == (202, first.json)
    assert again.headers["Location"] == first.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    # In other words, the same message: member order and blanks are no part of it.
    shuffled = json.dumps(dict(reversed(message().items())), indent=4).encode()
    assert (await caller.post(shuffled, '"order-1042"')).json == first.json
    assert len(mails_of(stack, first.json["id"])) == 1


async def test_the_same_key_at_the_same_time_is_one_message(
    caller: Caller, stack: LocalStack
) -> None:
    replies = await asyncio.gather(*(caller.post(message(), "at-once") for _ in range(8)))
    assert {reply.status for reply in replies} == {202}
    [message_id] = {reply.json["id"] for reply in replies}
    await caller.finished(message_id)
    mail_of(stack, message_id)


async def test_the_same_key_for_another_body_is_a_conflict(
    caller: Caller, stack: LocalStack
) -> None:
    first = await caller.send(message(), "order-1043")
    reply = await caller.post(message(subject="Another"), "order-1043")
    assert reply.status == 409
    assert reply.is_problem
    assert first in reply.json["detail"]
    assert "new key" in reply.json["fix"]
    await caller.finished(first)
    assert mail_of(stack, first)


async def test_without_a_key_each_request_is_a_message_of_its_own(
    caller: Caller, stack: LocalStack
) -> None:
    first, second = [await caller.send(message()) for _ in range(2)]
    assert first != second
    for message_id in (first, second):
        await caller.finished(message_id)
        mail_of(stack, message_id)


async def test_a_queue_message_that_comes_twice_is_one_mail(
    caller: Caller, stack: LocalStack
) -> None:
    text = json.dumps(message(id="order-1044"))
    await asyncio.gather(*(caller.drop(text) for _ in range(3)))
    await caller.until("order-1044", lambda view: view["status"] == "sent")
    await caller.drop(text)
    # What comes after it on the same queue has been handled: so has the repeated one.
    await caller.drop(json.dumps(message(id="order-1045")))
    await caller.until("order-1045", lambda view: view["status"] == "sent")
    mail_of(stack, "order-1044")


async def test_a_queue_messages_id_for_another_message_is_refused(
    caller: Caller, stack: LocalStack
) -> None:
    await caller.drop(json.dumps(message(id="order-1046")))
    await caller.until("order-1046", lambda view: view["status"] == "sent")
    await caller.drop(json.dumps(message(id="order-1046", subject="Another")))
    [poison] = map(json.loads, await caller.poisoned(1))
    assert "stands for another message" in poison["reason"]
    refused = await caller.view(poison["message_id"])
    assert refused is not None
    assert refused["status"] == "failed"
    first = await caller.view("order-1046")
    assert first is not None
    assert first["status"] == "sent"
    mail_of(stack, "order-1046")
