"""The delegated flow: refresh tokens that rotate, kept in Key Vault by several instances."""

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.contoso import IDENTITY_PRINCIPAL_ID
from local.entra import EntraServer
from local.faults import Fault
from local.keyvault import KeyVaultServer, VaultRole
from shared.accounts.delegated import CacheState, merge_states, read_state, write_state
from shared.accounts.login import main, sign_in
from shared.errors import CredentialError, CredentialUnavailableError, SettingsError
from tests.accounts.conftest import (
    SECRET_NAME,
    MakeSettings,
    OpenAccounts,
    StoppedClock,
    whole_text,
)

SCOPE = "https://outlook.office365.com/.default"
BILLING = "billing@contoso.test"
ALERTS = "alerts@contoso.test"


class Person:
    """Types the code that `make login` shows into the sign-in page, after `seconds`."""

    def __init__(
        self, entra: EntraServer, user: str, *, accepts: bool = True, seconds: float = 0
    ) -> None:
        self._entra = entra
        self._path = f"approve?user={user}" if accepts else "decline"
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self.shown: list[str] = []

    def __call__(self, line: str) -> None:
        self.shown.append(line)
        if "enter the code" in line:
            code = line.partition("the code ")[2].split()[0]
            typing = asyncio.run_coroutine_threadsafe(self._type(code), self._loop)
            if not self._seconds:
                typing.result(5)  # so that the first look finds it done

    async def _type(self, code: str) -> None:
        await asyncio.sleep(self._seconds)
        url = f"{self._entra.url}/local/devicecode/{code}/{self._path}"
        async with aiohttp.ClientSession() as session, session.post(url) as answer:
            assert answer.status == 200


@pytest.fixture(autouse=True)
def officer(vault: KeyVaultServer) -> None:
    vault.access.assignments[IDENTITY_PRINCIPAL_ID] = VaultRole.OFFICER


def stored(vault: KeyVaultServer) -> CacheState:
    return read_state(vault.store.get(SECRET_NAME).value)


def refresh_tokens(state: CacheState) -> set[str]:
    return {entry["secret"] for entry in state["RefreshToken"].values()}


def versions(vault: KeyVaultServer) -> int:
    return len(vault.store.versions(SECRET_NAME))


@pytest.fixture
async def signed_in(make_settings: MakeSettings, entra: EntraServer) -> Person:
    person = Person(entra, BILLING)
    assert await sign_in(make_settings("delegated"), say=person) == BILLING
    return person


async def test_signing_in_shows_code_and_address_and_stores_the_cache(
    signed_in: Person, entra: EntraServer, vault: KeyVaultServer, make_settings: MakeSettings
) -> None:
    shown = "\n".join(signed_in.shown)
    assert f"Open {entra.url}/local/devicecode" in shown
    assert f"Signed in as {BILLING}." in shown
    secret = vault.store.get(SECRET_NAME)
    assert secret.content_type == "application/vnd.mailroom.token-cache+json"
    assert secret.expires_on == pytest.approx(
        (datetime.now(UTC) + timedelta(days=90)).timestamp(), abs=60
    )
    state = json.loads(secret.value)
    assert sorted(state) == ["Account", "AppMetadata", "RefreshToken"]
    assert not any(token in shown for token in refresh_tokens(state))


async def test_a_slow_person_is_waited_for(make_settings: MakeSettings, entra: EntraServer) -> None:
    person = Person(entra, ALERTS, seconds=0.5)
    assert await sign_in(make_settings("delegated"), say=person) == ALERTS
    assert entra.requests["devicecode"] == 1
    assert [entry.outcome for entry in entra.audit] == ["AADSTS70016", "issued"]


async def test_a_signed_in_users_token_is_delegated_and_its_rotation_is_written_back(
    signed_in: Person, open_with: OpenAccounts, entra: EntraServer, vault: KeyVaultServer
) -> None:
    before = refresh_tokens(stored(vault))
    token = await open_with("delegated").tokens.token(SCOPE, mailbox=BILLING)
    claims = entra.keys.verify(token.value)
    assert claims["aud"] == "https://outlook.office.com"
    assert claims["scp"] == "SMTP.Send"
    assert claims["upn"] == BILLING
    assert versions(vault) == 2
    assert refresh_tokens(stored(vault)).isdisjoint(before)


