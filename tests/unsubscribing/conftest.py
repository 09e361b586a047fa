"""Unsubscribing on a real storage account."""

from collections.abc import AsyncIterator

import pytest

from local.azurite import Azurite
from shared.storage.connection import StorageConnection
from tests.storage.account import connect, running_azurite
from tests.unsubscribing.desk import Desk, open_desk


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
async def desk(azurite: Azurite, storage: StorageConnection) -> Desk:
    return await open_desk(storage, azurite.connection_string)
