"""A host's life: starts and refusals, draining, crashes, time-outs, reloads."""

import asyncio
import os
import signal
import time
from pathlib import Path

import aiohttp
import psutil
import pytest
from azure.storage.queue.aio import QueueServiceClient

from local.azurite import Azurite
from local.functions.host import RECYCLE
from local.functions.process import FunctionsHost, HostStartError
from tests.local.functions.conftest import (
    eventually,
    length,
    peeked,
    sample_app,
    send,
    write_app,
)

WORK = """
@app.route("slow")
async def slow(req: func.HttpRequest) -> str:
    note(kind="request")
    await asyncio.sleep(1)
    return "finished"

@app.queue_trigger("msg", "%QUEUE%", "AzureWebJobsStorage")
async def work(msg: func.QueueMessage) -> None:
    seconds = float(msg.get_body())
    note(kind="begun", tries=msg.dequeue_count)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        note(kind="cancelled")
        raise
    note(kind="ended")
"""
PLAIN = """
@app.route("version")
async def version(req: func.HttpRequest) -> str:
    return "one"
"""


@pytest.mark.parametrize("watch", [False, True])
async def test_a_stop_lets_running_calls_end_and_takes_no_more(
    storage: Azurite, queues: QueueServiceClient, tmp_path: Path, *, watch: bool
) -> None:
    name = f"drained-{watch}".lower()
    queue = await queues.create_queue(name)
    async with sample_app(
        tmp_path, WORK, storage=storage, settings={"QUEUE": name}, watch=watch
    ) as sample:
        await send(queue, "1")
        await sample.noted("begun")

        async def call() -> str:
            async with sample.http.get(sample.url("slow")) as answer:
                assert answer.status == 200
                return await answer.text()

        calling = asyncio.create_task(call())
        await sample.noted("request")
        stopping = asyncio.create_task(sample.host.stop())
        await asyncio.sleep(0.3)
        await send(queue, "1")
        if not watch:  # whose socket stays open for the next child
            with pytest.raises(aiohttp.ClientConnectionError):
                async with aiohttp.ClientSession() as http, http.get(sample.url("slow")):
                    pass
        assert await calling == "finished"
        assert await stopping == 0
        assert len(sample.notes("begun")) == len(sample.notes("ended")) == 1
    assert await length(queue) == 1  # the second waits for the next host


async def test_a_drain_is_bounded_and_what_it_cuts_comes_again(
    storage: Azurite, queues: QueueServiceClient, tmp_path: Path
) -> None:
    queue = await queues.create_queue("cut")
    async with sample_app(
        tmp_path,
        WORK,
        storage=storage,
        settings={"QUEUE": "cut"},
        arguments=["--drain-seconds", "0.5"],
    ) as sample:
        await send(queue, "60")
        await sample.noted("begun")
        started = time.monotonic()
        assert await sample.host.stop() == 0
        assert time.monotonic() - started < 10
        assert len(sample.notes("cancelled")) == 1
        assert "is abandoned" in sample.host.log()
    assert len(await peeked(queue)) == 1  # visible at once, not in ten minutes
    assert await peeked(queues.get_queue_client("cut-poison")) == []


async def test_a_second_signal_ends_the_host_at_once(
    storage: Azurite, queues: QueueServiceClient, tmp_path: Path
) -> None:
    queue = await queues.create_queue("twice")
    async with sample_app(tmp_path, WORK, storage=storage, settings={"QUEUE": "twice"}) as sample:
        await send(queue, "60")
        await sample.noted("begun")
        os.kill(sample.host.pid, signal.SIGINT)
        await asyncio.sleep(0.3)
        assert sample.host.running
        os.kill(sample.host.pid, signal.SIGINT)
        async with asyncio.timeout(5):
            assert await sample.host.wait() == 128 + signal.SIGINT


