"""Tokens from a real token endpoint, with the real libraries."""

import asyncio
import logging
from datetime import timedelta

import pytest

from local.contoso import APP_CLIENT_ID
from local.entra import Directory, EntraServer
from local.faults import Fault
from local.keyvault import KeyVaultServer
from shared.accounts import AccessToken
from shared.errors import CredentialError, CredentialUnavailableError
from tests.accounts.conftest import OpenAccounts, StoppedClock, eventually, whole_text

SCOPE = "https://outlook.office365.com/.default"
OTHER_SCOPE = "https://graph.microsoft.com/.default"


def issued(entra: EntraServer) -> int:
    return sum(entry.outcome == "issued" for entry in entra.audit)


async def test_a_client_secret_from_key_vault_becomes_a_token_for_exchange(
    open_with: OpenAccounts, entra: EntraServer, stored_secret: str, clock: StoppedClock
) -> None:
    token = await open_with("secret").tokens.token(SCOPE)
    claims = entra.keys.verify(token.value)
    assert claims["aud"] == "https://outlook.office365.com"
    assert claims["appid"] == APP_CLIENT_ID
    assert claims["appidacr"] == "1"
    assert claims["roles"] == ["SMTP.SendAsApp"]
    assert token.expires_at == clock() + timedelta(minutes=60)


async def test_the_managed_identity_as_federated_credential_needs_no_secret(
    open_with: OpenAccounts, entra: EntraServer, vault: KeyVaultServer
) -> None:
    accounts = open_with("federated", MAILROOM_KEY_VAULT_URL="")
    assert accounts.vault is None
    token = await accounts.tokens.token(SCOPE)
    assert entra.keys.verify(token.value)["appidacr"] == "2"
    assert not vault.requests


async def test_parallel_callers_cause_one_request_at_each_service(
    open_with: OpenAccounts, entra: EntraServer, vault: KeyVaultServer, stored_secret: str
) -> None:
    accounts = open_with()
    tokens = await asyncio.gather(*(accounts.tokens.token(SCOPE) for _ in range(20)))
    assert len({token.value for token in tokens}) == 1
    assert issued(entra) == 1
    assert vault.requests["get"] == 1


async def test_one_token_serves_all_mailboxes_but_only_its_own_scope(
    open_with: OpenAccounts, entra: EntraServer, stored_secret: str
) -> None:
    tokens = open_with().tokens
    first = await tokens.token(SCOPE, mailbox="billing@contoso.test")
    assert await tokens.token(SCOPE, mailbox="alerts@contoso.test") is first
    other = await tokens.token(OTHER_SCOPE)
    assert entra.keys.verify(other.value)["aud"] == "https://graph.microsoft.com"
    assert await tokens.token(SCOPE) is first


async def test_a_token_past_half_its_life_is_given_while_its_successor_is_fetched(
    open_with: OpenAccounts, entra: EntraServer, stored_secret: str, clock: StoppedClock
) -> None:
    tokens = open_with().tokens
    first = await tokens.token(SCOPE)
    clock.advance(minutes=29)
    assert await tokens.token(SCOPE) is first
    assert issued(entra) == 1
    clock.advance(minutes=1)
    entra.faults.answers.add(Fault(action="hang"))
    async with asyncio.timeout(5):  # nobody waits for Entra, which hangs
        assert await tokens.token(SCOPE) is first
        assert await tokens.token(SCOPE) is first


async def test_the_successor_takes_over_once_it_is_there(
    open_with: OpenAccounts, entra: EntraServer, stored_secret: str, clock: StoppedClock
) -> None:
    tokens = open_with().tokens
    first = await tokens.token(SCOPE)
    clock.advance(minutes=31)
    assert await tokens.token(SCOPE) is first
    await eventually(lambda: issued(entra) == 2)
    await asyncio.sleep(0.05)
    second = await tokens.token(SCOPE)
    assert second.value != first.value
    assert second.expires_at == clock() + timedelta(minutes=60)


async def test_a_token_with_less_than_ten_minutes_left_is_not_given(
    open_with: OpenAccounts, entra: EntraServer, stored_secret: str, clock: StoppedClock
) -> None:
    tokens = open_with().tokens
    first = await tokens.token(SCOPE)
    clock.advance(minutes=50)
    entra.faults.answers.add(Fault(status=400, times=1))
    assert await tokens.token(SCOPE) is first  # ten minutes to the second
    await eventually(lambda: len(entra.audit) == 2)
    clock.advance(minutes=6)
    second = await tokens.token(SCOPE)
    assert second.expires_at - clock() >= timedelta(minutes=10)


async def test_a_tenant_that_issues_short_tokens_is_told_so(
    open_with: OpenAccounts, entra: EntraServer, stored_secret: str
) -> None:
    entra.tokens.faults.life = timedelta(minutes=9)
    with pytest.raises(CredentialError, match="live for 540 seconds; 600 are needed") as caught:
        await open_with().tokens.token(SCOPE)
    assert "token lifetime policy" in caught.value.fix


async def test_ten_sessions_refused_at_once_cause_one_fetch(
    open_with: OpenAccounts, entra: EntraServer, stored_secret: str, clock: StoppedClock
) -> None:
    tokens = open_with().tokens
    refused = await tokens.token(SCOPE)
    fresh = await asyncio.gather(*(tokens.token(SCOPE, rejected=refused) for _ in range(10)))
    assert {token.value for token in fresh} == {fresh[0].value}
    assert fresh[0].value != refused.value
    assert issued(entra) == 2
    # A session that comes late with the old token gets the new one.
    assert await tokens.token(SCOPE, rejected=refused) is fresh[0]
    assert issued(entra) == 2


