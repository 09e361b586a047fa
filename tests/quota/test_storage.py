"""The governor on a real table service."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from local.azurite import Azurite
from shared.accounts import Accounts
from shared.quota import Demand, Governor, QuotaLimits, Slot
from shared.settings import load_settings
from shared.storage.connection import StorageConnection
from shared.storage.names import QUOTAS
from shared.storage.tables import Table

POOL = [f"m{n}@contoso.test" for n in range(6)] + ["o'brien/x#1?@contoso.test"]


class NoAccounts:
    """A connection string needs no identity."""

    @property
    def credential(self) -> Accounts:
        raise AssertionError("nobody should ask")


@pytest.fixture(scope="module")
async def azurite() -> AsyncIterator[Azurite]:
    azurite = Azurite()
    await azurite.start()
    yield azurite
    await azurite.stop()


@pytest.fixture
async def storage(azurite: Azurite) -> AsyncIterator[StorageConnection]:
    settings = load_settings(
        {
            "MAILROOM_SENDERS": '["a@contoso.test"]',
            "MAILROOM_TENANT_ID": "t",
            "MAILROOM_CLIENT_ID": "c",
            "AzureWebJobsStorage": azurite.connection_string,
        }
    )
    storage = StorageConnection(settings, NoAccounts())  # type: ignore[arg-type]
    yield storage
    await storage.aclose()


def now() -> datetime:
    return datetime.now(UTC)


def start(storage: StorageConnection, n: int, *, skew: float = 0.0) -> Governor:
    return Governor(
        Table(storage, QUOTAS), QuotaLimits(), holder=f"holder-{n}",
        clock=lambda: now() + timedelta(seconds=skew), random=Random(n).random,
    )  # fmt: skip


async def test_processes_that_ask_at_once_get_different_slots(storage: StorageConnection) -> None:
    """The table is made at first use; every mailbox gives three slots, whoever asks."""
    governors = [start(storage, n) for n in range(3)]
    demands = [Demand(recipients=2, external=1)] * 20
    answers = await asyncio.gather(
        *(g.reserve(POOL, demands, within=timedelta(seconds=1)) for g in governors)
    )
    slots = [a for answer in answers for a in answer if isinstance(a, Slot)]
    for mailbox in POOL:
        assert sum(s.mailbox == mailbox for s in slots) <= 3
    assert len(slots) >= 18
    view = await governors[0].view(POOL)
    await asyncio.sleep(1.01)
    view = await governors[0].view(POOL)
    assert sum(m["recipients_24h"]["used"] for m in view["mailboxes"]) == 2 * len(slots)
    assert all(m["connections"]["used"] <= 3 for m in view["mailboxes"])
    for governor in governors:
        await governor.aclose()
    await asyncio.sleep(1.01)
    view = await governors[0].view(POOL)
    assert sum(m["connections"]["used"] for m in view["mailboxes"]) == 0
    assert view["tenant"]["external_24h"]["used"] == len(slots)


async def test_a_wrong_clock_is_corrected_by_the_date_of_the_answers(
    storage: StorageConnection,
) -> None:
    pool = ["clock@contoso.test"]
    right, wrong = start(storage, 10), start(storage, 11, skew=-300)
    for n in range(12):  # dates come in whole seconds: more answers, better bounds
        await wrong.allow(pool[0], 1 + n % 2)
        await asyncio.sleep(0.13)
    demands = [Demand(recipients=1)] * 3
    first = await right.reserve(pool, demands, within=timedelta(seconds=1))
    assert sum(isinstance(a, Slot) for a in first) == 3
    (slot,) = await wrong.reserve(
        pool, [Demand(recipients=1, lane="high")], within=timedelta(seconds=20)
    )
    assert isinstance(slot, Slot)
    in_truth = slot.at + timedelta(seconds=300)  # when its clock shows slot.at
    last = max(a.at for a in first if isinstance(a, Slot))
    assert timedelta(seconds=5.6) < in_truth - last < timedelta(seconds=6.5)
