"""Faults on request, counts and the audit."""

import aiohttp
import pytest

from local.contoso import (
    APP_CLIENT_ID,
)
from local.entra import (
    TOKEN_EXCHANGE_AUDIENCE,
    EntraServer,
)
from local.faults import Fault
from tests.local.entra.asking import (
    EXCHANGE_SCOPE,
    Login,
    acquire,
    identity_assertion,
    post,
    refresh,
    secret_form,
)


async def test_throttling_and_outages(entra: EntraServer) -> None:
    form = secret_form(entra)
    entra.faults.answers.add(Fault(status=429, retry_after=3))
    entra.faults.answers.add(Fault(status=503, times=2))
    url = f"{entra.authority_url}/oauth2/v2.0/token"
    async with aiohttp.ClientSession() as session:
        async with session.post(url, data=form) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "3")
            assert (await answer.json())["error"] == "temporarily_unavailable"
        for expected in (503, 503, 200):
            async with session.post(url, data=form) as answer:
                assert answer.status == expected
        entra.faults.answers.add(Fault(action="disconnect"))
        with pytest.raises(aiohttp.ClientError):
            await session.post(url, data=form)
        entra.faults.answers.add(Fault(action="hang"))
        with pytest.raises(TimeoutError):
            await session.post(url, data=form, timeout=aiohttp.ClientTimeout(total=0.2))
    assert [entry.outcome for entry in entra.audit] == [
        "fault:answer",
        "fault:answer",
        "fault:answer",
        "issued",
        "fault:disconnect",
        "fault:hang",
    ]


async def test_msal_raises_at_an_outage(entra: EntraServer) -> None:
    secret = entra.directory.add_secret(APP_CLIENT_ID).value
    entra.faults.answers.add(Fault(status=500))
    with pytest.raises(Exception, match="500"):
        await acquire(entra, secret)
    assert "access_token" in await acquire(entra, secret)


async def test_wrong_tokens_on_request(entra: EntraServer) -> None:
    form = secret_form(entra)
    async with aiohttp.ClientSession() as session:
        faults = f"{entra.url}/local/faults"
        wanted = {
            "audience": "https://graph.microsoft.com",
            "life_seconds": 90,
            "drop_roles": True,
            "times": 1,
        }
        async with session.post(faults, json={"tokens": wanted}) as answer:
            assert (await answer.json())["tokens"] == wanted
        identity = entra.keys.verify(identity_assertion(entra))
        assert identity["aud"] == TOKEN_EXCHANGE_AUDIENCE
        spoiled = (await post(entra, **form))[1]
        claims = entra.keys.verify(spoiled["access_token"])
        assert claims["aud"] == "https://graph.microsoft.com"
        assert "roles" not in claims
        assert spoiled["expires_in"] == 90
        right = entra.keys.verify((await post(entra, **form))[1]["access_token"])
        assert right["aud"] == "https://outlook.office365.com"
        assert right["roles"] == ["SMTP.SendAsApp"]
        wrongs: list[object] = [
            {"tokens": []},
            {"tokens": {"x": 1}},
            {"tokens": {"times": "x"}},
            {"answers": {}},
        ]
        for wrong in wrongs:
            async with session.post(faults, json=wrong) as answer:
                assert answer.status == 400
        async with session.delete(faults) as answer:
            cleared = await answer.json()
        assert cleared["answers"] == []
        assert not any(cleared["tokens"].values())


async def test_no_secret_is_in_the_audit_or_any_repr(entra: EntraServer, login: Login) -> None:
    form = secret_form(entra)
    token = (await post(entra, **form))[1]["access_token"]
    answer = await login.complete()
    await refresh(entra, answer["refresh_token"])
    await post(entra, **secret_form(entra, client_secret="wrong-but-private"))
    written = repr(list(entra.audit)) + repr(entra.directory.app(APP_CLIENT_ID))
    for private in (
        form["client_secret"],
        token,
        answer["refresh_token"],
        answer["access_token"],
        "wrong-but-private",
    ):
        assert private not in written
    assert [entry.outcome for entry in entra.audit][-1] == "AADSTS7000215"
    assert entra.audit[0].client_id == APP_CLIENT_ID
    assert entra.audit[0].scope == EXCHANGE_SCOPE
