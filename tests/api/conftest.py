"""The API on a real storage account, without any web framework before it."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import pytest

from local.azurite import Azurite
from shared.api.answers import Answer
from shared.api.messages import MessagesApi
from shared.messages.acceptance import Acceptance
from shared.messages.contents import Contents
from shared.messages.ledger import Ledger
from shared.messages.outbox import Outbox
from shared.messages.record import Lane
from shared.messages.timeline import Timeline
from shared.storage.connection import StorageConnection
from shared.suppression import SuppressionCheck, Suppressions
from tests.messages.preparing import AsPosted
from tests.storage.account import StoppedClock, connect, make_settings, running_azurite

BODY_LIMIT = 200_000


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
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def ledger(storage: StorageConnection) -> Ledger:
    return Ledger(storage)


@pytest.fixture
def timeline(storage: StorageConnection) -> Timeline:
    return Timeline(storage)


class AtOnce:
    """The places of mailboxes that have nothing to do."""

    def __init__(self, clock: StoppedClock) -> None:
        self._clock = clock

    async def place(self, pool: Sequence[str], lane: Lane) -> datetime:
        return self._clock.now


@pytest.fixture
def messages(
    azurite: Azurite,
    storage: StorageConnection,
    ledger: Ledger,
    timeline: Timeline,
    clock: StoppedClock,
) -> MessagesApi:
    settings = make_settings(azurite.connection_string, MAILROOM_SIZE_LIMIT="100000")
    acceptance = Acceptance(
        settings, ledger=ledger, contents=Contents(storage, size_limit=settings.size_limit),
        outbox=Outbox(storage, clock=clock), places=AtOnce(clock), clock=clock,
        preparation=AsPosted(),
        suppressions=SuppressionCheck(Suppressions(storage), clock=clock),
    )  # fmt: skip
    return MessagesApi(
        acceptance=acceptance, ledger=ledger, timeline=timeline, body_limit=BODY_LIMIT
    )


def value_of(answer: Answer) -> Any:
    return json.loads(answer.body)


def check_problem(answer: Answer, status: int) -> dict[str, Any]:
    """The problem document of an answer, which has the shape of RFC 9457 and is not cached."""
    assert answer.status == status
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    document: dict[str, Any] = json.loads(answer.body)
    assert document["type"].startswith("urn:mailroom:problem:")
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document.get("fix") or all(error["fix"] for error in document["errors"])
    assert set(document) <= {"type", "title", "status", "detail", "fix", "errors"}
    for error in document.get("errors", ()):
        assert set(error) == {"pointer", "detail", "fix"}
        assert error["detail"]
    return document
