"""The vault, through azure-keyvault-secrets and azure-identity, and its refusals by hand."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import aiohttp
import azure.core.credentials
import azure.identity
import azure.keyvault.secrets
import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.identity.aio import ManagedIdentityCredential
from azure.keyvault.secrets.aio import SecretClient
from hypothesis import given, settings
from hypothesis import strategies as st

from local.certificates import LocalAuthority
from local.contoso import IDENTITY_CLIENT_ID, IDENTITY_PRINCIPAL_ID, TENANT_ID
from local.entra import EntraServer, SigningKeys, TokenIssuer
from local.faults import Fault
from local.identity import ManagedIdentityServer
from local.keyvault import KeyVaultServer, VaultError, VaultRole, VaultStore

VAULT = "https://vault.azure.net"


@pytest.fixture
async def client(
    vault: KeyVaultServer, identity: ManagedIdentityServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SecretClient]:
    for name, value in identity.environment().items():
        monkeypatch.setenv(name, value)
    async with (
        ManagedIdentityCredential(client_id=IDENTITY_CLIENT_ID) as credential,
        SecretClient(
            vault.url, credential, verify_challenge_resource=False, retry_total=0
        ) as client,
    ):
        yield client


def officer(vault: KeyVaultServer) -> None:
    vault.access.assignments[IDENTITY_PRINCIPAL_ID] = VaultRole.OFFICER


async def ask(
    vault: KeyVaultServer, path: str, token: str | None, **query: str
) -> tuple[int, dict[str, Any], str]:
    """GET a path; returns the status, the JSON and the challenge."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            vault.url + path, params={"api-version": "7.5", **query}, headers=headers
        ) as answer,
    ):
        return answer.status, await answer.json(), answer.headers.get("WWW-Authenticate", "")


def token_for(tokens: TokenIssuer, audience: str = VAULT, principal: str = "") -> str:
    return tokens.issue_to_identity(
        IDENTITY_CLIENT_ID, principal or IDENTITY_PRINCIPAL_ID, audience
    ).value


async def test_a_reader_gets_the_newest_version_after_one_challenge(
    vault: KeyVaultServer, client: SecretClient
) -> None:
    vault.store.set("app-secret", "first", content_type="text/plain", tags={"app": "mailroom"})
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    newest = vault.store.set("app-secret", "second", expires_on=int(ends.timestamp()))
    secret = await client.get_secret("app-secret")
    assert secret.value == "second"
    assert secret.properties.version == newest.version
    assert secret.properties.expires_on == ends
    assert secret.id == f"{vault.url}/secrets/app-secret/{newest.version}"
    assert (await client.get_secret("app-secret")).value == "second"
    assert vault.requests == {"get": 2, "challenge": 1}


