"""A Graph of its own for each test, and a reader's surroundings."""

from collections.abc import AsyncIterator

import pytest

from local.certificates import LocalAuthority
from local.entra import SigningKeys
from tests.inbox.world import GraphWorld, Reading
from tests.storage.account import StoppedClock


@pytest.fixture(scope="session")
def signing_keys() -> SigningKeys:
    return SigningKeys()


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def reading(clock: StoppedClock) -> Reading:
    return Reading(clock)


@pytest.fixture
async def graph(
    authority: LocalAuthority, signing_keys: SigningKeys, clock: StoppedClock
) -> AsyncIterator[GraphWorld]:
    world = GraphWorld(authority, signing_keys, clock)
    await world.server.start()
    yield world
    await world.server.stop()
