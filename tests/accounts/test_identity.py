"""The managed identity, asked through azure-identity at App Service's endpoint."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from local.contoso import IDENTITY, IDENTITY_PRINCIPAL_ID
from local.entra import EntraServer
from local.faults import Fault
from local.identity import ManagedIdentityServer
from shared.accounts.identity import AzureIdentity, azure_credential
from shared.errors import CredentialError, CredentialUnavailableError
from tests.accounts.conftest import MakeSettings, whole_text

SCOPE = "https://storage.azure.com/.default"


@pytest.fixture
async def credential(make_settings: MakeSettings) -> AsyncIterator[AzureIdentity]:
    async with azure_credential(make_settings()) as opened:
        yield opened


async def test_the_user_assigned_identity_gives_a_token_for_storage(
    credential: AzureIdentity, entra: EntraServer
) -> None:
    claims = entra.keys.verify((await credential.get_token(SCOPE)).token)
    assert claims["oid"] == IDENTITY_PRINCIPAL_ID
    assert claims["aud"] == "https://storage.azure.com"
    info = await credential.get_token_info(SCOPE)
    assert entra.keys.verify(info.token)["oid"] == IDENTITY_PRINCIPAL_ID


async def test_the_system_assigned_identity_is_used_where_no_id_is_set(
    make_settings: MakeSettings, entra: EntraServer, identity: ManagedIdentityServer
) -> None:
    settings = make_settings(MAILROOM_IDENTITY_CLIENT_ID="")
    async with azure_credential(settings) as credential:
        with pytest.raises(CredentialError, match="no system-assigned") as caught:
            await credential.get_token(SCOPE)
        assert "MAILROOM_IDENTITY_CLIENT_ID" in caught.value.fix
        identity.system_assigned = IDENTITY
        token = (await credential.get_token(SCOPE)).token
        assert entra.keys.verify(token)["oid"] == IDENTITY_PRINCIPAL_ID


async def test_parallel_clients_cause_one_request(
    credential: AzureIdentity, identity: ManagedIdentityServer
) -> None:
    await asyncio.gather(*(credential.get_token_info(SCOPE) for _ in range(10)))
    assert sum(identity.requests.values()) == 1


async def test_a_wrong_client_id_is_named(make_settings: MakeSettings) -> None:
    wrong = "99999999-9999-9999-9999-999999999999"
    async with azure_credential(make_settings(MAILROOM_IDENTITY_CLIENT_ID=wrong)) as credential:
        with pytest.raises(CredentialError, match=wrong) as caught:
            await credential.get_token(SCOPE)
    assert "not the object id" in caught.value.fix


@pytest.mark.parametrize(
    "fault", [Fault(status=500, times=None), Fault(action="disconnect", times=None)]
)
async def test_an_endpoint_in_trouble_is_worth_another_try(
    credential: AzureIdentity, identity: ManagedIdentityServer, fault: Fault
) -> None:
    identity.faults.add(fault)
    with pytest.raises(CredentialUnavailableError, match="endpoint cannot be used"):
        await credential.get_token(SCOPE)
    identity.faults.clear()
    assert (await credential.get_token(SCOPE)).token


async def test_an_endpoint_that_is_away_is_told_so_soon(
    credential: AzureIdentity, identity: ManagedIdentityServer
) -> None:
    await identity.stop()
    async with asyncio.timeout(5):
        with pytest.raises(CredentialUnavailableError):
            await credential.get_token(SCOPE)


async def test_a_token_is_in_no_error_even_where_the_answer_is_odd(
    credential: AzureIdentity, identity: ManagedIdentityServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity.faults.add(Fault(status=403, times=None))
    with pytest.raises(CredentialError, match="refused the app") as caught:
        await credential.get_token(SCOPE)
    assert identity.header not in whole_text(caught.value)


async def test_a_developer_who_is_not_signed_in_is_told_how(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Neither a shell's tools nor an environment of Azure's are to be found.
    monkeypatch.setenv("PATH", "")
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "AZURE_USERNAME"):
        monkeypatch.delenv(name, raising=False)
    async with azure_credential(make_settings(MAILROOM_IDENTITY="developer")) as credential:
        with pytest.raises(CredentialError) as caught:
            await credential.get_token(SCOPE)
    assert caught.value.code == "no_developer"
    assert "az login" in caught.value.fix
