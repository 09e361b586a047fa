"""A renderer with its processes, and storage, for the tests of templates."""

from collections.abc import AsyncIterator

import pytest

from local.azurite import Azurite
from shared.errors import UnknownTemplateError
from shared.storage.connection import StorageConnection
from shared.templates.bundle import Bundle
from shared.templates.templates import Templates
from tests.storage.account import StoppedClock, connect, make_settings, running_azurite


class Shelf:
    """Bundles by name; each is its own only version."""

    def __init__(self) -> None:
        self.bundles: dict[str, Bundle] = {}

    async def find(self, name: str, version: str = "") -> tuple[str, Bundle]:
        if name not in self.bundles:
            raise UnknownTemplateError(f"There is no template named {name}.")
        return version or "1", self.bundles[name]


@pytest.fixture(scope="session")
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture(scope="session")
async def templates(shelf: Shelf) -> AsyncIterator[Templates]:
    settings = make_settings(
        "UseDevelopmentStorage=true", MAILROOM_TEMPLATE_SECONDS="2", MAILROOM_BRAND_NAME="Contoso",
        MAILROOM_TEMPLATE_OUTPUT="200000",
    )  # fmt: skip
    templates = Templates(settings, versions=shelf)
    yield templates
    await templates.aclose()


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