async def test_the_sync_client_gets_a_named_version(
    vault: KeyVaultServer, identity: ManagedIdentityServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in identity.environment().items():
        monkeypatch.setenv(name, value)
    first = vault.store.set("app-secret", "first", content_type="text/plain", tags={"a": "b"})
    vault.store.set("app-secret", "second")

    def fetch() -> azure.keyvault.secrets.KeyVaultSecret:
        with (
            azure.identity.ManagedIdentityCredential(client_id=IDENTITY_CLIENT_ID) as credential,
            azure.keyvault.secrets.SecretClient(
                vault.url, credential, verify_challenge_resource=False
            ) as client,
        ):
            return client.get_secret("app-secret", first.version)

    secret = await asyncio.to_thread(fetch)
    assert secret.value == "first"
    assert secret.properties.content_type == "text/plain"
    assert secret.properties.tags == {"a": "b"}


async def test_an_officer_sets_updates_and_a_disabled_secret_is_refused(
    vault: KeyVaultServer, client: SecretClient
) -> None:
    officer(vault)
    ends = datetime(2031, 5, 6, tzinfo=UTC)
    new = await client.set_secret(
        "refresh-token", "välue", expires_on=ends, content_type="x", tags={"user": "billing"}
    )
    assert (new.value, new.properties.expires_on) == ("välue", ends)
    assert vault.store.get("refresh-token").value == "välue"
    changed = await client.update_secret_properties("refresh-token", enabled=False)
    assert changed.enabled is False
    with pytest.raises(HttpResponseError, match="disabled secret") as caught:
        await client.get_secret("refresh-token")
    assert caught.value.status_code == 403
    assert caught.value.error is not None
    assert caught.value.error.innererror["code"] == "SecretDisabled"


async def test_a_reader_may_not_set(vault: KeyVaultServer, client: SecretClient) -> None:
    with pytest.raises(HttpResponseError) as caught:
        await client.set_secret("app-secret", "value")
    assert caught.value.status_code == 403
    assert caught.value.error is not None
    assert caught.value.error.code == "Forbidden"
    assert caught.value.error.innererror["code"] == "ForbiddenByRbac"
    assert IDENTITY_PRINCIPAL_ID in str(caught.value)
    assert vault.store.latest() == []


async def test_a_principal_without_a_role_may_do_nothing(
    vault: KeyVaultServer, client: SecretClient
) -> None:
    vault.store.set("app-secret", "value")
    vault.access.assignments.clear()
    with pytest.raises(HttpResponseError, match="not authorized") as caught:
        await client.get_secret("app-secret")
    assert caught.value.status_code == 403


async def test_a_missing_secret_and_a_missing_version(
    vault: KeyVaultServer, client: SecretClient
) -> None:
    vault.store.set("app-secret", "value")
    for name, version in (("nothing", None), ("app-secret", "0" * 32)):
        with pytest.raises(ResourceNotFoundError) as caught:
            await client.get_secret(name, version)
        assert caught.value.error is not None
        assert caught.value.error.code == "SecretNotFound"


async def test_lists_come_in_pages(vault: KeyVaultServer, client: SecretClient) -> None:
    for number in range(30):
        vault.store.set(f"secret-{number:02}", "x")
    versions = {vault.store.set("secret-07", f"{number}").version for number in range(29)}
    names = [item.name async for item in client.list_properties_of_secrets()]
    assert names == [f"secret-{number:02}" for number in range(30)]
    listed = [
        item.version
        async for item in client.list_properties_of_secret_versions("secret-07", max_page_size=10)
    ]
    assert len(listed) == 30
    assert versions < set(listed)
    assert vault.requests == {"challenge": 1, "list": 2, "versions": 3}


async def test_expired_secrets_are_still_given(vault: KeyVaultServer, client: SecretClient) -> None:
    vault.store.set("old", "value", expires_on=1_000_000_000)
    secret = await client.get_secret("old")
    assert secret.value == "value"
    assert secret.properties.expires_on == datetime.fromtimestamp(1_000_000_000, UTC)


async def test_faults_by_http(vault: KeyVaultServer, client: SecretClient) -> None:
    vault.store.set("app-secret", "value")
    async with aiohttp.ClientSession() as session:
        faults = f"{vault.url}/local/faults"
        body = {"answers": [{"status": 429, "retry_after": 7}, {"status": 503, "times": 2}]}
        async with session.post(faults, json=body) as answer:
            assert answer.status == 200
        with pytest.raises(HttpResponseError) as throttled:
            await client.get_secret("app-secret")
        assert throttled.value.status_code == 429
        assert getattr(throttled.value.response, "headers", {})["Retry-After"] == "7"
        for _ in range(2):
            with pytest.raises(HttpResponseError, match="unavailable"):
                await client.get_secret("app-secret")
        assert (await client.get_secret("app-secret")).value == "value"
        wrongs: list[object] = [
            {"answer": []},
            {"answers": [{"status": 200}]},
            {"answers": [{"x": 1}]},
            {"answers": [{"action": "explode"}]},
            {"answers": [{"times": "two"}]},
            [],
        ]
        for wrong in wrongs:
            async with session.post(faults, json=wrong) as answer:
                assert answer.status == 400
                assert (await answer.json())["error"]
        vault.faults.add(Fault(times=None))
        async with session.delete(faults) as answer:
            assert await answer.json() == {"answers": []}


async def test_a_hanging_vault_lets_go_at_stop(vault: KeyVaultServer) -> None:
    vault.faults.add(Fault(action="hang"))
    waiting = asyncio.create_task(ask(vault, "/secrets/x", None))
    while not vault.requests["fault"]:
        await asyncio.sleep(0.01)
    await vault.stop()
    with pytest.raises(aiohttp.ClientError):
        await waiting


async def test_an_outage_of_the_whole_server(vault: KeyVaultServer, client: SecretClient) -> None:
    vault.store.set("app-secret", "value")
    port = vault.port
    await vault.stop()
    await vault.stop()
    with pytest.raises(ServiceRequestError):
        await client.get_secret("app-secret")
    await vault.start()
    assert vault.port == port
    assert (await client.get_secret("app-secret")).value == "value"


async def test_tokens_are_really_checked(
    authority: LocalAuthority, entra: EntraServer, signing_keys: SigningKeys
) -> None:
    now = datetime.now(UTC)
    vault = KeyVaultServer(
        authority, entra, {IDENTITY_PRINCIPAL_ID: VaultRole.USER}, clock=lambda: now
    )
    vault.store.set("app-secret", "value")
    await vault.start()
    good = token_for(entra.tokens)
    header, claims, signature = good.split(".")
    forged = ".".join([header, claims[:-4] + "AAAA", signature])
    early = TokenIssuer(signing_keys, TENANT_ID, clock=lambda: now - timedelta(days=2))
    late = TokenIssuer(signing_keys, TENANT_ID, clock=lambda: now + timedelta(hours=1))
    elsewhere = TokenIssuer(signing_keys, "another-tenant")
    stranger = TokenIssuer(SigningKeys(), TENANT_ID)
    try:
        for token, text in (
            (None, "AKV10000"),
            ("nonsense", "S2S12005"),
            (forged, "S2S12005"),
            (token_for(stranger), "S2S12005"),
            (token_for(early), "TokenExpired"),
            (token_for(late), "TokenExpired"),
            (token_for(elsewhere), "AKV10032"),
            (token_for(entra.tokens, "https://outlook.office365.com"), "AKV10022"),
            (token_for(entra.tokens, VAULT + "/"), "AKV10022"),
        ):
            status, body, challenge = await ask(vault, "/secrets/app-secret", token)
            assert (status, body["error"]["code"]) == (401, "Unauthorized")
            assert text in body["error"]["message"]
            assert challenge == (
                f'Bearer authorization="{entra.url}/{TENANT_ID}", resource="{VAULT}"'
            )
        status, body, challenge = await ask(vault, "/secrets/app-secret", good)
        assert (status, body["value"], challenge) == (200, "value", "")
    finally:
        await vault.stop()


async def test_a_token_of_the_wrong_audience_is_an_authentication_error(
    vault: KeyVaultServer, entra: EntraServer
) -> None:
    class Wrong:
        async def get_token(self, *_scopes: str, **_options: Any) -> Any:
            issued = entra.tokens.issue_to_identity("a", IDENTITY_PRINCIPAL_ID, "https://other")
            return azure.core.credentials.AccessToken(issued.value, issued.expires_at)

        async def close(self) -> None: ...

        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *_: object) -> None: ...

    async with SecretClient(vault.url, Wrong(), verify_challenge_resource=False) as client:
        with pytest.raises(ClientAuthenticationError, match="AKV10022"):
            await client.get_secret("app-secret")


