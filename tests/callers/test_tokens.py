"""Tokens: the right one opens, each wrong one does not, and the answer says why."""

import base64
import json
import time
import uuid
from datetime import timedelta
from typing import Any

import jwt
import pytest

from local.contoso import API_CLIENT_ID, TENANT_ID
from local.entra import EntraServer, SigningKeys
from shared.callers.roles import ADMIN
from tests.callers.conftest import SHOP, Door, Forge, Seconds, refusal

OTHER = str(uuid.uuid4())


async def test_a_token_of_entra_opens(door: Door, token: str) -> None:
    assert (await door.knock(f"Bearer {token}")).status == 204


def timed(claims: dict[str, Any]) -> dict[str, Any]:
    """With spans as times from now on: parameters are made long before their test runs."""
    now = time.time()
    return {
        name: int(now + value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in claims.items()
    }


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": f"api://{API_CLIENT_ID}"},
        {"iss": f"https://sts.windows.net/{TENANT_ID}/", "ver": "1.0", "appid": SHOP, "azp": None},
        {"roles": ["Mail.Admin"]},
        {"roles": ["Other", "Mail.Send"]},
        {"exp": timedelta(seconds=-5)},  # clocks differ
    ],
)
async def test_these_are_right_as_well(door: Door, forge: Forge, claims: dict[str, Any]) -> None:
    assert (await door.knock(f"Bearer {forge(**timed(claims))}")).status == 204


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"aud": OTHER}, "another API"),
        ({"aud": f"api://{OTHER}"}, "another API"),
        ({"aud": None}, "claim aud"),
        ({"tid": OTHER}, "another tenant"),
        ({"tid": None}, "claim tid"),
        ({"iss": f"https://login.microsoftonline.com/{OTHER}/v2.0"}, "another tenant"),
        ({"iss": f"https://evil.test/{TENANT_ID}/v2.0"}, "another tenant"),
        ({"exp": timedelta(hours=-1)}, "expired"),
        ({"exp": None}, "claim exp"),
        ({"exp": "soon"}, "cannot be read"),
        ({"nbf": timedelta(hours=1)}, "not valid yet"),
        ({"azp": None}, "which application"),
        ({"azp": "shop"}, "which application"),
    ],
)
async def test_wrong_claims_are_401(
    door: Door, forge: Forge, claims: dict[str, Any], told: str
) -> None:
    answered = await door.knock(f"Bearer {forge(**timed(claims))}")
    status, detail = refusal(answered)
    assert status == 401
    assert told in detail
    assert 'error="invalid_token"' in answered.headers["WWW-Authenticate"]


@pytest.mark.parametrize("roles", [None, [], ["Mail.Read"], "Mail.Send", [["Mail.Send"]]])
async def test_without_the_role_403(door: Door, forge: Forge, roles: object) -> None:
    answered = await door.knock(f"Bearer {forge(roles=roles)}")
    status, detail = refusal(answered)
    assert status == 403
    assert "Mail.Send" in detail
    assert 'error="insufficient_scope"' in answered.headers["WWW-Authenticate"]


async def test_who_may_send_is_no_administrator(door: Door, forge: Forge) -> None:
    assert (await door.knock(f"Bearer {forge()}", ADMIN)).status == 403
    assert (await door.knock(f"Bearer {forge(roles=['Mail.Admin'])}", ADMIN)).status == 204


