"""The queue client against a real queue service."""

from datetime import UTC, datetime, timedelta

import pytest

from local.azurite import Azurite
from shared.storage.connection import StorageConnection
from shared.storage.queues import MAX_BODY, MAX_DELAY, Queue


@pytest.fixture
def queue(storage: StorageConnection, name: str) -> Queue:
    return Queue(storage, name)


async def take(azurite: Azurite, queue: Queue) -> list[str]:
    """All that is visible now, by Azure's own client, as the Functions host receives it."""
    from azure.storage.queue.aio import QueueClient

    async with QueueClient.from_connection_string(
        azurite.connection_string, queue.name
    ) as messages:
        return [message.content async for message in messages.receive_messages()]


async def test_a_missing_queue_is_empty_and_is_created_by_the_first_message(
    azurite: Azurite, queue: Queue
) -> None:
    assert await queue.depth() == 0
    assert await queue.oldest_visible() is None
    await queue.send('{"recorded":"1"}')
    assert await queue.depth() == 1
    assert await take(azurite, queue) == ['{"recorded":"1"}']


async def test_creating_is_repeatable(queue: Queue) -> None:
    await queue.create()
    await queue.create()
    assert await queue.depth() == 0
    assert await queue.oldest_visible() is None


async def test_text_arrives_as_it_was_sent(azurite: Azurite, queue: Queue) -> None:
    texts = ["<&> 'é' \U0001f600 \"quoted\"", "{}", "x" * 64_000]
    for text in texts:
        await queue.send(text)
    assert await take(azurite, queue) == texts


async def test_the_largest_body_fits_after_base64(queue: Queue) -> None:
    await queue.send("A" * (4 * MAX_BODY // 3))


async def test_the_oldest_visible_message_is_the_head(azurite: Azurite, queue: Queue) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    await queue.send("first")
    await queue.send("second")
    head = await queue.oldest_visible()
    assert head is not None
    assert before <= head <= datetime.now(UTC) + timedelta(seconds=2)
    assert await queue.depth() == 2
    assert await take(azurite, queue) == ["first", "second"]
    assert await queue.oldest_visible() is None  # both invisible while somebody works on them
    assert await queue.depth() == 2


async def test_a_delayed_message_is_invisible(azurite: Azurite, queue: Queue) -> None:
    await queue.send("later", delay=timedelta(seconds=30))
    await queue.send("now", delay=timedelta(seconds=-5))
    assert await take(azurite, queue) == ["now"]
    assert await queue.depth() == 2


@pytest.mark.parametrize("delay", [MAX_DELAY, MAX_DELAY + timedelta(days=300), timedelta.max])
async def test_a_longer_delay_than_the_service_takes_is_the_longest(
    azurite: Azurite, queue: Queue, delay: timedelta
) -> None:
    await queue.send("much later", delay=delay)
    assert await take(azurite, queue) == []
    assert await queue.depth() == 1


async def test_a_part_of_a_second_is_a_second(azurite: Azurite, queue: Queue) -> None:
    await queue.send("soon", delay=timedelta(milliseconds=10))
    assert await take(azurite, queue) == []  # the service counts whole seconds; never early
