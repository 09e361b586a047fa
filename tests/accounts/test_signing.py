"""Keys from a real vault over HTTPS: rotation, outages, and what is never told."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.faults import Fault
from local.keyvault import KeyVaultServer
from shared.accounts.signing import MESSAGE_ID, UNSUBSCRIBE, Signing
from shared.errors import CredentialUnavailableError
from tests.accounts.conftest import OpenAccounts, StoppedClock

NAME = "mailroom-signing-key"
OLD, NEW = "o" * 40, "n" * 40

type OpenSigning = Callable[[], Signing]


@pytest.fixture
def signing(open_with: OpenAccounts, vault: KeyVaultServer, clock: StoppedClock) -> OpenSigning:
    """Opens the signing of one process. Versions are told apart by when they were stored."""
    vault.store._clock = clock
    return lambda: Signing(open_with().vault, NAME, clock=clock, chance=lambda: 1.0)


def reads(vault: KeyVaultServer) -> int:
    return vault.requests["versions"]


async def test_all_enabled_keys_verify_and_the_newest_signs(
    signing: OpenSigning, vault: KeyVaultServer, clock: StoppedClock
) -> None:
    vault.store.set(NAME, OLD)
    by_old = await signing().sign(MESSAGE_ID, "order.77")
    assert by_old is not None
    assert by_old.startswith("order.77.")
    clock.advance(seconds=2)
    old = vault.store.get(NAME)
    vault.store.set(NAME, NEW)
    rotated = signing()
    by_new = await rotated.sign(MESSAGE_ID, "order.77")
    assert by_new not in {None, by_old}
    for signed in (by_old, by_new):
        assert await rotated.verify(MESSAGE_ID, str(signed)) == "order.77"
        assert await rotated.verify(UNSUBSCRIBE, str(signed)) is None
    vault.store.disable(NAME, old.version)
    assert await signing().verify(MESSAGE_ID, by_old) is None


async def test_a_signature_of_a_newer_key_makes_the_keys_be_read_again_but_not_without_end(
    signing: OpenSigning, vault: KeyVaultServer, clock: StoppedClock
) -> None:
    vault.store.set(NAME, OLD)
    slow = signing()
    assert await slow.sign(MESSAGE_ID, "a") is not None
    clock.advance(seconds=61)
    vault.store.set(NAME, NEW)
    fresh = await signing().sign(MESSAGE_ID, "a")
    before = reads(vault)
    assert await slow.verify(MESSAGE_ID, str(fresh)) == "a"
    assert reads(vault) == before + 1
    for number in range(50):
        assert await slow.verify(MESSAGE_ID, f"a.forged{number}") is None
    assert reads(vault) == before + 1


async def test_keys_are_read_once_an_hour_and_once_for_all(
    signing: OpenSigning, vault: KeyVaultServer, clock: StoppedClock
) -> None:
    vault.store.set(NAME, OLD)
    one = signing()
    signed = await asyncio.gather(*(one.sign(MESSAGE_ID, "a") for _ in range(20)))
    assert len(set(signed)) == 1
    clock.advance(minutes=59)
    await one.sign(MESSAGE_ID, "a")
    assert reads(vault) == 1
    clock.advance(minutes=2)
    await one.sign(MESSAGE_ID, "a")
    assert reads(vault) == 2


async def test_the_last_good_keys_are_used_while_key_vault_is_away(
    signing: OpenSigning,
    vault: KeyVaultServer,
    clock: StoppedClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    vault.store.set(NAME, OLD)
    one = signing()
    signed = await one.sign(MESSAGE_ID, "a")
    await vault.stop()
    clock.advance(hours=2)
    assert await one.sign(MESSAGE_ID, "a") == signed
    assert await one.verify(MESSAGE_ID, str(signed)) == "a"
    assert await one.verify(MESSAGE_ID, f"{signed}x") is None
    assert OLD not in caplog.text
    assert OLD not in repr(one)
    assert "last good" in caplog.text


async def test_mail_does_not_wait_for_a_key_but_a_report_does(
    signing: OpenSigning, vault: KeyVaultServer, clock: StoppedClock
) -> None:
    vault.store.set(NAME, OLD)
    vault.faults.add(Fault(status=503, times=None))
    one = signing()
    assert await one.sign(MESSAGE_ID, "a") is None
    with pytest.raises(CredentialUnavailableError):
        await one.verify(MESSAGE_ID, "a.b")
    vault.faults.clear()
    clock.advance(minutes=6)
    assert await one.sign(MESSAGE_ID, "a") is not None


@pytest.mark.parametrize("value", [None, "short"])
async def test_without_a_key_nothing_is_signed_and_nothing_verifies(
    signing: OpenSigning, vault: KeyVaultServer, value: str | None
) -> None:
    if value is not None:
        vault.store.set(NAME, value)
    one = signing()
    assert await one.sign(MESSAGE_ID, "a") is None
    assert await one.verify(MESSAGE_ID, "a.b") is None


async def test_without_a_vault_nothing_is_signed(clock: StoppedClock) -> None:
    none = Signing(None, NAME, clock=clock)
    assert await none.sign(MESSAGE_ID, "a") is None
    assert await none.verify(MESSAGE_ID, "a.b") is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(max_size=100), place=st.integers(0, 100), letter=st.characters())
def test_no_random_or_mutated_text_verifies(text: str, place: int, letter: str) -> None:
    from shared.accounts.signing import _signer, _verified

    keys = (OLD, NEW)
    good = _signer(keys, MESSAGE_ID).sign("order-77").decode()
    assert _verified(keys, MESSAGE_ID, good) == "order-77"
    assert _verified(keys, MESSAGE_ID, text) is None
    mutated = good[:place] + letter + good[place + 1 :]
    # The last letter of base64 has bits that mean nothing.
    if mutated != good and place < len(good) - 1:
        assert _verified(keys, MESSAGE_ID, mutated) is None


async def test_seals_open_with_every_enabled_key_for_their_purpose_alone(
    signing: OpenSigning, vault: KeyVaultServer, clock: StoppedClock
) -> None:
    vault.store.set(NAME, OLD)
    slow = signing()
    by_old = await slow.seal(UNSUBSCRIBE, b"ana@example.com")
    assert by_old is not None
    clock.advance(seconds=61)
    old = vault.store.get(NAME)
    vault.store.set(NAME, NEW)
    by_new = await signing().seal(UNSUBSCRIBE, b"ana@example.com")
    assert by_new not in {None, by_old}
    for sealed in (by_old, by_new or b""):
        assert b"ana" not in sealed
        assert await slow.unseal(UNSUBSCRIBE, sealed) == b"ana@example.com"
        assert await slow.unseal(MESSAGE_ID, sealed) is None
    vault.store.disable(NAME, old.version)
    assert await signing().unseal(UNSUBSCRIBE, by_old) is None
    assert await Signing(None, NAME, clock=clock).seal(UNSUBSCRIBE, b"x") is None
