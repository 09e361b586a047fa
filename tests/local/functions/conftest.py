"""Hosts running small apps in folders of their own, on one Azurite."""

import asyncio
import base64
import json
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local.azurite import Azurite
from local.functions.process import FunctionsHost

# Each app notes what its functions see in a file that the test reads.
PRELUDE = """
import asyncio, json, logging, os, threading, time
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
NOTES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "notes.jsonl")

def note(**values):
    line = json.dumps({"at": time.time(), **values}) + "\\n"
    with open(NOTES, "a") as notes:
        notes.write(line)
"""
FAST = {"maxPollingInterval": "00:00:00.2"}


@dataclass
class Sample:
    """An app in a folder, its host and what its functions noted."""

    folder: Path
    host: FunctionsHost
    http: aiohttp.ClientSession

    def notes(self, kind: str | None = None) -> list[dict[str, Any]]:
        path = self.folder / "notes.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines]
        return [line for line in found if kind is None or line.get("kind") == kind]

    async def noted(self, kind: str, number: int = 1, within: float = 45.0) -> list[dict[str, Any]]:
        """Wait until so many notes of a kind are there."""
        await eventually(lambda: len(self.notes(kind)) >= number, within, self.host.log)
        return self.notes(kind)

    def url(self, path: str) -> str:
        return f"{self.host.url}/api/{path}"


async def eventually(
    condition: Callable[[], bool | Awaitable[bool]],
    within: float = 45.0,
    explain: Callable[[], object] = lambda: "",
) -> None:
    deadline = time.monotonic() + within
    while True:
        outcome = condition()
        if outcome if isinstance(outcome, bool) else await outcome:
            return
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within} s: {explain()}")
        await asyncio.sleep(0.02)


def write_app(folder: Path, source: str, host_json: Mapping[str, Any] | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"version": "2.0", "extensions": {"queues": FAST}} | dict(host_json or {})
    (folder / "host.json").write_text(json.dumps(content))
    (folder / "function_app.py").write_text(PRELUDE + textwrap.dedent(source))


@asynccontextmanager
async def sample_app(
    folder: Path,
    source: str,
    *,
    storage: Azurite,
    host_json: Mapping[str, Any] | None = None,
    settings: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
    log_format: str = "text",
    watch: bool = False,
) -> AsyncIterator[Sample]:
    write_app(folder, source, host_json)
    host = FunctionsHost(
        folder,
        settings={"AzureWebJobsStorage": storage.connection_string, **(settings or {})},
        arguments=arguments,
        log=folder / "host.log",
        log_format=log_format,
        watch=watch,
    )
    async with aiohttp.ClientSession() as http:
        try:
            await host.start()
            yield Sample(folder, host, http)
        finally:
            await host.stop()


@pytest.fixture(scope="session")
async def storage() -> AsyncIterator[Azurite]:
    azurite = Azurite()
    await azurite.start()
    yield azurite
    await azurite.stop()


@pytest.fixture(scope="session")
async def queues(storage: Azurite) -> AsyncIterator[QueueServiceClient]:
    async with QueueServiceClient.from_connection_string(
        storage.connection_string, retry_total=0
    ) as service:
        yield service


async def send(queue: QueueClient, body: bytes | str) -> None:
    """Send as most callers do, in base64."""
    content = body.encode() if isinstance(body, str) else body
    await queue.send_message(base64.b64encode(content).decode())


async def peeked(queue: QueueClient) -> list[str]:
    """The visible messages' raw bodies; none if there is no such queue."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return [message.content for message in await queue.peek_messages(max_messages=32)]
    except ResourceNotFoundError:
        return []


async def length(queue: QueueClient) -> int:
    """All messages, the claimed ones too."""
    return (await queue.get_queue_properties()).approximate_message_count or 0
