"""An application that sends through Mailroom: by HTTP, by the queue, and as its operator."""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from azure.storage.blob.aio import BlobServiceClient, ContainerClient
from azure.storage.queue.aio import QueueServiceClient

from local.office365.mail import KeptMessage
from local.stack import LocalStack
from tests.marks import marked_id

type Json = dict[str, Any]

FINAL = {"sent", "failed", "suppressed", "cancelled", "unknown"}
BILLING, ALERTS = "billing@contoso.test", "alerts@contoso.test"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the API answered."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Json:
        content: Json = json.loads(self.text)
        return content

    @property
    def is_problem(self) -> bool:
        return self.headers.get("Content-Type", "").startswith("application/problem+json")

    @property
    def pointers(self) -> set[str]:
        """The places of a problem document's faults."""
        return {error["pointer"] for error in self.json.get("errors", [])}


class Caller:
    """Talks to one stack. `answers` are all that the API has said.

    `headers` go with each request.
    """

    def __init__(self, stack: LocalStack, http: aiohttp.ClientSession) -> None:
        self.stack = stack
        self.answers: list[str] = []
        self.headers: dict[str, str] = {}
        self._http = http

    async def request(self, method: str, path: str, **options: Any) -> Reply:
        """One request to /api with the function key; `options` are aiohttp's."""
        headers = {**self.stack.headers, **self.headers, **options.pop("headers", {})}
        async with self._http.request(
            method, f"{self.stack.url}/{path}", headers=headers, **options
        ) as response:
            reply = Reply(response.status, response.headers.copy(), await response.text())
        self.answers.append(f"{reply.headers} {reply.text}")
        return reply

    async def post(self, message: object, key: str | None = None) -> Reply:
        """Post a message: an object, or bytes as they are to be sent."""
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        return await self.request("POST", "messages", data=io.BytesIO(body), headers=headers)

    async def send(self, message: Json, key: str | None = None) -> str:
        """Post a message that must be accepted; returns its id."""
        reply = await self.post(message, key)
        assert reply.status == 202, reply.text
        return str(reply.json["id"])

    async def view(self, message_id: str) -> Json | None:
        """What Mailroom shows of a message; None if it knows none."""
        reply = await self.request("GET", f"messages/{message_id}")
        if reply.status == 404:
            return None
        assert reply.status == 200, reply.text
        return reply.json

    async def until(
        self, message_id: str, condition: Callable[[Json], bool], within: float = 30.0
    ) -> Json:
        """The message's view, once it is as wanted."""
        deadline = time.monotonic() + within
        view: Json | None = None
        while True:
            view = await self.view(message_id)
            if view is not None and condition(view):
                return view
            if time.monotonic() > deadline:
                log = self.stack.host.log()[-5000:]
                pytest.fail(f"not within {within} s: {json.dumps(view, indent=1)}\n{log}")
            await asyncio.sleep(0.1)

    async def finished(self, message_id: str, within: float = 30.0) -> Json:
        """The message's view, once its status is final."""
        return await self.until(message_id, lambda view: view["status"] in FINAL, within)

    async def drop(self, text: str, queue: str = "outbound-mail") -> None:
        """Put a message on a queue, as another service does."""
        async with self._queues() as queues:
            await queues.get_queue_client(queue).send_message(text)

    async def poisoned(self, number: int, within: float = 20.0) -> list[str]:
        """Take away what has been parked of the poison queue, once so many messages have come."""
        found: list[str] = []
        deadline = time.monotonic() + within
        async with ContainerClient.from_connection_string(
            self.stack.azurite.connection_string, "mail-content", **self.stack.storage_options
        ) as container:
            while len(found) < number and time.monotonic() < deadline:
                async for blob in container.list_blobs(name_starts_with="refused/"):
                    stream = await container.download_blob(blob.name)
                    found.append((await stream.readall()).decode())
                    await container.delete_blob(blob.name)
                await asyncio.sleep(0.1)
        assert len(found) == number, (found, self.stack.host.log()[-5000:])
        return found

    async def write_blob(self, name: str, content: bytes) -> None:
        """Leave content in `mail-content`, as another service does."""
        async with BlobServiceClient.from_connection_string(
            self.stack.azurite.connection_string, **self.stack.storage_options
        ) as blobs:
            await blobs.get_blob_client("mail-content", name).upload_blob(content)

    async def read_blob(self, name: str) -> bytes:
        """Content of `mail-content`."""
        async with BlobServiceClient.from_connection_string(
            self.stack.azurite.connection_string, **self.stack.storage_options
        ) as blobs:
            stream = await blobs.get_blob_client("mail-content", name).download_blob()
            return await stream.readall()

    async def reconcile(self) -> None:
        """Run the timer now rather than at the next full minute."""
        await self.run_timer("reconcile")

    async def run_timer(self, name: str) -> None:
        """Run a timer's function now; it is under way when this returns."""
        url = f"{self.stack.host.url}/admin/functions/{name}"
        headers = {"x-functions-key": self.stack.host.master_key}
        async with self._http.post(url, json={}, headers=headers) as response:
            assert response.status == 202

    async def steer(self, method: str, path: str, body: object = None) -> Json:
        """Change how the submission server behaves: its faults, mailboxes, limits."""
        url = f"{self.stack.office365.inbox_url}/{path}"
        async with self._http.request(method, url, json=body) as response:
            assert response.ok, await response.text()
            content: Json = await response.json()
            return content

    def _queues(self) -> QueueServiceClient:
        return QueueServiceClient.from_connection_string(
            self.stack.azurite.connection_string, **self.stack.storage_options
        )


@asynccontextmanager
async def calling(stack: LocalStack) -> AsyncIterator[Caller]:
    """A caller of the stack, for as long as it is needed."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        yield Caller(stack, http)


def message(**changes: Any) -> Json:
    """A message that is accepted and sent; `changes` by JSON name."""
    return {
        "from": {"email": BILLING, "name": "Contoso Bílling"},
        "to": [{"email": "ana@example.com", "name": "Ána"}],
        "subject": "Grüße 1042",
        "text": "Hállo\n",
        **changes,
    }


def mail_of(stack: LocalStack, message_id: str) -> KeptMessage:
    """The one mail that the submission server holds of a message."""
    [kept] = mails_of(stack, message_id)
    return kept


def mails_of(stack: LocalStack, message_id: str) -> list[KeptMessage]:
    """The mails that the submission server holds of a message."""
    return [kept for kept in stack.office365.messages if marked_id(kept.head) == message_id]


async def arrival(stack: LocalStack, message_id: str) -> KeptMessage:
    """A message's mail, once the submission server has taken it, whoever knows of that."""
    return await stack.office365.wait_for(lambda kept: marked_id(kept.head) == message_id)