async def test_after_sigkill_a_message_comes_again_when_its_claim_is_over(
    storage: Azurite, queues: QueueServiceClient, tmp_path: Path
) -> None:
    queue = await queues.create_queue("killed")
    async with sample_app(
        tmp_path,
        WORK,
        storage=storage,
        settings={"QUEUE": "killed"},
        arguments=["--claim-seconds", "2"],
    ) as sample:
        await send(queue, "0.6")
        await sample.noted("begun")
        before = (sample.host.port, sample.host.master_key, sample.host.key_of("work"))
        await sample.host.kill()
        assert not sample.host.running
        assert sample.notes("ended") == []
        await sample.host.start()
        assert (sample.host.port, sample.host.master_key, sample.host.key_of("work")) == before
        await sample.noted("ended")
        assert [note["tries"] for note in sample.notes("begun")] == [1, 2]

        async def gone() -> bool:
            return await length(queue) == 0

        await eventually(gone)


async def test_a_call_over_the_function_timeout_ends_the_host(
    storage: Azurite, queues: QueueServiceClient, tmp_path: Path
) -> None:
    queue = await queues.create_queue("timed")
    host_json = {"functionTimeout": "00:00:01"}
    async with sample_app(
        tmp_path,
        WORK,
        storage=storage,
        host_json=host_json,
        settings={"QUEUE": "timed"},
        arguments=["--drain-seconds", "0.2"],
    ) as sample:
        await send(queue, "60")
        async with asyncio.timeout(20):
            assert await sample.host.wait() == RECYCLE
        assert "ran over functionTimeout" in sample.host.log()
    assert len(await peeked(queue)) == 1


async def test_watch_reloads_without_refusing_a_connection(
    storage: Azurite, tmp_path: Path
) -> None:
    async with sample_app(tmp_path, PLAIN, storage=storage, watch=True) as sample:

        async def version() -> str:
            async with sample.http.get(sample.url("version")) as answer:
                assert answer.status == 200
                return await answer.text()

        assert await version() == "one"
        await asyncio.sleep(0.5)  # the watcher is set up beside the child
        write_app(tmp_path, PLAIN.replace('"one"', '"two"'))
        async with asyncio.timeout(20):
            while await version() == "one":
                await asyncio.sleep(0.05)
        assert await version() == "two"
        # Broken code does not end the watch; the mended app is served on the same port.
        (tmp_path / "function_app.py").write_text("import no_such_module")
        await eventually(lambda: "waiting for a change" in sample.host.log(), 20)
        assert "no_such_module" in sample.host.log()
        write_app(tmp_path, PLAIN.replace('"one"', '"three"'))
        async with asyncio.timeout(20):
            assert await version() == "three"
        [child] = psutil.Process(sample.host.pid).children()
        await sample.host.kill()
        await eventually(lambda: not child.is_running() or child.status() == "zombie", 20)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module", "no_such_module"),
        (
            """
            @app.queue_trigger("msg", "jobs", "Elsewhere")
            async def work(msg: func.QueueMessage) -> None: ...
            """,
            "The storage connection 'Elsewhere' is not set",
        ),
    ],
    ids=["code", "connection"],
)
async def test_an_app_that_cannot_run_is_refused_with_the_reason(
    storage: Azurite, tmp_path: Path, source: str, reason: str
) -> None:
    with pytest.raises(HostStartError, match=reason) as refused:
        async with sample_app(tmp_path, source, storage=storage):
            pass
    assert "ended with status 2" in str(refused.value)


async def test_the_environment_wins_and_a_port_in_use_is_refused(tmp_path: Path) -> None:
    source = """
    @app.route("seen")
    async def seen(req: func.HttpRequest) -> str:
        return f"{os.environ['FROM_FILE']} {os.environ['FROM_BOTH']} {os.getcwd()}"
    """
    write_app(tmp_path, source)
    settings = tmp_path / "local.settings.json"
    settings.write_text('{"Values": {"FROM_FILE": "file", "FROM_BOTH": "file"}}')
    host = FunctionsHost(tmp_path, settings_file=settings, settings={"FROM_BOTH": "environment"})
    await host.start()
    try:
        async with aiohttp.ClientSession() as http, http.get(f"{host.url}/api/seen") as answer:
            assert await answer.text() == f"file environment {tmp_path}"
        second = FunctionsHost(tmp_path, settings_file=settings, port=host.port)
        with pytest.raises(HostStartError, match=f"port {host.port} of 127.0.0.1"):
            await second.start()
    finally:
        assert await host.stop() == 0