async def test_parallel_sessions_of_a_mailbox_rotate_once(
    signed_in: Person, open_with: OpenAccounts, vault: KeyVaultServer
) -> None:
    tokens = open_with("delegated").tokens
    got = await asyncio.gather(*(tokens.token(SCOPE, mailbox=BILLING) for _ in range(10)))
    assert len({token.value for token in got}) == 1
    assert versions(vault) == 2


async def test_a_refused_token_is_not_given_again_from_msals_cache(
    signed_in: Person, open_with: OpenAccounts, entra: EntraServer
) -> None:
    tokens = open_with("delegated").tokens
    first = await tokens.token(SCOPE, mailbox=BILLING)
    second = await tokens.token(SCOPE, mailbox=BILLING, rejected=first)
    assert second.value != first.value


async def test_each_mailbox_has_its_own_users_token_and_delegates_share_one(
    signed_in: Person,
    open_with: OpenAccounts,
    make_settings: MakeSettings,
    entra: EntraServer,
    vault: KeyVaultServer,
) -> None:
    shared_mailbox = await open_with("delegated").tokens.token(SCOPE, mailbox="info@contoso.test")
    assert entra.keys.verify(shared_mailbox.value)["upn"] == BILLING
    await sign_in(make_settings("delegated"), say=Person(entra, ALERTS))
    assert len(stored(vault)["Account"]) == 2
    tokens = open_with("delegated").tokens
    for mailbox in (BILLING, ALERTS.upper()):
        token = await tokens.token(SCOPE, mailbox=mailbox)
        assert entra.keys.verify(token.value)["upn"] == mailbox.lower()
    with pytest.raises(CredentialError, match="Nobody is signed in for the mailbox info@"):
        await tokens.token(SCOPE, mailbox="info@contoso.test")


async def test_replacing_forgets_who_signed_in_before(
    signed_in: Person, make_settings: MakeSettings, entra: EntraServer, vault: KeyVaultServer
) -> None:
    await sign_in(make_settings("delegated"), say=Person(entra, ALERTS), replace=True)
    (account,) = stored(vault)["Account"].values()
    assert account["username"] == ALERTS


async def test_two_instances_rotate_one_after_the_other(
    signed_in: Person,
    open_with: OpenAccounts,
    entra: EntraServer,
    clock: StoppedClock,
) -> None:
    one, other = open_with("delegated").tokens, open_with("delegated").tokens
    for _ in range(3):
        for tokens in (one, other):
            token = await tokens.token(SCOPE, mailbox=BILLING)
            assert entra.keys.verify(token.value)["upn"] == BILLING
        clock.advance(minutes=61)


async def test_a_refresh_token_that_another_instance_has_used_up_is_looked_for_in_key_vault(
    signed_in: Person, open_with: OpenAccounts, entra: EntraServer, clock: StoppedClock
) -> None:
    entra.grants.refresh_tokens.grace = timedelta(0)  # a used refresh token is refused at once
    one, other = open_with("delegated").tokens, open_with("delegated").tokens
    await one.token(SCOPE, mailbox=BILLING)
    await other.token(SCOPE, mailbox=BILLING)
    clock.advance(minutes=51)
    await one.token(SCOPE, mailbox=BILLING)
    assert [entry.outcome for entry in entra.audit if entry.grant == "refresh_token"] == [
        "issued",
        "issued",
        "AADSTS70008",
        "issued",
    ]


