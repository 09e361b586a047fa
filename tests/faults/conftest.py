"""The application in this process, on services whose clocks can be moved; a table of results."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.azurite import Azurite
from local.certificates import LocalAuthority
from local.contoso import (
    APP_CLIENT_ID,
    IDENTITY,
    IDENTITY_PRINCIPAL_ID,
    MAILBOXES,
    contoso,
)
from local.entra import EntraServer
from local.identity import ManagedIdentityServer
from local.keyvault import KeyVaultServer, VaultRole
from local.office365 import Mailbox
from local.stack import CREDENTIAL_NAME, SIGNING_KEY_NAME, LocalStack, StackOptions, provision
from tests.end_to_end.conftest import LIMITS

POOL = "pool@contoso.test"


class Clock:
    """The real time, and what a test adds to it."""

    def __init__(self, base: "Clock | None" = None, **ahead: float) -> None:
        self._base = base
        self.ahead = timedelta(**ahead)

    def __call__(self) -> datetime:
        return (self._base() if self._base else datetime.now(UTC)) + self.ahead

    def advance(self, **span: float) -> None:
        self.ahead += timedelta(**span)


class Tenant(LocalStack):
    """All of the local stack but the app. `clock` is everybody's; `theirs` only the tenant's."""

    def __init__(self, authority: LocalAuthority) -> None:
        super().__init__(StackOptions(limits=LIMITS))
        self.authority = authority
        self.clock = Clock()
        self.theirs = Clock(self.clock)
        self.posted = 0

    async def start_services(self) -> None:
        temporary = tempfile.TemporaryDirectory(prefix="mailroom-faults-")
        self._closing.callback(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.azurite = Azurite()
        await self.azurite.start()
        self._closing.push_async_callback(self.azurite.stop)
        await provision(self.azurite.connection_string)
        await self._start_tenant()

    async def _start_tenant(self) -> None:
        clock = self.theirs
        directory = contoso(clock=clock)
        secret = directory.add_secret(APP_CLIENT_ID, life=timedelta(days=700))
        self.entra = EntraServer(self.authority, directory, clock=clock)
        await self.entra.start()
        self._closing.push_async_callback(self.entra.stop)
        self.identity = ManagedIdentityServer(
            self.entra.tokens, directory, user_assigned=[IDENTITY]
        )
        await self.identity.start()
        self._closing.push_async_callback(self.identity.stop)
        self.vault = KeyVaultServer(
            self.authority, self.entra, {IDENTITY_PRINCIPAL_ID: VaultRole.OFFICER}, clock=clock
        )
        self.vault.store.set(CREDENTIAL_NAME, secret.value)
        self.vault.store.set(SIGNING_KEY_NAME, "k" * 48)
        await self.vault.start()
        self._closing.push_async_callback(self.vault.stop)
        await self._start_names()
        mailboxes = [Mailbox(address, send_as=(POOL,)) for address in MAILBOXES]
        await self._start_office365(mailboxes, limits=LIMITS, clock=clock)


@pytest.fixture(scope="session")
async def tenant(authority: LocalAuthority) -> AsyncIterator[Tenant]:
    tenant = Tenant(authority)
    try:
        await tenant.start_services()
        yield tenant
    finally:
        await tenant.stop()


@dataclass
class Line:
    """One line of the table: what became of the messages of one kind of fault."""

    what: str
    messages: int = 0
    sent: int = 0
    failed: int = 0
    unknown: int = 0
    lost: int = 0
    doubled: int = 0
    struck: int = 0


@dataclass
class Results:
    """The table, printed when the module is through."""

    lines: list[Line] = field(default_factory=list)

    def line(self, what: str) -> Line:
        for line in self.lines:
            if line.what == what:
                return line
        self.lines.append(Line(what))
        return self.lines[-1]

    def __str__(self) -> str:
        total = Line("together")
        names = ("struck", "messages", "sent", "failed", "unknown", "lost", "doubled")
        for line in self.lines:
            for name in names:
                setattr(total, name, getattr(total, name) + getattr(line, name))
        width = max(len(line.what) for line in [*self.lines, total])
        head = f"{'fault':{width}} " + " ".join(f"{name:>8}" for name in names)
        rows = [
            f"{line.what:{width}} " + " ".join(f"{getattr(line, name):8}" for name in names)
            for line in [*self.lines, total]
        ]
        return "\n".join(["", head, *rows])


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> Iterator[Results]:
    results = Results()
    yield results
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(results)
