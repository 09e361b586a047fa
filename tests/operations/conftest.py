"""The application in this process, on the local stack's services: its clock can be moved."""

import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local.azurite import Azurite
from local.certificates import LocalAuthority
from local.office365 import Limits
from local.stack import LocalStack, StackOptions, provision
from shared.api.answers import Answer
from shared.application import Application
from shared.inbox.mail import Intake
from shared.messages.identity import queue_reference
from shared.settings import load_settings
from shared.storage.names import CONTAINERS
from tests.marks import marked_id

type Json = dict[str, Any]

BILLING = "billing@contoso.test"
URL = "http://localhost/api/messages"
LIMITS = Limits(
    messages_per_minute=None,
    recipients_per_day=None,
    tenant_external_recipients_per_day=None,
)


class Services(LocalStack):
    """All of the local stack but the app, with certificates that this process trusts."""

    def __init__(self, authority: LocalAuthority) -> None:
        super().__init__(StackOptions(limits=LIMITS))
        self.authority = authority

    async def start_services(self) -> None:
        temporary = tempfile.TemporaryDirectory(prefix="mailroom-services-")
        self._closing.callback(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.azurite = Azurite()
        await self.azurite.start()
        self._closing.push_async_callback(self.azurite.stop)
        await provision(self.azurite.connection_string)
        await self._start_tenant()


class Clock:
    """The real time, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Office:
    """One application, and what an outsider sees of it."""

    app: Application
    services: Services
    clock: Clock

    @property
    def connection(self) -> str:
        return self.services.azurite.connection_string

    async def post(self, key: str | None = None, **changes: Any) -> str:
        """Posts a message that must be accepted; returns its id."""
        headers = {"idempotency-key": key} if key else {}
        answer = await self.app.messages.post(json.dumps(message(**changes)).encode(), headers, URL)
        assert answer.status == 202, answer.body
        return str(read(answer)["id"])

    async def post_batch(self, batch: object, key: str | None = None) -> Answer:
        body = batch if isinstance(batch, bytes) else json.dumps(batch).encode()
        headers = {"content-type": "application/json"}
        if key:
            headers["idempotency-key"] = key
        return await self.app.batches.post(body, headers, f"{URL}/batch")

    async def view(self, message_id: str) -> Json:
        answer = await self.app.messages.get(message_id)
        assert answer.status == 200, answer.body
        return read(answer)

    async def replay(self, **wanted: Any) -> Json:
        answer = await self.app.operations.replay(json.dumps(wanted).encode(), {})
        assert answer.status == 200, answer.body
        return read(answer)

    async def resolve(self, message_id: str, **wanted: Any) -> Answer:
        body = json.dumps(wanted).encode()
        return await self.app.operations.resolve(message_id, body, {})

    async def take(self, queue: str = "outbound-mail") -> list[tuple[str, str]]:
        """Takes what is visible off a queue: (id, text)."""
        taken = []
        async with QueueClient.from_connection_string(self.connection, queue) as client:
            async for found in client.receive_messages(messages_per_page=32):
                taken.append((found.id, found.content))
                await client.delete_message(found)
        return taken

    async def deliver(self) -> int:
        """Delivers what is on the queue; returns how many queue messages there were."""
        taken = await self.take()
        for queue_id, text in taken:
            await self.app.outbound.handle(text.encode(), queue_id=queue_id)
        return len(taken)

    async def poison(self, body: str | bytes, queue_id: str = "poisoned") -> None:
        content = body.encode() if isinstance(body, str) else body
        await self.app.poison.handle(content, queue="outbound-mail", queue_id=queue_id)

    async def give_up(self, message_id: str) -> None:
        """Poisons a message for as often as it is brought back, and once more."""
        for minutes in (1, 2, 4, 8, 16, 32):
            await self.poison(queue_reference(message_id))
            self.clock.ahead += timedelta(minutes=minutes)

    async def rows(self, table: str = "messages") -> list[Json]:
        async with TableServiceClient.from_connection_string(self.connection) as tables:
            rows = [dict(row) async for row in tables.get_table_client(table).list_entities()]
            return [row for row in rows if row["PartitionKey"] not in {"salt", "filter"}]

    async def keys(self, prefix: str) -> list[str]:
        return sorted(r["RowKey"] for r in await self.rows() if r["RowKey"].startswith(prefix))

    async def blobs(self, prefix: str = "") -> dict[str, bytes]:
        async with ContainerClient.from_connection_string(
            self.connection, "mail-content"
        ) as container:
            return {
                blob.name: await (await container.download_blob(blob.name)).readall()
                async for blob in container.list_blobs(name_starts_with=prefix)
            }

    def mails(self, message_id: str) -> list[Any]:
        """What the submission server holds of a message."""
        return [
            kept for kept in self.services.office365.messages if marked_id(kept.head) == message_id
        ]


def message(**changes: Any) -> Json:
    """A message that is accepted and sent."""
    return {
        "from": {"email": BILLING},
        "to": [{"email": "ana@example.com"}],
        "subject": "Invoice 1042",
        "text": "Hello\n",
        **changes,
    }


def read(answer: Answer) -> Json:
    content: Json = json.loads(answer.body)
    return content


def pointers(answer: Answer) -> set[str]:
    return {error["pointer"] for error in read(answer)["errors"]}


@pytest.fixture(scope="session")
async def services(authority: LocalAuthority) -> AsyncIterator[Services]:
    services = Services(authority)
    try:
        await services.start_services()
        yield services
    finally:
        await services.stop()


type OpenOffice = Callable[..., Office]


@pytest.fixture
async def open_office(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[OpenOffice]:
    """Opens applications that share one storage account, which is empty at the test's start."""
    for name, value in services.identity.environment().items():
        monkeypatch.setenv(name, value)
    closing = AsyncExitStack()

    def opened(*, intake: Intake | None = None, **settings: str) -> Office:
        clock = Clock()
        app = Application(
            load_settings({**services.app_settings(), **settings}), clock=clock, intake=intake
        )
        closing.push_async_callback(app.aclose)
        return Office(app, services, clock)

    async with closing:
        yield opened
    await _empty(services.azurite.connection_string)


@pytest.fixture
def office(open_office: OpenOffice) -> Office:
    return open_office()


async def _empty(connection: str) -> None:
    async with TableServiceClient.from_connection_string(connection) as tables:
        async for table in tables.list_tables():
            await tables.delete_table(table.name)
    async with QueueServiceClient.from_connection_string(connection) as queues:
        async for queue in queues.list_queues():
            await queues.get_queue_client(queue.name).clear_messages()
    for name in CONTAINERS:
        async with ContainerClient.from_connection_string(connection, name) as container:
            async for blob in container.list_blobs():
                await container.delete_blob(blob.name)
    await provision(connection)