async def test_a_vault_that_is_away_costs_no_token_and_the_rotation_is_written_later(
    signed_in: Person,
    open_with: OpenAccounts,
    vault: KeyVaultServer,
    clock: StoppedClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tokens = open_with("delegated").tokens
    await tokens.token(SCOPE, mailbox=BILLING)
    kept = refresh_tokens(stored(vault))
    await vault.stop()
    clock.advance(minutes=51)
    assert (await tokens.token(SCOPE, mailbox=BILLING)).value
    assert "could not be written to Key Vault" in caplog.text
    assert refresh_tokens(stored(vault)) == kept
    await vault.start()
    clock.advance(minutes=51)
    assert (await tokens.token(SCOPE, mailbox=BILLING)).value
    assert refresh_tokens(stored(vault)).isdisjoint(kept)


async def test_a_missing_role_costs_no_token_and_is_named(
    signed_in: Person,
    open_with: OpenAccounts,
    vault: KeyVaultServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    vault.access.assignments[IDENTITY_PRINCIPAL_ID] = VaultRole.USER
    assert (await open_with("delegated").tokens.token(SCOPE, mailbox=BILLING)).value
    assert "Key Vault Secrets Officer" in caplog.text


@pytest.mark.usefixtures("signed_in")
async def test_a_login_during_a_rotation_is_kept(
    open_with: OpenAccounts,
    make_settings: MakeSettings,
    entra: EntraServer,
    vault: KeyVaultServer,
    clock: StoppedClock,
) -> None:
    tokens = open_with("delegated").tokens
    await tokens.token(SCOPE, mailbox=BILLING)
    await sign_in(make_settings("delegated"), say=Person(entra, ALERTS))
    clock.advance(minutes=51)
    before = stored(vault)
    await tokens.token(SCOPE, mailbox=BILLING)  # from memory: it has not seen the new sign-in
    after = stored(vault)
    assert set(after["Account"]) == set(before["Account"])
    assert len(refresh_tokens(after) & refresh_tokens(before)) == 1
    assert (await tokens.token(SCOPE, mailbox=ALERTS)).value


async def test_a_revoked_sign_in_asks_for_a_new_one_and_takes_it_up(
    signed_in: Person,
    open_with: OpenAccounts,
    make_settings: MakeSettings,
    entra: EntraServer,
    clock: StoppedClock,
) -> None:
    tokens = open_with("delegated").tokens
    entra.grants.refresh_tokens.revoke(BILLING, datetime.now(UTC) + timedelta(seconds=1))
    for _ in range(10):
        with pytest.raises(CredentialError, match="AADSTS50173") as caught:
            await tokens.token(SCOPE, mailbox=BILLING)
        clock.advance(seconds=2)
    assert "make login" in caught.value.fix
    assert entra.requests["refresh_token"] <= 2
    await asyncio.sleep(1.1)
    await sign_in(make_settings("delegated"), say=Person(entra, BILLING))
    clock.advance(seconds=6)
    assert (await tokens.token(SCOPE, mailbox=BILLING)).value


@pytest.mark.usefixtures("signed_in")
async def test_one_users_revoked_sign_in_is_not_held_against_another(
    open_with: OpenAccounts, make_settings: MakeSettings, entra: EntraServer, clock: StoppedClock
) -> None:
    await sign_in(make_settings("delegated"), say=Person(entra, ALERTS))
    tokens = open_with("delegated").tokens
    entra.grants.refresh_tokens.revoke(ALERTS, datetime.now(UTC) + timedelta(seconds=1))
    with pytest.raises(CredentialError, match="AADSTS50173"):
        await tokens.token(SCOPE, mailbox=ALERTS)
    assert (await tokens.token(SCOPE, mailbox=BILLING)).value


async def test_nobody_signed_in_yet(open_with: OpenAccounts) -> None:
    with pytest.raises(CredentialError, match="Nobody has signed in yet") as caught:
        await open_with("delegated").tokens.token(SCOPE, mailbox=BILLING)
    assert "make login" in caught.value.fix


@pytest.mark.parametrize("content", ["not json", "[]", '{"Account": 7}', '{"Account": [1]}'])
async def test_a_secret_that_is_no_token_cache_is_told_so(
    open_with: OpenAccounts, vault: KeyVaultServer, content: str
) -> None:
    vault.store.set(SECRET_NAME, content)
    with pytest.raises(CredentialError, match="holds no token cache"):
        await open_with("delegated").tokens.token(SCOPE, mailbox=BILLING)


async def test_an_outage_of_entra_is_not_taken_for_a_lost_sign_in(
    signed_in: Person, open_with: OpenAccounts, entra: EntraServer, vault: KeyVaultServer
) -> None:
    entra.faults.answers.add(Fault(status=503, times=3))
    with pytest.raises(CredentialUnavailableError):
        await open_with("delegated").tokens.token(SCOPE, mailbox=BILLING)
    assert versions(vault) == 1


async def test_no_refresh_token_is_shown_anywhere(
    make_settings: MakeSettings,
    open_with: OpenAccounts,
    entra: EntraServer,
    vault: KeyVaultServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    person = Person(entra, BILLING)
    await sign_in(make_settings("delegated"), say=person)
    hidden = refresh_tokens(stored(vault))
    tokens = open_with("delegated").tokens
    token = await tokens.token(SCOPE, mailbox=BILLING)
    hidden |= refresh_tokens(stored(vault)) | {token.value}
    entra.grants.refresh_tokens.revoke(BILLING, datetime.now(UTC) + timedelta(seconds=1))
    with pytest.raises(CredentialError) as caught:
        await tokens.token(SCOPE, mailbox=BILLING, rejected=token)
    records = "".join(repr(record.__dict__) for record in caplog.records)
    shown = "".join(person.shown) + caplog.text + records + whole_text(caught.value)
    assert len(hidden) == 3
    assert not [value for value in hidden if value in shown]


async def test_a_declined_sign_in_stores_nothing(
    make_settings: MakeSettings, entra: EntraServer, vault: KeyVaultServer
) -> None:
    with pytest.raises(CredentialError, match="The user declined"):
        await sign_in(make_settings("delegated"), say=Person(entra, BILLING, accepts=False))
    assert versions(vault) == 0


async def test_an_interrupted_sign_in_ends_its_polling(
    make_settings: MakeSettings, entra: EntraServer
) -> None:
    shown: list[str] = []
    waiting = asyncio.create_task(sign_in(make_settings("delegated"), say=shown.append))
    async with asyncio.timeout(5):
        while entra.requests["devicecode"] == 0:
            await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(1.2)
    polled = sum(entra.requests.values())
    await asyncio.sleep(1.2)
    assert sum(entra.requests.values()) == polled


async def test_a_missing_role_shows_before_anyone_types_a_code(
    make_settings: MakeSettings, entra: EntraServer, vault: KeyVaultServer
) -> None:
    vault.access.assignments.clear()
    with pytest.raises(CredentialError, match="refuses the app's identity"):
        await sign_in(make_settings("delegated"), say=Person(entra, BILLING))
    assert entra.requests["devicecode"] == 0


async def test_other_credentials_need_no_sign_in(make_settings: MakeSettings) -> None:
    with pytest.raises(SettingsError, match="nobody needs to sign in"):
        await sign_in(make_settings("federated"))


def test_the_command_names_missing_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MAILROOM_TENANT_ID", raising=False)
    assert main([]) == 1
    assert "MAILROOM_TENANT_ID is missing" in capsys.readouterr().err


async def test_a_full_cache_names_the_way_out(
    make_settings: MakeSettings, entra: EntraServer, vault: KeyVaultServer
) -> None:
    accounts = {str(n): {"username": f"{n}@contoso.test", "pad": "x" * 850} for n in range(27)}
    vault.store.set(SECRET_NAME, write_state({"Account": accounts}))
    with pytest.raises(CredentialError, match="longer than 25000 bytes") as caught:
        await sign_in(make_settings("delegated"), say=Person(entra, BILLING))
    assert "--replace" in caught.value.fix
    await sign_in(make_settings("delegated"), say=Person(entra, BILLING), replace=True)
    assert len(stored(vault)["Account"]) == 1


entries = st.dictionaries(st.sampled_from("abc"), st.integers(0, 3).map(lambda n: {"secret": n}))


@given(base=entries, ours=entries, theirs=entries)
def test_merging_loses_no_writers_change(
    base: dict[str, dict[str, int]],
    ours: dict[str, dict[str, int]],
    theirs: dict[str, dict[str, int]],
) -> None:
    merged = merge_states(*({"RefreshToken": state} for state in (base, ours, theirs)))
    for key in base.keys() | ours.keys() | theirs.keys():
        we_changed = key in ours and ours[key] != base.get(key)
        they_changed = theirs.get(key) != base.get(key)
        expected = ours[key] if we_changed and not they_changed else theirs.get(key)
        assert merged["RefreshToken"].get(key) == expected
