"""Discovery, keys and app-only tokens, and any input to the token endpoint."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote_plus

import aiohttp
import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.contoso import (
    APP_CLIENT_ID,
    APP_OBJECT_ID,
    MAILBOXES,
    TENANT_ID,
    contoso,
)
from local.entra import (
    EXCHANGE,
    EntraError,
    EntraServer,
    SigningKeys,
    TokenIssuer,
)
from local.entra.grants import TokenGrants
from local.entra.scopes import read_app_scope, read_delegated_scope
from local.entra.sessions import DeviceLogins, RefreshTokens
from tests.local.entra.asking import EXCHANGE_SCOPE, JWT_BEARER, acquire, code_of, post, secret_form


async def test_discovery_leads_to_every_endpoint(entra: EntraServer) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(
            f"{entra.authority_url}/v2.0/.well-known/openid-configuration"
        ) as answer:
            configuration = await answer.json()
        assert configuration["issuer"] == f"{entra.url}/{TENANT_ID}/v2.0"
        assert configuration["token_endpoint"] == f"{entra.url}/{TENANT_ID}/oauth2/v2.0/token"
        async with session.get(configuration["jwks_uri"]) as answer:
            assert await answer.json() == entra.jwks()
        async with session.get(
            f"{entra.url}/common/discovery/instance",
            params={"authorization_endpoint": f"{entra.authority_url}/oauth2/v2.0/authorize"},
        ) as answer:
            found = (await answer.json())["tenant_discovery_endpoint"]
        async with session.get(found) as answer:
            assert await answer.json() == configuration
        async with session.get(
            f"{entra.url}/{uuid.uuid4()}/v2.0/.well-known/openid-configuration"
        ) as answer:
            assert code_of((answer.status, await answer.json()))[:2] == (400, 90002)


async def test_a_token_verifies_against_the_published_keys(entra: EntraServer) -> None:
    _, body = await post(entra, **secret_form(entra))
    token = body["access_token"]
    published = {key["kid"]: jwt.PyJWK(key) for key in entra.jwks()["keys"]}
    key = published[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, audience="https://outlook.office365.com")
    assert (
        jwt.decode(token, entra.public_key_pem, ["RS256"], audience="https://outlook.office365.com")
        == claims
    )


async def test_the_configuration_is_found_by_domain(entra: EntraServer) -> None:
    secret = entra.directory.add_secret(APP_CLIENT_ID).value
    answer = await acquire(entra, secret, authority=f"{entra.url}/contoso.onmicrosoft.com")
    assert "access_token" in answer


def test_a_kept_key_signs_the_same_after_a_restart(tmp_path: Path) -> None:
    first = SigningKeys(tmp_path)
    token = first.sign({"sub": "x"})
    second = SigningKeys(tmp_path)
    assert second.verify(token) == {"sub": "x"}
    assert second.unseal(first.seal(b"x")) == b"x"
    assert (tmp_path / "entra-signing.key").stat().st_mode & 0o777 == 0o600


async def test_a_secret_gives_an_app_only_token(entra: EntraServer) -> None:
    secret = entra.directory.add_secret(APP_CLIENT_ID)
    answer = await acquire(entra, secret.value)
    claims = entra.keys.verify(answer["access_token"])
    assert claims["aud"] == "https://outlook.office365.com"
    assert claims["iss"] == f"https://sts.windows.net/{TENANT_ID}/"
    assert claims["roles"] == ["SMTP.SendAsApp"]
    assert (claims["appid"], claims["oid"], claims["sub"]) == (
        APP_CLIENT_ID,
        APP_OBJECT_ID,
        APP_OBJECT_ID,
    )
    assert (claims["tid"], claims["ver"], claims["appidacr"]) == (TENANT_ID, "1.0", "1")
    assert "scp" not in claims
    assert 3600 <= answer["expires_in"] <= 5400
    assert claims["exp"] - claims["iat"] == answer["expires_in"] + 300
    assert claims["iat"] == claims["nbf"]
    assert entra.requests == {"client_credentials": 1}


async def test_lives_are_drawn_from_the_range(entra: EntraServer) -> None:
    form = secret_form(entra)
    lives = {(await post(entra, **form))[1]["expires_in"] for _ in range(8)}
    assert len(lives) > 1
    entra.tokens.life = timedelta(minutes=2)
    assert (await post(entra, **form))[1]["expires_in"] == 120


@pytest.mark.parametrize(
    "resource", ["graph.microsoft.com", "vault.azure.net", "storage.azure.com"]
)
async def test_other_resources_give_no_roles_without_a_grant(
    entra: EntraServer, resource: str
) -> None:
    status, body = await post(entra, **secret_form(entra, scope=f"https://{resource}/.default"))
    claims = entra.keys.verify(body["access_token"])
    assert status == 200
    assert claims["aud"] == f"https://{resource}"
    assert "roles" not in claims


async def test_way_b_has_no_roles_claim(entra: EntraServer) -> None:
    entra.directory.grant(APP_CLIENT_ID, EXCHANGE)
    _, body = await post(entra, **secret_form(entra))
    assert "roles" not in entra.keys.verify(body["access_token"])


async def test_a_claims_mapping_adds_claims(entra: EntraServer) -> None:
    entra.directory.change_app(APP_CLIENT_ID, extra_claims={"upn": MAILBOXES[0]})
    _, body = await post(entra, **secret_form(entra))
    assert entra.keys.verify(body["access_token"])["upn"] == MAILBOXES[0]


async def test_the_secret_may_come_in_a_basic_header(entra: EntraServer) -> None:
    secret = entra.directory.add_secret(APP_CLIENT_ID, value="p%ss+wörd:~").value
    url = f"{entra.authority_url}/oauth2/v2.0/token"
    form = {"grant_type": "client_credentials", "scope": EXCHANGE_SCOPE}
    basic = aiohttp.encode_basic_auth(APP_CLIENT_ID, quote_plus(secret))
    async with aiohttp.ClientSession() as session:
        async with session.post(url, data=form, headers={"Authorization": basic}) as answer:
            assert answer.status == 200
        async with session.post(url, data=form, headers={"Authorization": "Basic !"}) as answer:
            assert code_of((answer.status, await answer.json()))[:2] == (400, 9002313)


async def test_a_secret_can_be_changed_at_run_time(entra: EntraServer) -> None:
    old = entra.directory.add_secret(APP_CLIENT_ID)
    assert "access_token" in await acquire(entra, old.value)
    entra.directory.expire_secret(APP_CLIENT_ID, old.key_id)
    new = entra.directory.add_secret(APP_CLIENT_ID)
    refused = await acquire(entra, old.value)
    assert refused["error"] == "invalid_client"
    assert refused["error_codes"] == [7000222]
    assert "access_token" in await acquire(entra, new.value)
    entra.directory.remove_secret(APP_CLIENT_ID, old.key_id)
    assert (await acquire(entra, old.value))["error_codes"] == [7000215]


async def test_an_error_has_entras_shape(entra: EntraServer) -> None:
    correlation = str(uuid.uuid4())
    form = secret_form(entra, client_secret=str(uuid.uuid4()))
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{entra.authority_url}/oauth2/v2.0/token",
            data=form,
            headers={"client-request-id": correlation},
        ) as answer,
    ):
        body = await answer.json()
    assert answer.status == 401
    assert set(body) == {
        "error",
        "error_description",
        "error_codes",
        "timestamp",
        "trace_id",
        "correlation_id",
        "error_uri",
    }
    assert body["error_description"].startswith("AADSTS7000215: Invalid client secret provided.")
    assert body["correlation_id"] == correlation
    assert f"Correlation ID: {correlation} Timestamp: " in body["error_description"]
    assert datetime.strptime(body["timestamp"], "%Y-%m-%d %H:%M:%SZ")  # noqa: DTZ007 - its shape is meant


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"client_id": "99999999-9999-9999-9999-999999999999"},
            (400, 700016, "unauthorized_client"),
        ),
        ({"client_id": ""}, (400, 900144, "invalid_request")),
        ({"client_secret": ""}, (401, 7000218, "invalid_client")),
        ({"grant_type": ""}, (400, 900144, "invalid_request")),
        ({"grant_type": "password"}, (400, 70003, "unsupported_grant_type")),
        ({"scope": ""}, (400, 900144, "invalid_request")),
        ({"scope": "https://outlook.office365.com/SMTP.Send"}, (400, 1002012, "invalid_scope")),
        ({"scope": f"{EXCHANGE_SCOPE} openid"}, (400, 70011, "invalid_scope")),
        ({"scope": "https://unknown.example/.default"}, (400, 500011, "invalid_resource")),
        ({"client_assertion": "x", "client_assertion_type": ""}, (400, 900144, "invalid_request")),
        (
            {"client_assertion": "x.y.z", "client_assertion_type": JWT_BEARER},
            (401, 5002723, "invalid_client"),
        ),
        ({"grant_type": "refresh_token"}, (400, 900144, "invalid_request")),
        ({"grant_type": "refresh_token", "refresh_token": "1.é"}, (400, 9002313, "invalid_grant")),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, (400, 9002313, "invalid_grant")),
        ({"grant_type": "device_code"}, (400, 900144, "invalid_request")),
    ],
)
async def test_bad_requests(
    entra: EntraServer, changes: dict[str, str], expected: tuple[int, int, str]
) -> None:
    assert code_of(await post(entra, **secret_form(entra, **changes))) == expected


async def test_an_unknown_tenant_and_a_disabled_app(entra: EntraServer) -> None:
    form = secret_form(entra)
    assert code_of(await post(entra, "fabrikam.test", **form))[:2] == (400, 90002)
    entra.directory.change_app(APP_CLIENT_ID, enabled=False)
    assert code_of(await post(entra, **form))[:2] == (400, 7000112)


@settings(max_examples=150)
@given(scope=st.none() | st.text(max_size=60) | st.from_regex(r"(https://[a-z./]{1,20} ?){1,3}"))
def test_any_scope_is_read_or_refused(scope: str | None) -> None:
    for read in (read_app_scope, read_delegated_scope):
        try:
            found = read(contoso(), scope)
        except EntraError as error:
            json.dumps(error.body(datetime.now(UTC), "id"))
        else:
            assert found.audience.rstrip("/") in found.resource.uris


@settings(max_examples=100)
@given(
    form=st.dictionaries(
        st.sampled_from(
            ["client_id", "client_assertion", "client_assertion_type", "scope", "client_secret"]
        ),
        st.sampled_from([APP_CLIENT_ID, JWT_BEARER, EXCHANGE_SCOPE, "a.b.c", "e30.e30.e30", ""])
        | st.text(max_size=20),
    ),
    grant=st.sampled_from(["client_credentials", "refresh_token", "device_code"]),
)
def test_no_request_breaks_the_endpoint(
    signing_keys: SigningKeys, form: dict[str, str], grant: str
) -> None:
    directory = contoso()
    grants = TokenGrants(
        directory,
        TokenIssuer(signing_keys, TENANT_ID),
        RefreshTokens(signing_keys),
        DeviceLogins(),
    )
    with pytest.raises(EntraError):
        grants.answer(
            {**form, "grant_type": grant},
            tenant=TENANT_ID,
            audiences=frozenset(),
            now=datetime.now(UTC),
        )