async def test_a_replaced_token_that_is_refused_too_is_not_the_cause(
    open_with: OpenAccounts, entra: EntraServer, stored_secret: str, clock: StoppedClock
) -> None:
    tokens = open_with().tokens
    first = await tokens.token(SCOPE)
    second = await tokens.token(SCOPE, rejected=first)
    assert await tokens.token(SCOPE, rejected=second) is second
    assert issued(entra) == 2
    clock.advance(seconds=61)
    third = await tokens.token(SCOPE, rejected=second)
    assert third.value != second.value


async def test_an_outage_of_entra_leaves_good_tokens_in_use(
    open_with: OpenAccounts,
    entra: EntraServer,
    stored_secret: str,
    clock: StoppedClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tokens = open_with().tokens
    first = await tokens.token(SCOPE)
    await entra.stop()
    clock.advance(minutes=45)
    assert await tokens.token(SCOPE) is first
    await eventually(lambda: "No new token" in caplog.text, 10)
    assert await tokens.token(SCOPE) is first
    clock.advance(minutes=10)
    with pytest.raises(CredentialUnavailableError) as caught:
        await tokens.token(SCOPE)
    assert caught.value.code == "entra_unreachable"
    await entra.start()
    clock.advance(minutes=5)
    assert (await tokens.token(SCOPE)).value != first.value


async def test_after_a_failure_entra_is_left_alone_for_a_while(
    open_with: OpenAccounts, entra: EntraServer, stored_secret: str, clock: StoppedClock
) -> None:
    tokens = open_with(MAILROOM_CLIENT_ID="99999999-9999-9999-9999-999999999999").tokens
    for _ in range(5):
        with pytest.raises(CredentialError, match="AADSTS700016"):
            await tokens.token(SCOPE)
    assert len(entra.audit) == 1
    clock.advance(seconds=6)
    with pytest.raises(CredentialError, match="AADSTS700016"):
        await tokens.token(SCOPE)
    assert len(entra.audit) == 2


async def test_throttling_for_longer_than_anyone_waits_is_remembered(
    open_with: OpenAccounts, entra: EntraServer, stored_secret: str, clock: StoppedClock
) -> None:
    tokens = open_with().tokens
    entra.faults.answers.add(Fault(status=429, retry_after=120))
    with pytest.raises(CredentialUnavailableError) as caught:
        await tokens.token(SCOPE)
    assert caught.value.retry_after == 120
    assert len(entra.audit) == 1
    clock.advance(seconds=119)
    with pytest.raises(CredentialUnavailableError):
        await tokens.token(SCOPE)
    assert len(entra.audit) == 1
    clock.advance(seconds=2)
    assert (await tokens.token(SCOPE)).value


async def test_a_cancelled_first_caller_leaves_the_others_their_token(
    open_with: OpenAccounts, entra: EntraServer, stored_secret: str
) -> None:
    tokens = open_with().tokens
    callers = [asyncio.create_task(tokens.token(SCOPE)) for _ in range(3)]
    await asyncio.sleep(0.02)
    callers[0].cancel()
    second, third = await asyncio.gather(*callers[1:])
    assert second is third
    with pytest.raises(asyncio.CancelledError):
        await callers[0]
    assert issued(entra) == 1


async def test_closing_ends_a_fetch_under_way_with_an_error(
    open_with: OpenAccounts, vault: KeyVaultServer, stored_secret: str
) -> None:
    accounts = open_with()
    vault.faults.add(Fault(action="hang"))
    caller = asyncio.create_task(accounts.tokens.token(SCOPE))
    await eventually(lambda: vault.requests["fault"] > 0)
    await accounts.aclose()
    with pytest.raises(CredentialUnavailableError, match="being closed"):
        await caller


async def test_no_secret_or_token_is_shown_anywhere(
    open_with: OpenAccounts,
    directory: Directory,
    stored_secret: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    accounts = open_with()
    token = await accounts.tokens.token(SCOPE)
    identity_token = await accounts.credential.get_token("https://vault.azure.net/.default")
    directory.change_app(APP_CLIENT_ID, secrets=())
    with pytest.raises(CredentialError, match="AADSTS7000215") as caught:
        await accounts.tokens.token(SCOPE, rejected=token)
    shown = "\n".join(
        [
            caplog.text,
            *(repr(record.__dict__) for record in caplog.records),
            whole_text(caught.value),
            repr(accounts),
            repr(token),
            repr(AccessToken(token.value, token.expires_at)),
        ]
    )
    for hidden in (stored_secret, token.value, identity_token.token):
        assert hidden not in shown
        assert hidden.rpartition(".")[2] not in shown


async def test_the_identitys_assertion_is_shown_nowhere_either(
    open_with: OpenAccounts, directory: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    accounts = open_with("federated")
    token = await accounts.tokens.token(SCOPE)
    assertion = await accounts.credential.get_token("api://AzureADTokenExchange/.default")
    directory.change_app(APP_CLIENT_ID, federated_credentials=())
    with pytest.raises(CredentialError) as caught:
        await accounts.tokens.token(SCOPE, rejected=token)
    records = "".join(repr(record.__dict__) for record in caplog.records)
    shown = caplog.text + records + whole_text(caught.value)
    assert assertion.token not in shown
    assert token.value not in shown