async def test_no_token_is_challenged_without_an_error(door: Door) -> None:
    for nothing in (None, ""):
        answered = await door.knock(nothing)
        assert refusal(answered)[0] == 401
        assert answered.headers["WWW-Authenticate"] == 'Bearer realm="Mailroom"'


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_signatures_that_do_not_count_are_401(
    door: Door, forge: Forge, entra: EntraServer
) -> None:
    good = forge()
    head, body, signature = good.split(".")
    claims = jwt.decode(good, options={"verify_signature": False})
    kid = entra.keys.kid
    other = SigningKeys()
    foreign = other.sign(claims)
    # A key of the tenant is named, but another one signed.
    disguised = jwt.encode(claims, other._key, algorithm="RS256", headers={"kid": kid})
    # The public key, which everybody has, as an HMAC secret; PyJWT itself would refuse to sign.
    import hashlib
    import hmac

    unsigned = f"{encoded({'alg': 'HS256', 'kid': kid, 'typ': 'JWT'})}.{body}"
    mac = hmac.new(entra.public_key_pem.encode(), unsigned.encode(), hashlib.sha256).digest()
    confused = f"{unsigned}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    changed = f"{head}.{encoded({**claims, 'roles': ['Mail.Admin']})}.{signature}"
    wrong = {
        "none": f"{encoded({'alg': 'none', 'kid': kid})}.{body}.",
        "None": f"{encoded({'alg': 'None', 'kid': kid})}.{body}.{signature}",
        "no kid": f"{encoded({'alg': 'RS256'})}.{body}.{signature}",
        "stripped": f"{head}.{body}.",
        "foreign": foreign, "disguised": disguised, "confused": confused, "changed": changed,
    }  # fmt: skip
    for name, forged in wrong.items():
        assert refusal(await door.knock(f"Bearer {forged}"))[0] == 401, name
    assert (await door.knock(f"Bearer {good}")).status == 204


@pytest.mark.parametrize(
    "garbage",
    [
        "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Bearer ..", "Basic dXNlcjpwYXNz",
        "Bearer é.é.é", "Bearer bnVsbA.bnVsbA.bnVsbA", "Bearer W10.W10.W10", "\x00",
        "Bearer " + "A" * 5000 + "." + "A" * 5000 + "." + "A" * 5000, "Bearer " + "a" * 2_000_000,
    ],
)  # fmt: skip
async def test_garbage_is_401(door: Door, garbage: str, entra: EntraServer) -> None:
    assert refusal(await door.knock(garbage))[0] == 401


async def test_a_giant_token_is_401_however_well_signed(door: Door, forge: Forge) -> None:
    status, detail = refusal(await door.knock(f"Bearer {forge(padding='x' * 20_000)}"))
    assert (status, "larger" in detail) == (401, True)


async def test_no_answer_holds_the_token(door: Door, forge: Forge) -> None:
    forged = forge(aud=OTHER, secret="kept")
    answered = await door.knock(f"Bearer {forged}")
    told = f"{answered.body!r} {answered.headers}"
    assert not any(part in told for part in forged.split("."))
    assert OTHER not in told


# The tenant's keys


def rotate(entra: EntraServer) -> None:
    entra.keys = entra.tokens.keys = SigningKeys()


async def test_new_keys_are_fetched_when_they_are_first_met(
    door: Door, forge: Forge, entra: EntraServer, seconds: Seconds
) -> None:
    old = forge()
    assert (await door.knock(f"Bearer {old}")).status == 204
    rotate(entra)
    new = forge()
    assert (await door.knock(f"Bearer {new}")).status == 401  # asked a moment ago
    seconds.now += 61
    assert (await door.knock(f"Bearer {new}")).status == 204
    assert (await door.knock(f"Bearer {old}")).status == 401  # withdrawn by the tenant


async def test_keys_stay_while_entra_is_away(
    door: Door, forge: Forge, entra: EntraServer, seconds: Seconds
) -> None:
    good, unknown = forge(), SigningKeys().sign({})
    assert (await door.knock(f"Bearer {good}")).status == 204
    await entra.stop()
    seconds.now += 25 * 3600
    assert (await door.knock(f"Bearer {good}")).status == 204
    answered = await door.knock(f"Bearer {unknown}")
    assert refusal(answered)[0] == 503
    assert answered.headers["Retry-After"]


async def test_503_where_no_key_can_be_had_and_later_it_opens(
    door: Door, forge: Forge, entra: EntraServer, seconds: Seconds
) -> None:
    good = forge()
    await entra.stop()
    assert refusal(await door.knock(f"Bearer {good}"))[0] == 503
    await entra.start()
    assert refusal(await door.knock(f"Bearer {good}"))[0] == 503  # asked a moment ago
    seconds.now += 11
    assert (await door.knock(f"Bearer {good}")).status == 204
