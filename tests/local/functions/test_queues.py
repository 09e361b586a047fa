"""The queue trigger's semantics against Azurite: what is deleted, comes again or is poisoned."""

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise

import pytest
from azure.storage.queue.aio import QueueServiceClient
from hypothesis import given
from hypothesis import strategies as st

from local.azurite import Azurite
from local.functions.queues import Backoff, decode
from tests.local.functions.conftest import (
    Sample,
    eventually,
    length,
    peeked,
    sample_app,
    send,
)

APP = """
running = 0

@app.queue_trigger("msg", "%WORK_QUEUE%", "AzureWebJobsStorage")
async def work(msg: func.QueueMessage) -> None:
    body = msg.get_body().decode()
    note(kind="work", body=body, tries=msg.dequeue_count)
    if body.startswith("bad"):
        raise ValueError("a bad message")

@app.queue_trigger("msg", "slow-work", "AzureWebJobsStorage")
async def slow(msg: func.QueueMessage) -> None:
    note(kind="slow", tries=msg.dequeue_count)
    await asyncio.sleep(3.2)
    note(kind="slow-end")

@app.queue_trigger("msg", "wide-work", "AzureWebJobsStorage")
async def wide(msg: func.QueueMessage) -> None:
    global running
    running += 1
    note(kind="wide", running=running)
    await asyncio.sleep(0.1 + int(msg.get_body()) % 4 * 0.15)
    running -= 1

@app.queue_trigger("msg", "work-poison", "AzureWebJobsStorage")
async def poisoned(msg: func.QueueMessage) -> None:
    note(kind="poisoned", body=msg.get_body().decode(), tries=msg.dequeue_count)
    raise ValueError("the poison queue's function fails too")

@app.queue_trigger("msg", "described", "AzureWebJobsStorage")
async def described(msg: func.QueueMessage) -> None:
    note(kind="described", body=msg.get_body().decode(), id=msg.id, tries=msg.dequeue_count,
         inserted=str(msg.insertion_time), expires=str(msg.expiration_time),
         visible=str(msg.time_next_visible), receipt=msg.pop_receipt)

@app.queue_trigger("msg", "copied", "AzureWebJobsStorage")
@app.queue_output("one", "written-one", "AzureWebJobsStorage")
@app.blob_output("stored", "written/{id}.txt", "AzureWebJobsStorage")
async def copied(msg: func.QueueMessage, one: func.Out[str], stored: func.Out[str]) -> None:
    one.set(json.dumps([{"n": 1}, "two"]))
    stored.set("stored " + msg.get_body().decode())

@app.queue_trigger("msg", "written-one", "AzureWebJobsStorage")
async def chained(msg: func.QueueMessage) -> None:
    note(kind="chained", body=msg.get_body().decode())
"""
HOST_JSON = {
    "extensions": {
        "queues": {
            "batchSize": 4,
            "newBatchThreshold": 2,
            "maxDequeueCount": 3,
            "visibilityTimeout": "00:00:01",
            "maxPollingInterval": "00:00:00.2",
        }
    },
    "logging": {"logLevel": {"default": "Information"}},
}


@pytest.fixture(scope="module")
async def sample(
    storage: Azurite, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Sample]:
    async with sample_app(
        tmp_path_factory.mktemp("queues"),
        APP,
        storage=storage,
        host_json=HOST_JSON,
        settings={"WORK_QUEUE": "work"},
        arguments=["--claim-seconds", "2"],
    ) as sample:
        yield sample


async def test_a_missing_queue_is_waited_for_and_not_made(
    sample: Sample, queues: QueueServiceClient
) -> None:
    await asyncio.sleep(0.5)
    assert "work" not in [queue.name async for queue in queues.list_queues()]
    assert "work: The queue does not exist yet" in sample.host.log()
    work = await queues.create_queue("work")
    await send(work, "good")
    [note] = await sample.noted("work")
    assert (note["body"], note["tries"]) == ("good", 1)

    async def gone() -> bool:
        return await length(work) == 0

    await eventually(gone)


async def test_failures_are_tried_again_after_the_delay_then_poisoned_once(
    sample: Sample, queues: QueueServiceClient
) -> None:
    await send(queues.get_queue_client("work"), "bad €")
    await eventually(
        lambda: len([n for n in sample.notes("work") if n["body"] == "bad €"]) >= 3,
        explain=sample.host.log,
    )
    tries = [note for note in sample.notes("work") if note["body"] == "bad €"]
    assert [note["tries"] for note in tries] == [1, 2, 3]
    assert all(later["at"] - earlier["at"] >= 0.9 for earlier, later in pairwise(tries))
    # The function of the poison queue sees it, body as it was; its failures go nowhere further.
    await eventually(
        lambda: len([n for n in sample.notes("poisoned") if n["body"] == "bad €"]) >= 4,
        explain=sample.host.log,
    )
    names = [queue.name async for queue in queues.list_queues()]
    assert "work-poison" in names
    assert "work-poison-poison" not in names
    assert await length(queues.get_queue_client("work")) == 0


