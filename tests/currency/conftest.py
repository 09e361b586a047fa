"""The submission service and the tenant that issues its tokens, changed by tests as they like."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from local.azurite import Azurite
from local.certificates import LocalAuthority
from local.contoso import APP_CLIENT_ID, IDENTITY, IDENTITY_CLIENT_ID, MAILBOXES, TENANT_ID, contoso
from local.entra import EntraServer, SigningKeys
from local.identity import ManagedIdentityServer
from local.office365 import Mailbox, Office365Server
from shared.accounts import open_accounts
from shared.currency.changes import Change
from shared.currency.watch import ServiceWatch
from shared.delivery.opening import SessionOpening
from shared.settings import load_settings
from shared.storage.connection import StorageConnection
from tests.storage.account import running_azurite


@pytest.fixture(scope="session")
async def azurite() -> AsyncIterator[Azurite]:
    async with running_azurite() as azurite:
        yield azurite


@pytest.fixture
async def entra(authority: LocalAuthority) -> AsyncIterator[EntraServer]:
    server = EntraServer(authority, contoso(), keys=SigningKeys())
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def identity(
    entra: EntraServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ManagedIdentityServer]:
    server = ManagedIdentityServer(entra.tokens, entra.directory, user_assigned=[IDENTITY])
    await server.start()
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    yield server
    await server.stop()


class Service:
    """The service, and a Mailroom that looks at it: each time a new process, a day later."""

    def __init__(self, authority: LocalAuthority, entra: EntraServer, azurite: Azurite) -> None:
        self._azurite = azurite
        self.entra = entra
        self.office = self.make_office(authority)
        self.now = datetime.now(UTC)

    def make_office(self, authority: LocalAuthority, port: int = 0) -> Office365Server:
        mailboxes = [Mailbox(address) for address in MAILBOXES]
        return Office365Server(authority, self.entra.jwks, mailboxes=mailboxes, port=port)

    async def exchange_office(self, authority: LocalAuthority) -> None:
        """From now on another server is there, with a certificate of this authority."""
        await self.office.stop()
        self.office = self.make_office(authority, self.office.smtp_port)
        await self.office.start()

    async def look(self, days: int = 1) -> Sequence[Change]:
        """The timer's run of so many days later."""
        self.now += timedelta(days=days)
        changes, self.events = await self._run()
        return changes

    async def _run(self) -> tuple[Sequence[Change], list[object]]:
        settings = load_settings(
            {
                "MAILROOM_SENDERS": json.dumps(MAILBOXES),
                "MAILROOM_TENANT_ID": TENANT_ID,
                "MAILROOM_CLIENT_ID": APP_CLIENT_ID,
                "MAILROOM_AUTHORITY": self.entra.url,
                "MAILROOM_IDENTITY_CLIENT_ID": IDENTITY_CLIENT_ID,
                "MAILROOM_SMTP_HOST": "localhost",
                "MAILROOM_SMTP_PORT": str(self.office.smtp_port),
                **self._azurite.environment(),
            }
        )
        accounts = open_accounts(settings)
        storage = StorageConnection(settings, accounts)
        watch = ServiceWatch(
            settings, storage, SessionOpening(settings, accounts), clock=lambda: self.now
        )
        try:
            return await watch.run(), list(await watch.recent())
        finally:
            await storage.aclose()
            await accounts.aclose()


@pytest.fixture
async def service(
    authority: LocalAuthority, entra: EntraServer, identity: ManagedIdentityServer, azurite: Azurite
) -> AsyncIterator[Service]:
    assert identity.environment()
    service = Service(authority, entra, azurite)
    await service.office.start()
    yield service
    await service.office.stop()
