"""One Azurite for all tests that need storage: the first to ask starts it, the last one stops it.

Each folder's conftest has a session fixture of its own; behind them is the same process.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from local.azurite import Azurite
from shared.settings import Settings, load_settings
from shared.storage.connection import StorageConnection

SENDER = "billing@contoso.test"

_running: list[Azurite] = []


@asynccontextmanager
async def running_azurite() -> AsyncIterator[Azurite]:
    """The Azurite of this test session, in memory."""
    if not _running:
        azurite = Azurite()
        await azurite.start()
        _running.append(azurite)
    else:
        _running.append(_running[0])
    try:
        yield _running[0]
    finally:
        azurite = _running.pop()
        if not _running:
            await azurite.stop()


class NoIdentity:
    """Stands where the managed identity does; with a connection string nobody asks for it."""

    @property
    def credential(self) -> object:
        raise AssertionError("a connection string needs no managed identity")


def make_settings(connection: str, **others: str) -> Settings:
    """Settings with this storage account; keywords are further environment variables."""
    return load_settings(
        {
            "MAILROOM_SENDERS": f'["{SENDER}", "alerts@contoso.test"]',
            "MAILROOM_TENANT_ID": "11111111-1111-1111-1111-111111111111",
            "MAILROOM_CLIENT_ID": "22222222-2222-2222-2222-222222222222",
            "AzureWebJobsStorage": connection,
            **others,
        }
    )


def connect(connection: str) -> StorageConnection:
    """A connection of Mailroom's own to the account."""
    return StorageConnection(make_settings(connection), NoIdentity())  # type: ignore[arg-type]


class StoppedClock:
    """A clock that moves when it is told to."""

    def __init__(self, now: datetime | None = None) -> None:
        self.now = now or datetime(2026, 11, 2, 12, 0, 0, 250_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)
