"""Certificates and federated credentials as client assertions."""

import functools
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import hashes

from local.contoso import (
    APP_CLIENT_ID,
    IDENTITY_PRINCIPAL_ID,
    TENANT_ID,
)
from local.entra import (
    TOKEN_EXCHANGE_AUDIENCE,
    EntraServer,
    FederatedCredential,
)
from tests.local.entra.asking import (
    JWT_BEARER,
    Certificate,
    acquire,
    callable_credential,
    identity_assertion,
    post,
    secret_form,
)


async def test_a_certificate_with_sha256_and_ps256(
    entra: EntraServer, certificate: Certificate
) -> None:
    entra.directory.add_certificate(APP_CLIENT_ID, certificate.pem)
    credential = {"private_key": certificate.key_pem, "public_certificate": certificate.pem}
    answer = await acquire(entra, credential)
    assert entra.keys.verify(answer["access_token"])["appidacr"] == "2"


async def test_a_certificate_with_sha1_and_rs256(
    entra: EntraServer, certificate: Certificate
) -> None:
    entra.directory.add_certificate(APP_CLIENT_ID, certificate.pem)
    thumbprint = certificate.certificate.fingerprint(hashes.SHA1()).hex()
    answer = await acquire(entra, {"private_key": certificate.key_pem, "thumbprint": thumbprint})
    assert "access_token" in answer


async def test_certificate_assertions_that_are_refused(
    entra: EntraServer, certificate: Certificate
) -> None:
    registered = entra.directory.add_certificate(APP_CLIENT_ID, certificate.pem)
    stranger = Certificate()
    endpoint = f"{entra.authority_url}/oauth2/v2.0/token"
    good = {"x5t#S256": registered.sha256}
    now = datetime.now(UTC).timestamp()
    for assertion, code in (
        (certificate.assert_as(endpoint, header=good), None),
        (certificate.assert_as(entra.authority_url + "/v2.0", header=good), None),
        (certificate.assert_as(endpoint, header={"x5t": registered.sha1 + "="}), None),
        (certificate.assert_as("https://elsewhere.example", header=good), 700023),
        (certificate.assert_as(endpoint, header=good, exp=now - 400), 700024),
        (certificate.assert_as(endpoint, header=good, nbf=now + 400), 700024),
        (certificate.assert_as(endpoint, header=good, exp="soon"), 5002723),
        (certificate.assert_as(endpoint, header=good, sub="another"), 700021),
        (certificate.assert_as(endpoint, header={"x5t": "AAAA"}), 700027),
        (certificate.assert_as(endpoint, header={}), 700027),
        (stranger.assert_as(endpoint, header=good), 700027),
        (certificate.assert_as(endpoint, header=good, algorithm="RS512"), 700027),
    ):
        form = secret_form(
            entra, client_assertion=assertion, client_assertion_type=JWT_BEARER, client_secret=""
        )
        status, body = await post(entra, **form)
        assert body.get("error_codes", [None]) == [code]
        assert status == (200 if code is None else 401)


async def test_an_expired_certificate(entra: EntraServer) -> None:
    expired = Certificate(ends=datetime.now(UTC) - timedelta(days=1))
    entra.directory.add_certificate(APP_CLIENT_ID, expired.pem)
    credential = {"private_key": expired.key_pem, "public_certificate": expired.pem}
    answer = await acquire(entra, credential)
    assert answer["error_codes"] == [700027]
    assert "expired" in answer["error_description"]


async def test_a_managed_identity_is_the_credential(entra: EntraServer) -> None:
    answer = await acquire(entra, callable_credential(lambda: identity_assertion(entra)))
    claims = entra.keys.verify(answer["access_token"])
    assert claims["appid"] == APP_CLIENT_ID
    assert claims["roles"] == ["SMTP.SendAsApp"]
    assert entra.directory.app(APP_CLIENT_ID).secrets == ()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"subject": "another-principal"}, 700213),
        ({"issuer": "https://token.actions.githubusercontent.com"}, 700211),
        ({"audience": "api://another"}, 700212),
        ({"issuer": "https://elsewhere.example", "subject": "another"}, 70021),
        (None, 70025),
    ],
)
async def test_federated_credentials_that_do_not_match(
    entra: EntraServer, change: dict[str, str] | None, code: int
) -> None:
    registered = {
        "issuer": f"https://login.microsoftonline.com/{TENANT_ID}/v2.0",
        "subject": IDENTITY_PRINCIPAL_ID,
    }
    entra.directory.change_app(APP_CLIENT_ID, federated_credentials=())
    if change is not None:
        entra.directory.add_federated_credential(
            APP_CLIENT_ID, FederatedCredential("test", **(registered | change))
        )
    answer = await acquire(entra, callable_credential(lambda: identity_assertion(entra)))
    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [code])


async def test_federated_assertions_that_are_forged_or_old(
    entra: EntraServer, certificate: Certificate
) -> None:
    claims = {
        "aud": TOKEN_EXCHANGE_AUDIENCE,
        "iss": entra.tokens.federation_issuer,
        "sub": IDENTITY_PRINCIPAL_ID,
        "nbf": 0,
        "exp": datetime.now(UTC).timestamp() + 600,
    }
    forged = jwt.encode(claims, certificate.key, algorithm="RS256")
    unsigned = jwt.encode(claims, "", algorithm="none")
    old = entra.keys.sign({**claims, "exp": datetime.now(UTC).timestamp() - 400})
    foreign = entra.keys.sign({**claims, "iss": "https://foreign.example"})
    entra.directory.add_federated_credential(
        APP_CLIENT_ID, FederatedCredential("f", "https://foreign.example", IDENTITY_PRINCIPAL_ID)
    )
    expected = {forged: 5002723, unsigned: 5002723, old: 700024, foreign: 50166}
    for assertion, code in expected.items():
        credential = callable_credential(functools.partial(str, assertion))
        answer = await acquire(entra, credential)
        assert answer["error_codes"] == [code]
