"""Entra ID, Key Vault and the managed identity endpoint, fresh for each test."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from local.certificates import LocalAuthority
from local.contoso import (
    APP_CLIENT_ID,
    IDENTITY,
    IDENTITY_CLIENT_ID,
    IDENTITY_PRINCIPAL_ID,
    LOGIN_CLIENT_ID,
    TENANT_ID,
    contoso,
)
from local.entra import Directory, EntraServer, SigningKeys
from local.identity import ManagedIdentityServer
from local.keyvault import KeyVaultServer, VaultRole
from shared.accounts import Accounts, open_accounts
from shared.settings import Settings, load_settings

SECRET_NAME = "mailroom-credential"


class StoppedClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


class Pauses:
    """Takes the place of sleeping: notes the seconds asked for and goes on."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture(scope="session")
def signing_keys() -> SigningKeys:
    return SigningKeys()


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def directory() -> Directory:
    return contoso()


@pytest.fixture
async def entra(
    authority: LocalAuthority, directory: Directory, signing_keys: SigningKeys
) -> AsyncIterator[EntraServer]:
    server = EntraServer(
        authority,
        directory,
        keys=signing_keys,
        token_life=timedelta(minutes=60),
        device_interval=1,
    )
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


@pytest.fixture
async def vault(
    authority: LocalAuthority, entra: EntraServer, identity: ManagedIdentityServer
) -> AsyncIterator[KeyVaultServer]:
    server = KeyVaultServer(authority, entra, {IDENTITY_PRINCIPAL_ID: VaultRole.USER})
    await server.start()
    yield server
    await server.stop()


type MakeSettings = Callable[..., Settings]


@pytest.fixture
def make_settings(entra: EntraServer, vault: KeyVaultServer) -> MakeSettings:
    """Settings of the local stack; keywords are further environment variables."""

    def make(credential: str = "secret", **others: str) -> Settings:
        environment: Mapping[str, str] = {
            "MAILROOM_SENDERS": '["billing@contoso.test"]',
            "MAILROOM_TENANT_ID": TENANT_ID,
            "MAILROOM_CLIENT_ID": LOGIN_CLIENT_ID if credential == "delegated" else APP_CLIENT_ID,
            "MAILROOM_CREDENTIAL": credential,
            "MAILROOM_CREDENTIAL_NAME": SECRET_NAME,
            "MAILROOM_KEY_VAULT_URL": vault.url,
            "MAILROOM_AUTHORITY": entra.url,
            "MAILROOM_IDENTITY_CLIENT_ID": IDENTITY_CLIENT_ID,
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
            **others,
        }
        return load_settings(environment)

    return make


type OpenAccounts = Callable[..., Accounts]


@pytest.fixture
async def open_with(
    make_settings: MakeSettings, clock: StoppedClock, pauses: Pauses
) -> AsyncIterator[OpenAccounts]:
    """Accounts that go by the stopped clock and never sleep; closed with the test."""
    opened: list[Accounts] = []

    def open_(credential: str = "secret", **others: str) -> Accounts:
        accounts = open_accounts(make_settings(credential, **others), clock=clock, pause=pauses)
        opened.append(accounts)
        return accounts

    yield open_
    for accounts in opened:
        await accounts.aclose()


@pytest.fixture
def stored_secret(directory: Directory, vault: KeyVaultServer) -> str:
    """A client secret of the app, as Key Vault holds it."""
    value = directory.add_secret(APP_CLIENT_ID).value
    vault.store.set(SECRET_NAME, value)
    return value


async def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Waits until something that runs in the background has come about."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


def whole_text(error: BaseException) -> str:
    """All that an exception shows, with its causes and what they were raised in."""
    shown: list[str] = []
    seen: list[BaseException | None] = [error]
    while seen:
        found = seen.pop()
        if found is None:
            continue
        shown += [str(found), repr(found), repr(getattr(found, "__dict__", {}))]
        seen += [found.__cause__, found.__context__]
    return "\n".join(shown)
