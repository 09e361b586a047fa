"""The whole application on a mail system that is not ours, with all else from the local stack."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from azure.storage.queue.aio import QueueClient

from local.azurite import Azurite
from local.certificates import LocalAuthority
from local.contoso import (
    APP_CLIENT_ID,
    IDENTITY,
    IDENTITY_CLIENT_ID,
    IDENTITY_PRINCIPAL_ID,
    TENANT_ID,
)
from local.entra import EntraServer
from local.identity import ManagedIdentityServer
from local.keyvault import KeyVaultServer, VaultRole
from local.stack import provision
from shared.application import Application
from shared.inbox.mail import Intake
from shared.settings import load_settings
from tests.peers.dovecot import EXCHANGE_AUDIENCE
from tests.peers.mail import MailPeers

type Json = dict[str, Any]

SECRET_NAME, SIGNING_KEY = "mailroom-credential", "mailroom-signing-key"


@asynccontextmanager
async def open_application(
    authority: LocalAuthority,
    peers: MailPeers,
    entra: EntraServer,
    *,
    intake: Intake | None = None,
    **settings: str,
) -> AsyncIterator[Application]:
    """The application with everything that it needs; only submission and mailboxes are not
    local/'s."""
    identity = ManagedIdentityServer(entra.tokens, entra.directory, user_assigned=[IDENTITY])
    vault = KeyVaultServer(authority, entra, {IDENTITY_PRINCIPAL_ID: VaultRole.USER})
    vault.store.set(SECRET_NAME, entra.directory.add_secret(APP_CLIENT_ID).value)
    vault.store.set(SIGNING_KEY, "a key that only this test knows, and long enough")
    azurite = Azurite()
    await asyncio.gather(identity.start(), vault.start(), azurite.start())
    await provision(azurite.connection_string)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in identity.environment().items():
            environment.setenv(name, value)
        given = {
            "MAILROOM_SENDERS": json.dumps(peers.mailboxes),
            "MAILROOM_TENANT_ID": TENANT_ID,
            "MAILROOM_CLIENT_ID": APP_CLIENT_ID,
            "MAILROOM_CREDENTIAL": "secret",
            "MAILROOM_CREDENTIAL_NAME": SECRET_NAME,
            "MAILROOM_SIGNING_KEY_NAME": SIGNING_KEY,
            "MAILROOM_KEY_VAULT_URL": vault.url,
            "MAILROOM_AUTHORITY": entra.url,
            "MAILROOM_IDENTITY_CLIENT_ID": IDENTITY_CLIENT_ID,
            "MAILROOM_SMTP_PRESET": "custom",
            "MAILROOM_SMTP_HOST": peers.host,
            "MAILROOM_SMTP_PORT": str(peers.smtp_port),
            "MAILROOM_TOKEN_SCOPE": f"{EXCHANGE_AUDIENCE}/.default",
            "MAILROOM_RETURNED_MAIL": "imap",
            "MAILROOM_IMAP_HOST": peers.host,
            "MAILROOM_IMAP_PORT": str(peers.imaps_port),
            **azurite.environment(),
            **settings,
        }
        application = Application(load_settings(given), intake=intake)
        yield application
        await application.aclose()
    for server in (azurite, vault, identity):
        await server.stop()


async def post(application: Application, message: Json) -> str:
    return str((await answer_to(application, message))["id"])


async def answer_to(application: Application, message: Json) -> Json:
    """What the API answers to a message that it accepts."""
    answer = await application.messages.post(
        json.dumps(message).encode(), {}, "https://localhost/api/messages"
    )
    assert answer.status == 202, answer.body
    content: Json = json.loads(answer.body)
    return content


async def work_off(application: Application) -> None:
    """What the Functions host does: each message of the queue is handled, then deleted."""
    async with QueueClient.from_connection_string(
        application.settings.storage_connection, "outbound-mail"
    ) as queue:
        async for queued in queue.receive_messages(messages_per_page=32, visibility_timeout=60):
            await application.outbound.handle(queued.content.encode(), queue_id=queued.id)
            await queue.delete_message(queued)


async def view(application: Application, message_id: str) -> Json:
    answer = await application.messages.get(message_id)
    assert answer.status == 200
    content: Json = json.loads(answer.body)
    return content


async def work_off_events(application: Application) -> list[Json]:
    """The same for the queues of events; returns the events."""
    feedback = application.feedback
    handlers: dict[str, Any] = {
        "bounce-events": feedback.bounces,
        "complaint-events": feedback.complaints,
        "delivery-events": feedback.deliveries,
    }
    events: list[Json] = []
    for name, handler in handlers.items():
        async with QueueClient.from_connection_string(
            application.settings.storage_connection, name
        ) as queue:
            async for queued in queue.receive_messages(messages_per_page=32, visibility_timeout=60):
                events.append(json.loads(queued.content))
                await handler.handle(queued.content.encode())
                await queue.delete_message(queued)
    return events
