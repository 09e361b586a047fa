"""Secrets from a real vault over HTTPS, with Microsoft's client."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from local.contoso import IDENTITY_PRINCIPAL_ID
from local.faults import Fault
from local.identity import ManagedIdentityServer
from local.keyvault import KeyVaultServer, VaultRole
from shared.accounts.identity import azure_credential
from shared.accounts.keyvault import LONGEST_VALUE, PATIENCE, KeyVault
from shared.errors import ConflictError, CredentialError, CredentialUnavailableError
from tests.accounts.conftest import MakeSettings, StoppedClock, eventually, whole_text

NAME = "a-secret"


@pytest.fixture
async def keyvault(
    vault: KeyVaultServer, make_settings: MakeSettings, clock: StoppedClock
) -> AsyncIterator[KeyVault]:
    credential = azure_credential(make_settings())
    opened = KeyVault(vault.url, credential, clock=clock)
    yield opened
    await opened.aclose()
    await credential.close()


def reads(vault: KeyVaultServer) -> int:
    return vault.requests["get"]


async def test_a_secret_is_read_once_and_kept_for_an_hour(
    keyvault: KeyVault, vault: KeyVaultServer, clock: StoppedClock
) -> None:
    vault.store.set(NAME, "one", content_type="text/plain")
    secrets = await asyncio.gather(*(keyvault.secret(NAME) for _ in range(20)))
    assert {secret.value for secret in secrets} == {"one"}
    assert secrets[0].content_type == "text/plain"
    clock.advance(minutes=59)
    vault.store.set(NAME, "two")
    assert (await keyvault.secret(NAME)).value == "one"
    assert reads(vault) == 1
    clock.advance(minutes=1)
    assert (await keyvault.secret(NAME)).value == "two"
    assert reads(vault) == 2


async def test_a_secret_about_to_expire_is_looked_after_each_minute(
    keyvault: KeyVault, vault: KeyVaultServer, clock: StoppedClock
) -> None:
    ends = clock() + timedelta(minutes=20)
    vault.store.set(NAME, "old", expires_on=int(ends.timestamp()))
    assert (await keyvault.secret(NAME)).expires_on == ends.replace(microsecond=0)
    clock.advance(minutes=9)
    await keyvault.secret(NAME)
    assert reads(vault) == 1
    clock.advance(minutes=1.1)
    await keyvault.secret(NAME)
    await keyvault.secret(NAME)
    assert reads(vault) == 2
    vault.store.set(NAME, "new")
    clock.advance(minutes=1)
    assert (await keyvault.secret(NAME)).value == "new"


async def test_a_secret_near_its_end_is_warned_of(
    keyvault: KeyVault,
    vault: KeyVaultServer,
    clock: StoppedClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ends = clock() + timedelta(days=29)
    vault.store.set(NAME, "old", expires_on=int(ends.timestamp()))
    await keyvault.secret(NAME)
    assert f"expires on {ends:%Y-%m-%d}" in caplog.text


async def test_refresh_reads_at_once_and_only_once_for_all(
    keyvault: KeyVault, vault: KeyVaultServer
) -> None:
    vault.store.set(NAME, "one")
    old = await keyvault.secret(NAME)
    vault.store.set(NAME, "two")
    newer = await asyncio.gather(*(keyvault.refresh(NAME, old) for _ in range(10)))
    assert {secret.value for secret in newer} == {"two"}
    assert (await keyvault.refresh(NAME, old)).value == "two"
    assert reads(vault) == 2


async def test_refreshing_in_vain_does_not_hammer_the_vault(
    keyvault: KeyVault, vault: KeyVaultServer, clock: StoppedClock
) -> None:
    vault.store.set(NAME, "one")
    old = await keyvault.secret(NAME)
    for _ in range(10):
        assert (await keyvault.refresh(NAME, old)) == old
    assert reads(vault) == 2
    clock.advance(seconds=2)
    await keyvault.refresh(NAME, old)
    assert reads(vault) == 3


async def test_the_last_good_value_is_used_while_the_vault_is_away(
    keyvault: KeyVault,
    vault: KeyVaultServer,
    clock: StoppedClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    vault.store.set(NAME, "good-value")
    await keyvault.secret(NAME)
    await vault.stop()
    clock.advance(hours=1)
    async with asyncio.timeout(10):
        assert (await keyvault.secret(NAME)).value == "good-value"
    async with asyncio.timeout(1):  # no second wait while the vault is left alone
        assert (await keyvault.secret(NAME)).value == "good-value"
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "last good value" in warning.getMessage()
    assert "good-value" not in repr(warning.__dict__)
    await vault.start()
    vault.store.set(NAME, "newer")
    clock.advance(minutes=6)
    assert (await keyvault.secret(NAME)).value == "newer"


async def test_refusals_leave_the_last_good_value_but_deletion_does_not(
    keyvault: KeyVault, vault: KeyVaultServer, clock: StoppedClock
) -> None:
    vault.store.set(NAME, "one")
    old = await keyvault.secret(NAME)
    vault.access.assignments.clear()
    clock.advance(hours=1)
    assert (await keyvault.secret(NAME)).value == "one"
    vault.access.assignments[IDENTITY_PRINCIPAL_ID] = VaultRole.USER
    vault.store.disable(NAME)
    with pytest.raises(CredentialError, match="is disabled"):
        await keyvault.refresh(NAME, old)
    with pytest.raises(CredentialError, match="is disabled"):
        await keyvault.secret(NAME)


def test_the_sdks_tries_fit_into_ten_seconds() -> None:
    assert PATIENCE < 10


@pytest.mark.parametrize(
    "fault",
    [
        Fault(action="hang", times=None),
        Fault(action="disconnect", times=None),
        Fault(status=500, times=None),
        Fault(status=429, retry_after=3600, times=None),  # nobody sits that out
    ],
)
async def test_a_cold_vault_that_fails_is_given_up_in_time(
    vault: KeyVaultServer, make_settings: MakeSettings, clock: StoppedClock, fault: Fault
) -> None:
    vault.store.set(NAME, "one")
    vault.faults.add(fault)
    async with azure_credential(make_settings()) as credential:
        keyvault = KeyVault(vault.url, credential, clock=clock, patience=0.5)
        async with asyncio.timeout(8):
            with pytest.raises(CredentialUnavailableError, match="cannot be used") as caught:
                await keyvault.secret(NAME)
        assert caught.value.code == "key_vault_unavailable"
        await keyvault.aclose()


async def test_a_short_trouble_is_not_noticed(keyvault: KeyVault, vault: KeyVaultServer) -> None:
    vault.store.set(NAME, "one")
    vault.faults.add(Fault(status=503))
    vault.faults.add(Fault(action="disconnect"))
    assert (await keyvault.secret(NAME)).value == "one"


async def test_a_cancelled_first_caller_leaves_the_others_their_secret(
    keyvault: KeyVault, vault: KeyVaultServer
) -> None:
    vault.store.set(NAME, "one")
    callers = [asyncio.create_task(keyvault.secret(NAME)) for _ in range(3)]
    await asyncio.sleep(0)
    callers[0].cancel()
    assert {(await caller).value for caller in callers[1:]} == {"one"}
    assert reads(vault) == 1


async def test_refusals_name_the_role_or_the_secret(
    keyvault: KeyVault, vault: KeyVaultServer, clock: StoppedClock
) -> None:
    with pytest.raises(CredentialError, match=f"no secret {NAME}") as missing:
        await keyvault.secret(NAME)
    assert "Create it" in missing.value.fix
    with pytest.raises(CredentialError, match="refuses the request") as unnamable:
        await keyvault.secret("no_underscores")
    assert "letters, digits, -" in unnamable.value.fix
    with pytest.raises(CredentialError) as unwritable:
        await keyvault.write(NAME, "x", content_type="text/plain")
    assert "Key Vault Secrets Officer" in unwritable.value.fix
    vault.access.assignments.clear()
    with pytest.raises(CredentialError) as unreadable:
        await keyvault.secret(NAME)
    assert "Key Vault Secrets User" in unreadable.value.fix


async def test_a_missing_identity_is_told_through_the_vault(
    keyvault: KeyVault, vault: KeyVaultServer, identity: ManagedIdentityServer
) -> None:
    identity.user_assigned = ()
    with pytest.raises(CredentialError, match="is assigned to the app") as caught:
        await keyvault.secret(NAME)
    assert "MAILROOM_IDENTITY_CLIENT_ID" in caught.value.fix


async def test_real_vaults_must_name_a_resource_of_their_own_domain(
    vault: KeyVaultServer, make_settings: MakeSettings, clock: StoppedClock
) -> None:
    local = KeyVault("https://localhost:1", azure_credential(make_settings()), clock=clock)
    real = KeyVault(
        "https://contoso.vault.usgovcloudapi.net", azure_credential(make_settings()), clock=clock
    )
    for opened, verified in ((local, False), (real, True)):
        policies = opened._open()._client._config.authentication_policy
        assert policies._verify_challenge_resource is verified
        await opened.aclose()


async def test_written_secrets_are_read_from_memory_and_versions_are_compared(
    keyvault: KeyVault, vault: KeyVaultServer, clock: StoppedClock
) -> None:
    vault.access.assignments[IDENTITY_PRINCIPAL_ID] = VaultRole.OFFICER
    ends = clock() + timedelta(days=90)
    first = await keyvault.write(
        NAME, "one", content_type="text/plain", replaces="", expires_on=ends
    )
    assert vault.store.get(NAME).expires_on == int(ends.timestamp())
    assert await keyvault.secret(NAME) == first
    assert vault.requests["set"] == 1
    second = await keyvault.write(NAME, "two", content_type="text/plain", replaces=first.version)
    vault.store.set(NAME, "another writer's")
    with pytest.raises(ConflictError, match="another writer"):
        await keyvault.write(NAME, "three", content_type="text/plain", replaces=second.version)
    assert vault.store.get(NAME).value == "another writer's"
    assert (await keyvault.secret(NAME)).value == "another writer's"


async def test_a_value_that_key_vault_cannot_hold_is_refused_before_it_is_sent(
    keyvault: KeyVault, vault: KeyVaultServer
) -> None:
    with pytest.raises(CredentialError, match="longer than 25000 bytes"):
        await keyvault.write(NAME, "é" * (LONGEST_VALUE // 2 + 1), content_type="text/plain")
    assert not vault.requests


async def test_no_value_is_shown_in_a_repr_a_log_or_an_error(
    keyvault: KeyVault, vault: KeyVaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vault.store.set(NAME, "hidden-value")
    secret = await keyvault.secret(NAME)
    with pytest.raises(CredentialError) as caught:
        await keyvault.write(NAME, "hidden-value", content_type="text/plain")
    records = "".join(repr(record.__dict__) for record in caplog.records)
    assert "hidden-value" not in repr(secret) + caplog.text + records + whole_text(caught.value)


async def test_closing_twice_is_fine(keyvault: KeyVault, vault: KeyVaultServer) -> None:
    vault.faults.add(Fault(action="hang"))
    caller = asyncio.create_task(keyvault.secret(NAME))
    await eventually(lambda: vault.requests["fault"] > 0)
    await keyvault.aclose()
    await keyvault.aclose()
    with pytest.raises(CredentialUnavailableError, match="being closed"):
        await caller
