"""Azurite, and Mailroom's own clients of it."""

import uuid
from collections.abc import AsyncIterator

import pytest

from local.azurite import Azurite
from shared.storage.connection import StorageConnection
from tests.storage.account import connect, running_azurite


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
def name() -> str:
    """A name that no other table, queue or container has."""
    return f"t{uuid.uuid4().hex}"
