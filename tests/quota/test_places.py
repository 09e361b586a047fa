"""Places: shares of the lanes, spread over the pool, and nothing written where nobody waits."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.virtual import run_virtual, virtual_now
from shared.quota.places import AGAIN, EARLY, GROUPS, HORIZON, PERIOD, SURPLUS, Calendar, Group
from tests.quota.processes import A, B, Processes, unavailable

NOW = 1_700_000_000.0 // PERIOD * PERIOD
INTERVAL = 2.0


def place_all(lanes: Sequence[Group], calendar: Calendar | None = None) -> list[float]:
    """Places of messages that all come at once, in this order; seconds from now."""
    calendar, found = calendar or Calendar(), []
    for lane in lanes:
        entry = calendar.find(lane, NOW, INTERVAL)
        calendar.enter(entry)
        found.append(entry.at - NOW)
    return found


def due(places: Sequence[float], until: float) -> int:
    return sum(place < until for place in places)


GROUPED = st.lists(st.sampled_from(GROUPS), max_size=300)


def test_a_lane_alone_gets_every_slot_and_a_few_more_messages() -> None:
    for lane in ("high", "normal", "low"):
        places = place_all([lane] * 600)
        assert places == sorted(places)
        assert due(places, 600) == pytest.approx(600 / INTERVAL * SURPLUS, abs=2)


def test_normal_goes_before_a_night_of_bulk_and_urgent_ones_before_both() -> None:
    calendar = Calendar()
    place_all(["low"] * 5000, calendar)
    normal = place_all(["normal"] * 500, calendar)
    assert due(normal, 600) == pytest.approx(600 / INTERVAL * SURPLUS * 3 / 4, rel=0.05)
    high = place_all(["high"] * 300, calendar)
    assert due(high, 300) == pytest.approx(300 / INTERVAL * SURPLUS * 3 / 4, rel=0.05)


def test_bulk_has_its_share_beside_any_number_of_normal_ones() -> None:
    calendar = Calendar()
    place_all(["normal"] * 5000, calendar)
    low = place_all(["low"] * 300, calendar)
    assert due(low, 1200) == pytest.approx(1200 / INTERVAL * SURPLUS / 4, rel=0.05)


def test_what_got_no_slot_fills_what_is_empty_and_has_a_little_of_the_rest() -> None:
    calendar = Calendar()
    place_all(["normal"] * 3000, calendar)
    again = place_all(["again"] * 60, calendar)
    assert due(again, 600) == pytest.approx(600 / INTERVAL * SURPLUS * AGAIN, rel=0.2)
    for period in range(int(NOW // PERIOD) + 10, int(NOW // PERIOD) + 14):
        calendar.periods[period][1] = 0.0  # they were cancelled
    filled = place_all(["again"] * 60, calendar)
    assert sum(300 <= place < 420 for place in filled) >= 50


@given(GROUPED)
def test_no_period_takes_more_than_its_slots_and_the_shares(groups: list[Group]) -> None:
    calendar = Calendar()
    place_all(groups, calendar)
    slots = PERIOD / INTERVAL * SURPLUS
    assert all(sum(counts) <= 4 * (slots + 1) for counts in calendar.periods.values())
    assert sum(sum(counts) for counts in calendar.periods.values()) == len(groups)


@given(GROUPED)
def test_a_calendar_comes_back_from_storage_as_it_was(groups: list[Group]) -> None:
    calendar = Calendar()
    place_all(groups, calendar)
    back = Calendar.decode(calendar.encode())
    assert back.periods == calendar.periods


def test_what_is_over_is_forgotten() -> None:
    calendar = Calendar()
    place_all(["normal"] * 100, calendar)
    assert min(calendar.without_past(NOW + 65).periods) == int(NOW // PERIOD) + 2
    assert calendar.without_past(NOW + 3600).encode() == ""


def test_the_longest_line_fits_into_a_row() -> None:
    """20 hours of 40 mailboxes; a property has 32 Ki characters at most."""
    calendar = Calendar()
    first = int(NOW // PERIOD)
    calendar.periods = {first + n: [0.0, 625.0, 157.0, 48.0, 0.0] for n in range(HORIZON)}
    assert place_all(["low"], calendar)[0] >= 0
    assert len(calendar.encode()) < 32 * 1024


def ahead(at: datetime) -> float:
    return (at - virtual_now()).total_seconds()


def test_in_light_load_everything_goes_at_once_and_nothing_is_written() -> None:
    async def main() -> None:
        processes = Processes()
        governor = processes.start()
        for _ in range(20):
            assert ahead(await governor.place([A], "normal")) <= 0.0
            await asyncio.sleep(10)
        assert processes.table.transactions["write"] == 0

    run_virtual(main)


@pytest.mark.parametrize("pool", [1, 4, 20])
def test_a_pool_of_n_goes_n_times_as_fast(pool: int) -> None:
    async def main() -> None:
        governor = Processes().start()
        boxes = [f"m{n}@contoso.test" for n in range(pool)]
        places = await governor.places(boxes, "normal", 1000)
        assert ahead(places[-1]) == pytest.approx(999 * 2.01 / pool / SURPLUS - EARLY, abs=5)

    run_virtual(main)


def test_after_an_idle_time_a_message_goes_at_once() -> None:
    async def main() -> None:
        governor = Processes().start()
        places = await governor.places([A], "normal", 100)
        await asyncio.sleep(ahead(places[-1]) + 60)
        assert ahead(await governor.place([A], "normal")) <= 0.0

    run_virtual(main)


def test_processes_place_after_each_other() -> None:
    async def main() -> None:
        processes = Processes()
        governors = [processes.start() for _ in range(3)]
        for n in range(300):
            await governors[n % 3].place([A, B], "normal")
            await asyncio.sleep(0.02)
        await asyncio.sleep(11)
        last = ahead(await governors[0].place([A, B], "normal"))
        # 50 a second, each process seeing the others' after some seconds: a few share their places.
        assert last == pytest.approx(300 * 2.01 / 2 / SURPLUS - 17 - EARLY, rel=0.3)
        assert processes.table.transactions["write"] < 200

    run_virtual(main)


def test_a_pool_with_a_paused_mailbox_is_slower_by_it() -> None:
    async def main() -> None:
        governor = Processes().start()
        await governor.pause(A, kind="restricted", reason="spam", fix="")
        places = await governor.places([A, B], "normal", 100)
        assert ahead(places[-1]) == pytest.approx(99 * 2.01 / SURPLUS - EARLY, abs=5)

    run_virtual(main)


def test_the_same_mailboxes_in_another_order_are_the_same_pool() -> None:
    async def main() -> None:
        governor = Processes().start()
        await governor.places([A, B], "normal", 100)
        assert ahead(await governor.place([B.upper(), A], "normal")) > 90

    run_virtual(main)


def test_without_storage_there_are_places_all_the_same() -> None:
    async def main() -> None:
        governor = Processes().start(fault=unavailable)
        places = await governor.places([A], "normal", 50)
        assert ahead(places[-1]) == pytest.approx(49 * 2.01 / SURPLUS - EARLY, abs=5)
        assert places == sorted(places)
        assert places[0] - virtual_now() <= timedelta(0)

    run_virtual(main)
