"""Single flight and the memory of failures."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.accounts.flights import Backoff, Flights
from shared.errors import CredentialError, CredentialUnavailableError

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def test_an_error_reaches_everyone_and_the_next_call_starts_anew() -> None:
    flights = Flights()
    runs = 0

    async def fail() -> int:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0)
        raise CredentialError("no")

    outcomes = await asyncio.gather(
        *(flights.join("key", fail) for _ in range(5)), return_exceptions=True
    )
    assert [str(outcome) for outcome in outcomes] == ["no"] * 5
    assert runs == 1
    with pytest.raises(CredentialError):
        await flights.join("key", fail)
    assert runs == 2


async def test_work_goes_on_when_all_callers_have_gone() -> None:
    flights = Flights()
    done = asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.set()

    caller = asyncio.create_task(flights.join("key", work))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await asyncio.wait_for(done.wait(), 1)


async def test_closing_tells_who_waits() -> None:
    flights = Flights()
    caller = asyncio.create_task(flights.join("key", lambda: asyncio.sleep(10)))
    await asyncio.sleep(0)
    await flights.aclose()
    with pytest.raises(CredentialUnavailableError, match="being closed"):
        await caller


@given(
    failures=st.integers(1, 40),
    chance=st.floats(0, 1),
    retry_after=st.none() | st.floats(0, 10_000),
    growing=st.booleans(),
)
def test_pauses_grow_within_bounds_and_never_undercut_what_was_asked(
    failures: int, chance: float, retry_after: float | None, *, growing: bool
) -> None:
    backoff = Backoff(5.0, 300.0, lambda: chance)
    error = CredentialUnavailableError("away", retry_after=retry_after)
    for failure in range(failures):
        pause = backoff.fail(NOW, error, growing=growing)
        longest = min(300.0, 5.0 * 2**failure) if growing else 5.0
        assert pause >= (retry_after or 0)
        assert longest / 2 <= pause <= max(longest, retry_after or 0)
    assert backoff.refusal(NOW) is (error if pause else None)
    assert backoff.refusal(NOW + timedelta(seconds=pause + 0.001)) is None
    backoff.clear()
    assert backoff.refusal(NOW) is None
