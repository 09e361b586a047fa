"""Azurite as the local stack starts it, asked through Azure's own clients."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ClientAuthenticationError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableServiceClient
from azure.identity.aio import ManagedIdentityCredential
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from local.azurite import Azurite, AzuriteError, Operation
from local.certificates import LocalAuthority
from local.contoso import IDENTITY_CLIENT_ID
from local.identity import ManagedIdentityServer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
async def azurite() -> AsyncIterator[Azurite]:
    azurite = Azurite(count=True)
    await azurite.start()
    yield azurite
    await azurite.stop()


async def counted(azurite: Azurite, before: Counter[Operation], total: int) -> Counter[Operation]:
    """What came after ``before``; the log may be a moment behind the last answer."""
    for _ in range(500):
        since = azurite.requests() - before
        if since.total() >= total:
            return since
        await asyncio.sleep(0.01)
    pytest.fail(f"{since.total()} of {total} requests in the access log: {since}")


async def test_queue_requests_are_counted_by_operation(azurite: Azurite) -> None:
    before = azurite.requests()
    async with QueueServiceClient.from_connection_string(azurite.connection_string) as service:
        queue = await service.create_queue("outbound-mail")
        await queue.send_message("one")
        await queue.send_message("two")
        await queue.peek_messages()
        message = await queue.receive_message(visibility_timeout=30)
        assert message is not None
        assert message.content == "one"
        message = await queue.update_message(message, visibility_timeout=30)
        await queue.delete_message(message)
        assert (await queue.get_queue_properties()).approximate_message_count == 1
    assert await counted(azurite, before, 8) == {
        ("queue", "Create Queue"): 1,
        ("queue", "Put Message"): 2,
        ("queue", "Peek Messages"): 1,
        ("queue", "Get Messages"): 1,
        ("queue", "Update Message"): 1,
        ("queue", "Delete Message"): 1,
        ("queue", "Get Queue Metadata"): 1,
    }


async def test_table_requests_are_counted_by_operation(azurite: Azurite) -> None:
    before = azurite.requests()
    entity = {"PartitionKey": "a(b)", "RowKey": "1"}
    async with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        table = await service.create_table("messages")
        stored = await table.create_entity(entity)
        await table.upsert_entity(entity | {"n": 1}, mode=UpdateMode.REPLACE)
        kept = await table.upsert_entity(entity | {"n": 2}, mode=UpdateMode.MERGE)
        assert stored["etag"] != kept["etag"]
        assert (await table.get_entity("a(b)", "1"))["n"] == 2
        assert [row["n"] async for row in table.query_entities("n eq 2")] == [2]
        await table.submit_transaction(
            [("create", entity | {"RowKey": "2"}), ("create", entity | {"RowKey": "3"})]
        )
        await table.delete_entity(
            entity, etag=kept["etag"], match_condition=MatchConditions.IfNotModified
        )
    assert await counted(azurite, before, 8) == {
        ("table", "Create Table"): 1,
        ("table", "Insert Entity"): 1,
        ("table", "Update Entity"): 1,
        ("table", "Merge Entity"): 1,
        ("table", "Query Entities"): 2,
        ("table", "Entity Group Transaction"): 1,
        ("table", "Delete Entity"): 1,
    }


async def test_blob_requests_are_counted_by_operation(azurite: Azurite) -> None:
    before = azurite.requests()
    async with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        container = await service.create_container("mail-content")
        blob = await container.upload_blob("2026/a b.json", b"{}")
        assert await (await blob.download_blob()).readall() == b"{}"
        assert (await blob.get_blob_properties()).size == 2
        assert [name async for name in container.list_blob_names()] == ["2026/a b.json"]
        await blob.delete_blob()
    assert await counted(azurite, before, 6) == {
        ("blob", "Create Container"): 1,
        ("blob", "Put Blob"): 1,
        ("blob", "Get Blob"): 1,
        ("blob", "Get Blob Properties"): 1,
        ("blob", "List Blobs"): 1,
        ("blob", "Delete Blob"): 1,
    }


async def test_each_account_has_its_own_key(azurite: Azurite) -> None:
    stranger = Azurite().connection_string.split("AccountKey=")[1].split(";")[0]
    own = azurite.connection_string.split("AccountKey=")[1].split(";")[0]
    forged = azurite.connection_string.replace(own, stranger)
    async with QueueServiceClient.from_connection_string(forged, retry_total=0) as service:
        with pytest.raises(ClientAuthenticationError):
            await service.create_queue("forged")


async def test_a_folder_keeps_data_key_and_ports_over_a_restart(tmp_path: Path) -> None:
    azurite = Azurite(tmp_path / "storage")
    await azurite.start()
    try:
        address = azurite.connection_string
        async with QueueServiceClient.from_connection_string(address) as service:
            queue = await service.create_queue("kept")
            await queue.send_message("still here")
        await azurite.stop()
        await azurite.start()
        assert azurite.connection_string == address
        async with QueueServiceClient.from_connection_string(address) as service:
            [message] = await service.get_queue_client("kept").peek_messages()
            assert message.content == "still here"
    finally:
        await azurite.stop()
    assert (tmp_path / "storage" / "account.key").stat().st_mode & 0o077 == 0


async def test_an_identity_based_connection_needs_a_token_and_no_key(
    authority: LocalAuthority,
    identity: ManagedIdentityServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in identity.environment().items():
        monkeypatch.setenv(name, value)
    azurite = Azurite(oauth=authority)
    await azurite.start()
    try:
        settings = azurite.environment("Storage", client_id=IDENTITY_CLIENT_ID)
        assert settings == {
            "Storage__credential": "managedidentity",
            "Storage__clientId": IDENTITY_CLIENT_ID,
            "Storage__blobServiceUri": azurite.blob_url,
            "Storage__queueServiceUri": azurite.queue_url,
            "Storage__tableServiceUri": azurite.table_url,
        }
        async with (
            ManagedIdentityCredential(client_id=settings["Storage__clientId"]) as credential,
            QueueServiceClient(settings["Storage__queueServiceUri"], credential) as service,
        ):
            await service.create_queue("made-by-identity")
            assert [queue.name async for queue in service.list_queues()] == ["made-by-identity"]
    finally:
        await azurite.stop()


async def test_stop_leaves_no_process_and_no_file() -> None:
    before = set(psutil.Process().children())
    azurite = Azurite()
    await azurite.start()
    [process] = set(psutil.Process().children()) - before
    folder = Path(process.cwd())
    assert folder.exists()
    await azurite.stop()
    await azurite.stop()
    assert not process.is_running()
    assert not folder.exists()


async def test_a_taken_port_is_named_in_the_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        azurite = Azurite(ports=(0, port, 0))
        with pytest.raises(AzuriteError, match=rf"Choose other ports(?s:.*)127\.0\.0\.1:{port}"):
            await azurite.start()


async def test_azurite_saves_and_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "storage")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert parent.stdout is not None
        address = parent.stdout.readline().strip()
        [node] = psutil.Process(parent.pid).children()
        async with QueueServiceClient.from_connection_string(address) as service:
            await service.create_queue("made-before-the-kill")
        os.kill(parent.pid, signal.SIGKILL)
        node.wait(timeout=10)
    finally:
        parent.kill()
        parent.communicate()
    saved = (tmp_path / "storage" / "__azurite_db_queue__.json").read_text()
    assert "made-before-the-kill" in saved


PARENT = """
import asyncio, pathlib, sys
from local.azurite import Azurite

async def main():
    azurite = Azurite(pathlib.Path(sys.argv[1]))
    await azurite.start()
    print(azurite.connection_string, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
