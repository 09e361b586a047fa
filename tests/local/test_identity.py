"""The managed identity endpoint, asked by azure-identity and by hand."""

import asyncio
import base64
import json
import os
from datetime import timedelta
from typing import Any

import aiohttp
import azure.identity
import azure.identity.aio
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError

from local.contoso import IDENTITY, IDENTITY_CLIENT_ID, IDENTITY_PRINCIPAL_ID, TENANT_ID
from local.entra import TOKEN_EXCHANGE_AUDIENCE, EntraServer
from local.faults import Fault
from local.identity import ManagedIdentity, ManagedIdentityServer

VAULT_SCOPE = "https://vault.azure.net/.default"


@pytest.fixture(autouse=True)
def _host(identity: ManagedIdentityServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in identity.environment().items():
        monkeypatch.setenv(name, value)


async def ask(url: str, header: str | None, **query: str) -> tuple[int, dict[str, Any]]:
    headers = {} if header is None else {"X-IDENTITY-HEADER": header}
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, params=query, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


async def test_the_aio_credential_gets_a_token_that_entra_signed(
    entra: EntraServer, identity: ManagedIdentityServer
) -> None:
    async with azure.identity.aio.ManagedIdentityCredential(
        client_id=IDENTITY_CLIENT_ID
    ) as credential:
        token = await credential.get_token(VAULT_SCOPE)
        again = await credential.get_token(VAULT_SCOPE)
    claims = entra.keys.verify(token.token)
    assert claims["aud"] == "https://vault.azure.net"
    assert claims["iss"] == f"https://sts.windows.net/{TENANT_ID}/"
    assert (claims["oid"], claims["appid"]) == (IDENTITY_PRINCIPAL_ID, IDENTITY_CLIENT_ID)
    assert token.expires_on == claims["exp"]
    assert again.token == token.token
    assert identity.requests == {"https://vault.azure.net": 1}


async def test_the_sync_credential_gets_a_token(entra: EntraServer) -> None:
    def fetch() -> str:
        with azure.identity.ManagedIdentityCredential(client_id=IDENTITY_CLIENT_ID) as credential:
            return str(credential.get_token(VAULT_SCOPE).token)

    claims = entra.keys.verify(await asyncio.to_thread(fetch))
    assert claims["oid"] == IDENTITY_PRINCIPAL_ID


@pytest.mark.parametrize(
    "selection",
    [
        {"client_id": IDENTITY_CLIENT_ID},
        {"identity_config": {"mi_res_id": IDENTITY.resource_id}},
        {"identity_config": {"principal_id": IDENTITY_PRINCIPAL_ID}},
        {"identity_config": {"object_id": IDENTITY_PRINCIPAL_ID}},
    ],
)
async def test_an_identity_is_named_in_each_way(selection: dict[str, Any]) -> None:
    async with azure.identity.aio.ManagedIdentityCredential(**selection) as credential:
        assert (await credential.get_token(VAULT_SCOPE)).token


async def test_a_token_for_the_token_exchange_is_a_federated_assertion(entra: EntraServer) -> None:
    async with azure.identity.aio.ManagedIdentityCredential(
        client_id=IDENTITY_CLIENT_ID
    ) as credential:
        token = await credential.get_token(f"{TOKEN_EXCHANGE_AUDIENCE}/.default")
    claims = entra.keys.verify(token.token)
    assert claims["aud"] == TOKEN_EXCHANGE_AUDIENCE
    assert claims["iss"] == f"https://login.microsoftonline.com/{TENANT_ID}/v2.0"
    assert claims["sub"] == IDENTITY_PRINCIPAL_ID
    assert claims["ver"] == "2.0"


async def test_the_system_assigned_identity_where_there_is_one(
    entra: EntraServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ManagedIdentity("9" * 8, "8" * 8)
    server = ManagedIdentityServer(
        entra.tokens, entra.directory, system_assigned=own, life=timedelta(minutes=10)
    )
    await server.start()
    monkeypatch.setenv("IDENTITY_ENDPOINT", server.environment()["IDENTITY_ENDPOINT"])
    monkeypatch.setenv("IDENTITY_HEADER", server.header)
    try:
        async with azure.identity.aio.ManagedIdentityCredential() as credential:
            claims = entra.keys.verify((await credential.get_token(VAULT_SCOPE)).token)
    finally:
        await server.stop()
    assert claims["oid"] == own.principal_id
    assert claims["exp"] - claims["nbf"] == 15 * 60  # ten minutes, and five of back-dating


async def test_a_host_without_a_system_assigned_identity_refuses() -> None:
    async with azure.identity.aio.ManagedIdentityCredential() as credential:
        with pytest.raises(ClientAuthenticationError, match="No User Assigned or Delegated"):
            await credential.get_token(VAULT_SCOPE)


async def test_refusals_have_app_services_shape(identity: ManagedIdentityServer) -> None:
    url = identity.environment()["IDENTITY_ENDPOINT"]
    good = {
        "api-version": "2019-08-01",
        "resource": "https://vault.azure.net",
        "client_id": IDENTITY_CLIENT_ID,
    }
    status, body = await ask(url, identity.header, **good)
    assert (status, body["token_type"], body["client_id"]) == (200, "Bearer", IDENTITY_CLIENT_ID)
    assert body["resource"] == "https://vault.azure.net"
    assert isinstance(body["expires_on"], str)
    assert body["expires_on"].isdigit()
    for header, change, expected in (
        (None, {}, 400),
        ("not-the-header", {}, 400),
        (identity.header, {"api-version": "2017-09-01"}, 400),
        (identity.header, {"resource": ""}, 400),
        (identity.header, {"client_id": "00000000-0000-0000-0000-000000000000"}, 400),
        (identity.header, {"mi_res_id": "/subscriptions/another"}, 400),
        (identity.header, {"resource": "https://unknown.example"}, 500),
    ):
        status, body = await ask(url, header, **{**good, **change})
        assert status == expected, change
        assert set(body) == {"statusCode", "message", "correlationId"}
        assert body["statusCode"] == expected


async def test_an_outage_and_its_end(identity: ManagedIdentityServer) -> None:
    async with azure.identity.aio.ManagedIdentityCredential(
        client_id=IDENTITY_CLIENT_ID, retry_total=0
    ) as credential:
        identity.faults.add(Fault(status=503, times=1))
        with pytest.raises(HttpResponseError):
            await credential.get_token(VAULT_SCOPE)
        # aiohttp repeats a GET once by itself when a kept connection breaks.
        identity.faults.add(Fault(action="disconnect", times=2))
        with pytest.raises(ServiceRequestError):
            await credential.get_token(VAULT_SCOPE)
        assert (await credential.get_token(VAULT_SCOPE)).token


async def test_the_header_is_random_and_the_token_is_in_no_repr(entra: EntraServer) -> None:
    one = ManagedIdentityServer(entra.tokens, entra.directory)
    two = ManagedIdentityServer(entra.tokens, entra.directory)
    assert one.header != two.header
    token = entra.tokens.issue_to_identity(
        IDENTITY_CLIENT_ID, IDENTITY_PRINCIPAL_ID, "https://vault.azure.net"
    )
    assert token.value not in repr(token)
    header = json.loads(base64.urlsafe_b64decode(token.value.partition(".")[0] + "=="))
    assert header["kid"] == entra.keys.kid
    assert "IDENTITY_ENDPOINT" in os.environ
