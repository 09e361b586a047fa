"""Servers of the local stack, fresh for each test."""

from collections.abc import AsyncIterator

import pytest

from local.certificates import LocalAuthority
from local.contoso import IDENTITY, IDENTITY_PRINCIPAL_ID, contoso
from local.entra import Directory, EntraServer, SigningKeys
from local.identity import ManagedIdentityServer
from local.keyvault import KeyVaultServer, VaultRole


@pytest.fixture(scope="session")
def signing_keys() -> SigningKeys:
    """One RSA key for the session: making one takes up to a second."""
    return SigningKeys()


@pytest.fixture
def directory() -> Directory:
    return contoso()


@pytest.fixture
async def entra(
    authority: LocalAuthority, directory: Directory, signing_keys: SigningKeys
) -> AsyncIterator[EntraServer]:
    server = EntraServer(authority, directory, keys=signing_keys, device_interval=1)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def identity(entra: EntraServer) -> AsyncIterator[ManagedIdentityServer]:
    server = ManagedIdentityServer(entra.tokens, entra.directory, user_assigned=[IDENTITY])
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def vault(authority: LocalAuthority, entra: EntraServer) -> AsyncIterator[KeyVaultServer]:
    server = KeyVaultServer(authority, entra, {IDENTITY_PRINCIPAL_ID: VaultRole.USER})
    await server.start()
    yield server
    await server.stop()
