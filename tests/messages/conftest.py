"""Ledger, timeline, contents and acceptance on a real storage account."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime

import pytest

from local.azurite import Azurite
from shared.messages.acceptance import Acceptance
from shared.messages.contents import Contents
from shared.messages.ledger import Ledger
from shared.messages.outbox import Outbox
from shared.messages.record import Lane, MessageRecord
from shared.messages.timeline import Timeline
from shared.storage.connection import StorageConnection
from shared.suppression import SuppressionCheck, Suppressions
from tests.messages.preparing import AsPosted
from tests.storage.account import StoppedClock, connect, make_settings, running_azurite


@pytest.fixture(scope="session")
async def azurite() -> AsyncIterator[Azurite]:
    async with running_azurite() as azurite:
        yield azurite


@pytest.fixture(scope="session")
async def storage(azurite: Azurite) -> AsyncIterator[StorageConnection]:
    connection = connect(azurite.connection_string)
    yield connection
    await connection.aclose()


@pytest.fixture
def new_id() -> str:
    """An id that no other message has."""
    return f"m{secrets.token_hex(12)}"


@pytest.fixture
def ledger(storage: StorageConnection) -> Ledger:
    return Ledger(storage)


@pytest.fixture
def timeline(storage: StorageConnection) -> Timeline:
    return Timeline(storage)


@pytest.fixture
def contents(storage: StorageConnection) -> Contents:
    return Contents(storage, size_limit=200_000)


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def enqueued() -> list[MessageRecord]:
    """What acceptance has put on the queue."""
    return []


class Horizon:
    """Gives every message the same place: `at`, or now."""

    def __init__(self, clock: StoppedClock) -> None:
        self.clock = clock
        self.at: datetime | None = None
        self.asked: list[tuple[tuple[str, ...], Lane]] = []

    async def place(self, pool: Sequence[str], lane: Lane) -> datetime:
        self.asked.append((tuple(pool), lane))
        return self.at or self.clock.now


@pytest.fixture
def horizon(clock: StoppedClock) -> Horizon:
    return Horizon(clock)


type MakeAcceptance = Callable[..., Acceptance]


@pytest.fixture
def outbox(
    storage: StorageConnection, clock: StoppedClock, enqueued: list[MessageRecord]
) -> Outbox:
    """Puts nothing on a queue, but into `enqueued`."""

    class Noted(Outbox):
        async def enqueue(self, record: MessageRecord) -> None:
            enqueued.append(record)

    return Noted(storage, clock=clock)


@pytest.fixture
def make_acceptance(
    azurite: Azurite,
    ledger: Ledger,
    contents: Contents,
    outbox: Outbox,
    horizon: Horizon,
) -> MakeAcceptance:
    """Acceptance by these settings (keywords are environment variables)."""

    def make(**settings: str) -> Acceptance:
        storage = ledger._table._storage
        return Acceptance(
            make_settings(azurite.connection_string, **settings),
            ledger=ledger, contents=contents, outbox=outbox, places=horizon, clock=horizon.clock,
            preparation=AsPosted(),
        suppressions=SuppressionCheck(Suppressions(storage), clock=horizon.clock),
        )  # fmt: skip

    return make


@pytest.fixture
def acceptance(make_acceptance: MakeAcceptance) -> Acceptance:
    return make_acceptance(MAILROOM_SIZE_LIMIT="200000", MAILROOM_RECIPIENT_LIMIT="20")