async def test_bad_parameters(vault: KeyVaultServer, entra: EntraServer) -> None:
    token = token_for(entra.tokens)
    for path, query in (
        ("/secrets/bad_name", {}),
        ("/secrets/x", {"api-version": "6"}),
        ("/secrets/x", {"api-version": ""}),
        ("/secrets", {"maxresults": "26"}),
        ("/secrets", {"$skiptoken": "x"}),
    ):
        status, body, _ = await ask(vault, path, token, **query)
        assert (status, body["error"]["code"]) == (400, "BadParameter")


async def test_bad_bodies(vault: KeyVaultServer, entra: EntraServer) -> None:
    officer(vault)
    url = f"{vault.url}/secrets/x?api-version=7.5"
    headers = {"Authorization": f"Bearer {token_for(entra.tokens)}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for body in (
            b"{",
            b"[]",
            b"{}",
            b'{"value": 1}',
            b'{"value": "\\ud800"}',
            b'{"value": "x", "attributes": []}',
            b'{"value": "x", "attributes": {"exp": "soon"}}',
            b'{"value": "x", "attributes": {"enabled": "yes"}}',
            json.dumps({"value": "x" * 25_601}).encode(),
        ):
            async with session.put(url, data=body) as answer:
                assert answer.status == 400
                assert (await answer.json())["error"]["code"] == "BadParameter"


def test_secrets_are_kept_in_a_private_file(tmp_path: Path) -> None:
    store = VaultStore(tmp_path)
    store.set("one", "first", tags={"a": "b"})
    newest = store.set("one", "second", expires_on=5, not_before=1, content_type="text")
    store.disable("one", store.versions("one")[0].version)
    path = tmp_path / "secrets.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = VaultStore(tmp_path)
    assert again.get("ONE") == newest
    assert again.versions("one") == store.versions("one")
    assert "second" not in repr(newest)
    assert [name.name for name in tmp_path.iterdir()] == ["secrets.json"]


@settings(max_examples=60)
@given(
    value=st.text(max_size=200),
    tags=st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3),
    name=st.from_regex(r"[0-9A-Za-z-]{1,40}", fullmatch=True),
)
def test_any_text_survives_the_disk(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: str, tags: dict[str, str]
) -> None:
    folder = tmp_path_factory.mktemp("vault")
    stored = VaultStore(folder).set(name, value, tags=tags)
    assert VaultStore(folder).get(name) == stored


def test_an_oversized_value_names_the_limit() -> None:
    with pytest.raises(VaultError, match="25600"):
        VaultStore().set("x", "y" * 25_601)
