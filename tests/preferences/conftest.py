"""Preferences on Azurite."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from shared.preferences import Preferences, Topics
from shared.suppression import SuppressionCheck, Suppressions
from tests.storage.account import StoppedClock, connect, running_azurite


@dataclass
class Desk:
    """The parts that know of preferences, on one account."""

    topics: Topics
    preferences: Preferences
    suppressions: Suppressions
    check: SuppressionCheck
    clock: StoppedClock


@pytest.fixture(scope="module")
async def desk() -> AsyncIterator[Desk]:
    async with running_azurite() as azurite:
        storage = connect(azurite.connection_string)
        clock = StoppedClock()
        topics = Topics(storage, clock=clock)
        suppressions = Suppressions(storage)
        yield Desk(
            topics,
            Preferences(suppressions, topics, clock=clock),
            suppressions,
            SuppressionCheck(suppressions, topics=topics, clock=clock),
            clock,
        )
        await storage.aclose()
