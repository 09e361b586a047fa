"""The whole waiting line in simulated time: queues, listeners, gate, governor, instances."""

import asyncio
from collections import Counter
from itertools import pairwise

import pytest

from bench.quota import RATE, Fleet, Run, simulate, waits

ONE = ("billing@contoso.test",)
SIX = tuple(f"sender-{number}@contoso.test" for number in range(6))
INTERVAL = 2.01


def used(run: Run, pool: tuple[str, ...], begin: float, end: float) -> float:
    """The part of the slots between two minutes that was used."""
    sent = sum(begin * 60 <= at < end * 60 for at, _, _ in run.server.taken)
    return sent / (RATE * len(pool) * (end - begin))


def check_bounds(run: Run) -> None:
    assert run.server.over_limit == run.server.throttled == 0
    assert len({message.number for _, _, message in run.server.taken}) == run.sent  # none twice
    assert sum(run.passes) / run.sent < 1.5


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("instances", [1, 2, 3])
@pytest.mark.parametrize("pool", [ONE, SIX], ids=len)
def test_a_backlog_uses_every_slot_and_an_urgent_message_overtakes_it(
    pool: tuple[str, ...], instances: int, seed: int
) -> None:
    async def feed(fleet: Fleet) -> None:
        await fleet.accept("normal", 400 * len(pool))
        while True:
            await asyncio.sleep(fleet.random.uniform(15, 25))
            await fleet.accept("high", 1)

    run = simulate(feed, pool=pool, instances=instances, minutes=8, seed=seed)
    check_bounds(run)
    # Where instances share a pool of some mailboxes, each sees a little late what the others leave.
    assert used(run, pool, 1, 8) >= (0.99 if len(pool) == 1 or instances == 1 else 0.97)
    urgent = waits(run, "high")
    assert urgent[len(urgent) * 9 // 10] <= 3 * INTERVAL
    assert urgent[-1] <= 4 * INTERVAL
    if len(pool) == 1 and instances == 1:
        assert sum(run.costs().values()) <= 9.25


@pytest.mark.parametrize("instances", [1, 3])
def test_lanes_that_all_wait_share_as_their_weights_do(instances: int) -> None:
    async def feed(fleet: Fleet) -> None:
        for lane in ("normal", "low", "high"):
            await fleet.accept(lane, 400)
        await asyncio.Event().wait()

    run = simulate(feed, pool=ONE, instances=instances, minutes=12, seed=3)
    check_bounds(run)
    assert used(run, ONE, 1, 12) >= 0.99
    lanes = Counter(message.lane for at, _, message in run.server.taken if at >= 60)
    total = lanes.total()
    assert lanes["high"] / total == pytest.approx(12 / 16, abs=0.1)
    assert 0.02 <= lanes["low"] / total <= 0.12
    lows = [at for at, _, message in run.server.taken if message.lane == "low"]
    assert max(later - at for at, later in pairwise(lows)) < 240


@pytest.mark.parametrize("instances", [1, 3])
def test_places_that_were_left_by_cancelled_messages_are_filled(instances: int) -> None:
    async def feed(fleet: Fleet) -> None:
        await fleet.accept("normal", 400)
        for message in fleet.instances[0].post.messages[::33]:
            message.cancelled = True
        await asyncio.Event().wait()

    run = simulate(feed, pool=ONE, instances=instances, minutes=9, seed=4)
    assert used(run, ONE, 1, 9) >= 0.985


def test_everything_is_sent_in_the_end() -> None:
    async def feed(fleet: Fleet) -> None:
        for lane in ("low", "normal", "low"):
            await fleet.accept(lane, 60)
        await asyncio.Event().wait()

    run = simulate(feed, pool=ONE, instances=3, minutes=9, seed=5)
    check_bounds(run)
    assert run.sent == 180
    assert run.server.taken[-1][0] <= 180 * INTERVAL + 60
