"""A host whose storage connection has no key: a managed identity's token, checked by Azurite."""

from pathlib import Path

from azure.storage.queue.aio import QueueServiceClient

from local.azurite import Azurite
from local.certificates import LocalAuthority
from local.contoso import IDENTITY_CLIENT_ID
from local.functions.process import FunctionsHost
from local.identity import ManagedIdentityServer
from tests.local.functions.conftest import eventually, send, write_app

SOURCE = """
@app.queue_trigger("msg", "keyless", "AzureWebJobsStorage")
async def work(msg: func.QueueMessage) -> None:
    note(kind="work")

@app.timer_trigger("timer", "0 0 0 1 1 *", run_on_startup=True)
async def timer(timer: func.TimerRequest) -> None:
    note(kind="timer")
"""


async def test_listeners_and_timers_work_with_a_managed_identity(
    authority: LocalAuthority, identity: ManagedIdentityServer, tmp_path: Path
) -> None:
    azurite = Azurite(oauth=authority)
    await azurite.start()
    write_app(tmp_path, SOURCE)
    settings = azurite.environment(client_id=IDENTITY_CLIENT_ID) | identity.environment()
    host = FunctionsHost(tmp_path, settings=settings, log=tmp_path / "host.log")
    try:
        async with QueueServiceClient.from_connection_string(azurite.connection_string) as service:
            queue = await service.create_queue("keyless")
            await send(queue, "one")
            await host.start()
            notes = tmp_path / "notes.jsonl"

            def both() -> bool:
                text = notes.read_text() if notes.exists() else ""
                return "work" in text and "timer" in text

            await eventually(both, explain=host.log)
    finally:
        await host.stop()
        await azurite.stop()
    assert identity.requests["https://storage.azure.com"] >= 1