async def test_undecodable_base64_is_poisoned_at_once(
    sample: Sample, queues: QueueServiceClient
) -> None:
    described = await queues.create_queue("described")
    await described.send_message("this is {not} base64 <at> all")
    poison = queues.get_queue_client("described-poison")

    async def poisoned() -> bool:
        return await peeked(poison) == ["this is {not} base64 <at> all"]

    await eventually(poisoned, explain=sample.host.log)
    assert sample.notes("described") == []
    assert "messageEncoding" in sample.host.log()


async def test_metadata_and_the_payload_properties_that_hide_it(
    sample: Sample, queues: QueueServiceClient
) -> None:
    described = queues.get_queue_client("described")
    await send(described, "plain text")
    [plain] = await sample.noted("described")
    assert plain["body"] == "plain text"
    assert len(plain["id"]) == 36
    assert plain["receipt"]
    assert plain["tries"] == 1
    assert plain["inserted"][:4] == plain["expires"][:4] == plain["visible"][:4]
    assert plain["inserted"].endswith("+00:00")
    await send(described, json.dumps({"id": "mine", "popreceipt": "theirs", "to": ["a"]}))
    [_, hidden] = await sample.noted("described", 2)
    assert (hidden["id"], hidden["receipt"]) == ("mine", "theirs")


async def test_a_function_longer_than_its_claim_runs_once(
    sample: Sample, queues: QueueServiceClient
) -> None:
    slow = await queues.create_queue("slow-work")
    await send(slow, "long")
    await sample.noted("slow-end")

    async def gone() -> bool:
        return await length(slow) == 0

    await eventually(gone)  # deleted with the pop receipt of the last of several renewals
    assert [note["tries"] for note in sample.notes("slow")] == [1]


async def test_at_most_batch_and_threshold_run_at_once(
    sample: Sample, queues: QueueServiceClient
) -> None:
    wide = await queues.create_queue("wide-work")
    await asyncio.gather(*(send(wide, str(number)) for number in range(20)))
    notes = await sample.noted("wide", 20)
    assert 4 < max(note["running"] for note in notes) <= 4 + 2


async def test_outputs_become_messages_and_blobs(
    sample: Sample, storage: Azurite, queues: QueueServiceClient
) -> None:
    from azure.storage.blob.aio import BlobServiceClient

    copied = await queues.create_queue("copied")
    await send(copied, json.dumps({"id": "seven"}))
    chained = await sample.noted("chained", 2)
    assert sorted(note["body"] for note in chained) == ["two", '{\n  "n": 1\n}']
    async with BlobServiceClient.from_connection_string(storage.connection_string) as blobs:
        blob = blobs.get_blob_client("written", "seven.txt")

        async def stored() -> bool:
            return await blob.exists()

        await eventually(stored, explain=sample.host.log)
        content = await (await blob.download_blob()).readall()
    assert content == b'stored {"id": "seven"}'


async def test_plain_text_with_message_encoding_none(
    storage: Azurite, queues: QueueServiceClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = """
    @app.queue_trigger("msg", "plain", "AzureWebJobsStorage")
    async def plain(msg: func.QueueMessage) -> None:
        note(kind="plain", body=msg.get_body().decode())
    """
    plain = await queues.create_queue("plain")
    body = '{"subject": "Grüße & <b>"}'
    await plain.send_message(body)
    async with sample_app(
        tmp_path_factory.mktemp("plain"),
        source,
        storage=storage,
        # An override as an app setting, as Azure takes it.
        settings={"AzureFunctionsJobHost__extensions__queues__messageEncoding": "none"},
    ) as sample:
        [note] = await sample.noted("plain")
    assert note["body"] == body


@given(st.binary())
def test_every_body_survives_base64(body: bytes) -> None:
    encoded = base64.b64encode(body).decode()
    assert decode(encoded, base64_encoded=True) == body
    assert decode(f" {encoded[:5]}\n{encoded[5:]} ", base64_encoded=True) == body


@pytest.mark.parametrize("text", ["{}", "YWJ", "YW=Jj", "=", "YWJj!", "é"])
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="messageEncoding"):
        decode(text, base64_encoded=True)


@given(st.integers(), st.floats(min_value=0.1, max_value=60))
def test_empty_polls_wait_longer_each_time_up_to_the_longest(seed: int, longest: float) -> None:
    backoff = Backoff(timedelta(seconds=longest), random.Random(seed))
    delays = [backoff.next() for _ in range(20)]
    assert delays[0] == pytest.approx(0.1)
    assert delays[-1] == pytest.approx(longest, abs=1e-5)
    for earlier, later in pairwise(delays):
        assert later == pytest.approx(longest, abs=1e-5) or 1.6 <= later / earlier <= 2.4
    backoff.reset()
    assert backoff.next() == pytest.approx(0.1)
