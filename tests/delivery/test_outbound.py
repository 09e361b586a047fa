"""Whatever stands on the queue `outbound-mail`: delivered, put off, or in poison with a reason."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import StorageUnavailableError
from shared.messages.identity import keyed_message_id, queue_reference
from shared.storage.blobs import Container
from shared.storage.queues import MAX_BODY, Queue
from tests.delivery.post import Post


def body(**changes: Any) -> bytes:
    whole = {
        "from": {"email": "billing@contoso.test"},
        "to": [{"email": "ana@example.com"}],
        "subject": "From a service",
        "text": "Hello.",
    } | changes
    return json.dumps(whole).encode()


async def poisoned(post: Post) -> dict[str, Any]:
    (text,) = await post.take(post.poison)
    read: dict[str, Any] = json.loads(text)
    return read


@pytest.mark.parametrize(
    "encode",
    [
        lambda b: b,
        base64.b64encode,
        lambda b: b" \r\n" + b + b"\n",
        lambda b: base64.b64encode(b) + b"\n",
        lambda b: base64.b64encode(b" " + b + b"\n"),
    ],
    ids=["plain", "base64", "blanks", "base64 with a line end", "base64 of blanks"],
)
async def test_a_message_of_another_service_is_sent(post: Post, encode: Any) -> None:
    own_id = f"order:{post.prefix}"
    await post.outbound.handle(encode(body(id=own_id)), queue_id="q1")
    record = await post.record(own_id)
    assert (record.status, record.source) == ("sent", "queue")
    assert len(post.mails(own_id)) == 1
    assert await post.poison.depth() == 0


async def test_a_redelivered_message_is_sent_once(post: Post) -> None:
    for _ in range(3):
        await post.outbound.handle(body(), queue_id="q1")
    assert len(post.mails(keyed_message_id("queue", "q1"))) == 1
    assert len(post.office.messages) == 1


async def test_a_reference_is_delivered_plain_or_in_base64(post: Post) -> None:
    for encode in (bytes, base64.b64encode):
        message_id = await post.accept()
        await post.outbound.handle(encode(queue_reference(message_id).encode()), queue_id="q1")
        assert (await post.record(message_id)).status == "sent"


async def test_the_largest_queue_message_is_sent(post: Post) -> None:
    whole = body(id=post.prefix, text="x" * (MAX_BODY - len(body(id=post.prefix, text=""))))
    assert len(whole) == MAX_BODY
    await post.outbound.handle(base64.b64encode(whole), queue_id="q1")
    assert (await post.record(post.prefix)).status == "sent"


async def test_a_claim_check_is_sent(post: Post) -> None:
    container = Container(post.storage, "mail-content")
    await container.write(f"claims/{post.prefix}", body(text="y" * 90_000), content_type="a/b")
    claim = json.dumps({"content_blob": f"claims/{post.prefix}", "id": post.prefix}).encode()
    for _ in range(2):
        await post.outbound.handle(claim, queue_id="q1")
    assert (await post.record(post.prefix)).status == "sent"
    assert len(post.mails(post.prefix)) == 1


async def test_a_scheduled_message_goes_back_to_the_queue(post: Post) -> None:
    when = post.clock.now + timedelta(hours=1)
    await post.outbound.handle(body(id=post.prefix, send_at=when.isoformat()), queue_id="q1")
    assert (await post.record(post.prefix)).status == "scheduled"
    assert await post.queue.depth() == 1
    assert await post.take() == []
    post.clock.now = when
    await post.outbound.handle(queue_reference(post.prefix).encode(), queue_id="q2")
    assert (await post.record(post.prefix)).status == "sent"


INVALID: list[tuple[bytes, str]] = [
    (b"", ""),
    (b"nonsense", ""),
    (b"\xff\x00", ""),
    (b"{}", "/from"),
    (b"[]", ""),
    (b"[" * 40_000, ""),
    (b"[" * 40_000 + b'"content_blob"', ""),
    (base64.b64encode(b"\x00\x01"), ""),
    (body(to=[{"email": "no"}]), "/to/0/email"),
    (body(subject="a\r\nBcc: eve@example.com"), "/subject"),
    (body(**{"from": {"email": "ceo@contoso.test"}}), "/from/email"),
    (b'{"content_blob": "there/is/none"}', "/content_blob"),
    (b'{"content_blob": "../x"}', "/content_blob"),
    (b'{"recorded": "with-a-blank"}', "/from"),
]


@pytest.mark.parametrize(("invalid", "pointer"), INVALID)
async def test_what_is_no_message_goes_to_poison_with_its_reason(
    post: Post, invalid: bytes, pointer: str
) -> None:
    await post.outbound.handle(invalid, queue_id="q1")
    poison = await poisoned(post)
    assert pointer in [problem["pointer"] for problem in poison["problems"]]
    assert all(problem["fix"] for problem in poison["problems"])
    assert base64.b64decode(poison["original"]) == invalid.strip() or pointer == ""
    record = await post.record(poison["message_id"])
    assert (record.status, record.source) == ("failed", "queue")
    assert record.detail
    assert poison["reason"] == record.detail[:2000]
    assert post.office.messages == ()


async def test_a_redelivered_refusal_is_recorded_once(post: Post) -> None:
    for _ in range(2):
        await post.outbound.handle(b"nonsense", queue_id="q1")
    first, second = (json.loads(text) for text in await post.take(post.poison))
    assert first == second


async def test_an_id_of_another_message_goes_to_poison(post: Post) -> None:
    await post.outbound.handle(body(id=post.prefix), queue_id="q1")
    await post.outbound.handle(body(id=post.prefix, subject="Other"), queue_id="q2")
    poison = await poisoned(post)
    assert post.prefix in poison["reason"]
    assert poison["message_id"] != post.prefix
    assert json.loads(base64.b64decode(poison["original"]))["subject"] == "Other"
    assert (await post.record(post.prefix)).status == "sent"
    assert len(post.office.messages) == 1


@pytest.mark.parametrize("letter", ["?", "\0"], ids=["plain", "binary"])
async def test_a_body_that_poison_has_no_room_for_is_kept_as_a_blob(
    post: Post, letter: str
) -> None:
    invalid = (letter * 60_000).encode()
    await post.outbound.handle(invalid, queue_id="q1")
    poison = await poisoned(post)
    assert "original" not in poison
    kept = await Container(post.storage, "mail-content").read(poison["original_blob"], limit=10**6)
    assert kept == invalid.strip()


async def test_poison_holds_as_much_advice_as_there_is_room_for(post: Post) -> None:
    invalid = body(**{f"{'é' * 70}{n}": 1 for n in range(40)})
    await post.outbound.handle(invalid, queue_id="q1")
    poison = await poisoned(post)
    assert len(poison["problems"]) == 10
    assert len(poison["reason"]) == 2000


async def test_storage_that_is_away_leaves_the_message_on_the_queue(post: Post) -> None:
    class Away(Queue):
        async def send(self, text: str, *, delay: timedelta = timedelta(0)) -> None:
            raise StorageUnavailableError("Storage does not answer.")

    poison, post.poison = post.poison, Away(post.storage, "outbound-mail-poison")
    post.join()
    with pytest.raises(StorageUnavailableError):
        await post.outbound.handle(b"nonsense", queue_id="q1")
    post.poison = poison
    post.join()
    await post.outbound.handle(b"nonsense", queue_id="q1")  # the host brings it again
    assert (await poisoned(post))["reason"]
