"""Users: the device flow through MSAL, refresh tokens and consent."""

from datetime import UTC, datetime, timedelta

import aiohttp
import msal

from local.certificates import LocalAuthority
from local.contoso import (
    APP_CLIENT_ID,
    LOGIN_CLIENT_ID,
    MAILBOXES,
)
from local.entra import (
    EXCHANGE,
    Directory,
    EntraServer,
    SigningKeys,
)
from tests.local.entra.asking import SMTP_SEND, Login, Watch, code_of, post, refresh


def stored_refresh_token(login: Login) -> str:
    (entry,) = login.cache.search(msal.TokenCache.CredentialType.REFRESH_TOKEN)
    return str(entry["secret"])


async def test_the_device_flow_and_a_silent_refresh(entra: EntraServer, login: Login) -> None:
    flow = await login.begin()
    assert flow["user_code"] in flow["message"]
    pending = await login.poll(flow)
    assert (pending["error"], pending["error_codes"]) == ("authorization_pending", [70016])
    assert await login.approve(flow) == 200
    answer = await login.poll(flow)
    claims = entra.keys.verify(answer["access_token"])
    assert claims["aud"] == "https://outlook.office.com"
    assert claims["scp"] == "SMTP.Send"
    assert (claims["upn"], claims["unique_name"]) == (MAILBOXES[0], MAILBOXES[0])
    assert "roles" not in claims
    assert answer["id_token_claims"]["preferred_username"] == MAILBOXES[0]
    first = stored_refresh_token(login)
    refreshed = await login.silently()
    assert refreshed["access_token"] != answer["access_token"]
    assert stored_refresh_token(login) != first
    assert entra.requests["refresh_token"] == 1
    assert (await login.silently(force=False))["access_token"] == refreshed["access_token"]


async def test_the_page_approves_too(entra: EntraServer, login: Login) -> None:
    flow = await login.begin()
    async with aiohttp.ClientSession() as session:
        async with session.get(flow["verification_uri"], params={"code": '"><b>'}) as answer:
            page = await answer.text()
            assert all(mailbox in page for mailbox in MAILBOXES)
            assert "<b>" not in page
        form = {"code": flow["user_code"].lower(), "user": MAILBOXES[1]}
        async with session.post(flow["verification_uri"], data=form) as answer:
            assert "Signed in as" in await answer.text()
        async with session.post(flow["verification_uri"], data={"code": "nothing"}) as answer:
            assert answer.status == 404
    assert entra.keys.verify((await login.poll(flow))["access_token"])["upn"] == MAILBOXES[1]


async def test_device_codes_that_end_without_a_token(entra: EntraServer, login: Login) -> None:
    flow = await login.begin()
    assert await login.approve(flow, "nobody@contoso.test") == 400
    url = f"{entra.url}/local/devicecode/{flow['user_code']}/decline"
    async with aiohttp.ClientSession() as session, session.post(url) as answer:
        assert answer.status == 200
    declined = await login.poll(flow)
    assert declined["error"] == "authorization_declined"
    again = await login.poll({**flow, "latest_attempt_at": 0})
    assert again["error"] == "bad_verification_code"
    unknown = await login.begin("https://unknown.example/Mail.Send")
    assert unknown["error_codes"] == [500011]


async def test_without_consent_no_token(entra: EntraServer, login: Login) -> None:
    entra.directory.user_consent = False
    answer = await login.complete()
    assert (answer["error"], answer["error_codes"]) == ("invalid_grant", [65001])
    entra.directory.change_app(
        LOGIN_CLIENT_ID, delegated_permissions={EXCHANGE.app_id: frozenset({"SMTP.Send"})}
    )
    assert "access_token" in await login.complete()


async def test_withdrawn_consent_and_a_removed_session(entra: EntraServer, login: Login) -> None:
    answer = await login.complete()
    form = {
        "grant_type": "refresh_token",
        "client_id": LOGIN_CLIENT_ID,
        "refresh_token": answer["refresh_token"],
        "scope": f"{SMTP_SEND} offline_access",
    }
    status, body = await post(entra, **form)
    assert status == 200
    assert body["scope"] == SMTP_SEND
    assert "id_token" not in body
    user = entra.directory.find_user(MAILBOXES[0])
    assert user is not None
    entra.directory.withdraw_consent(entra.directory.app(LOGIN_CLIENT_ID), user)
    assert code_of(await post(entra, **form))[:2] == (400, 65001)
    entra.grants.refresh_tokens.revoke(MAILBOXES[0], datetime.now(UTC))
    assert code_of(await post(entra, **form))[:2] == (400, 50173)


async def test_refresh_tokens_rotate_and_old_ones_end_after_the_grace(
    timed: EntraServer, watch: Watch
) -> None:
    timed.grants.refresh_tokens.grace = timedelta(minutes=5)
    login = Login(timed)
    first = (await login.complete())["refresh_token"]
    status, body = await refresh(timed, first)
    assert status == 200
    second = body["refresh_token"]
    assert second != first
    watch.now += timedelta(minutes=4)
    assert (await refresh(timed, first))[0] == 200
    watch.now += timedelta(minutes=1)
    assert code_of(await refresh(timed, first)) == (400, 70008, "invalid_grant")
    assert (await refresh(timed, second))[0] == 200
    login.session.close()


async def test_without_a_grace_an_old_refresh_token_is_refused_at_once(timed: EntraServer) -> None:
    timed.grants.refresh_tokens.grace = timedelta(0)
    login = Login(timed)
    token = (await login.complete())["refresh_token"]
    login.session.close()
    assert (await refresh(timed, token))[0] == 200
    assert code_of(await refresh(timed, token))[:2] == (400, 70008)


async def test_refresh_tokens_end_after_ninety_days_and_with_another_client(
    timed: EntraServer, watch: Watch
) -> None:
    login = Login(timed)
    token = (await login.complete())["refresh_token"]
    login.session.close()
    timed.directory.change_app(APP_CLIENT_ID, public_client=True)
    assert code_of(await refresh(timed, token, client_id=APP_CLIENT_ID))[1] == 9002313
    assert code_of(await refresh(timed, token, client_secret="x"))[:2] == (401, 700025)
    watch.now += timedelta(days=89)
    status, body = await refresh(timed, token)
    assert status == 200
    watch.now += timedelta(days=90)
    answer = await refresh(timed, body["refresh_token"])
    assert code_of(answer) == (400, 700082, "invalid_grant")


async def test_a_refresh_token_survives_a_restart_with_its_key(
    authority: LocalAuthority, directory: Directory, signing_keys: SigningKeys
) -> None:
    first = EntraServer(authority, directory, keys=signing_keys, device_interval=1)
    await first.start()
    login = Login(first)
    token = (await login.complete())["refresh_token"]
    login.session.close()
    await first.stop()
    second = EntraServer(authority, directory, keys=signing_keys)
    await second.start()
    try:
        assert (await refresh(second, token))[0] == 200
    finally:
        await second.stop()


async def test_an_expired_device_code(timed: EntraServer, watch: Watch) -> None:
    login = Login(timed)
    flow = await login.begin()
    watch.now += timedelta(minutes=16)
    answer = await post(
        timed, grant_type="device_code", client_id=LOGIN_CLIENT_ID, device_code=flow["device_code"]
    )
    assert code_of(answer) == (400, 70020, "expired_token")
    login.session.close()
