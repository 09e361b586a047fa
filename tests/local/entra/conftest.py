"""Entra on a clock that tests move, and what signs in to it."""

from collections.abc import Iterator
from typing import Any

import pytest

from local.certificates import LocalAuthority
from local.contoso import (
    contoso,
)
from local.entra import (
    EntraServer,
    SigningKeys,
)
from tests.local.entra.asking import Certificate, Login, Watch


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
async def timed(authority: LocalAuthority, signing_keys: SigningKeys, watch: Watch) -> Any:
    server = EntraServer(authority, contoso(clock=watch), keys=signing_keys, clock=watch)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return Certificate()


@pytest.fixture
def login(entra: EntraServer) -> Iterator[Login]:
    login = Login(entra)
    yield login
    login.session.close()
