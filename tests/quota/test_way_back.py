"""A mailbox that is set aside, and how it comes back."""

import asyncio
from datetime import timedelta

from bench.virtual import run_virtual, virtual_now
from shared.quota import Closed, Governor, Slot
from tests.quota.processes import A, B, Processes, ask, get, get_closed, slots


async def set_aside(governor: Governor, *, seconds_more: float = 0.5) -> None:
    """A is paused for half a minute, which passes."""
    until = await governor.pause(A, kind="service", reason="421 4.3.2", fix="Wait.")
    await asyncio.sleep((until - virtual_now()).total_seconds() + seconds_more)


def test_the_other_mailboxes_go_on() -> None:
    async def main() -> None:
        governor = Processes().start()
        await governor.pause(A, kind="throttled", reason="550 5.2.251", fix="Wait.")
        assert {s.mailbox for s in slots(await ask(governor, A, B, count=6))} == {B}
        closed = await get_closed(governor, A)
        assert closed.until - virtual_now() >= timedelta(minutes=29)
        assert (closed.reason, closed.fix) == ("550 5.2.251", "Wait.")

    run_virtual(main)


def test_all_mailboxes_closed_is_told_with_the_first_that_comes_back() -> None:
    async def main() -> None:
        governor = Processes().start()
        await governor.pause(A, kind="restricted", reason="spam", fix="Portal.")
        until = await governor.pause(B, kind="service", reason="421", fix="Wait.")
        assert (await get_closed(governor, A, B)).until == until

    run_virtual(main)


def test_one_probe_goes_and_its_success_opens_the_mailbox_for_all() -> None:
    async def main() -> None:
        processes = Processes()
        governor, other = processes.start(), processes.start()
        await ask(other, A)
        await set_aside(governor)
        answers = [*(await ask(governor, A, count=3)), *(await ask(other, A, count=3))]
        assert len(slots(answers)) == 1
        assert all(isinstance(a, Closed) for a in answers[-3:])
        await governor.worked(A)
        assert isinstance(await get(governor, A), Slot)
        await asyncio.sleep(11)
        assert isinstance(await get(other, A), Slot)

    run_virtual(main)


def test_a_failed_probe_doubles_the_pause() -> None:
    async def main() -> None:
        governor = Processes().start()
        spans = []
        for _ in range(4):
            begun = virtual_now()
            until = await governor.pause(A, kind="service", reason="421", fix="")
            spans.append(round((until - begun).total_seconds()))
            await asyncio.sleep((until - virtual_now()).total_seconds() + 1)
            await get(governor, A)
        assert spans == [30, 60, 120, 240]

    run_virtual(main)


def test_a_probe_that_was_not_used_or_got_lost_is_followed_by_another() -> None:
    async def main() -> None:
        processes = Processes()
        governor, other = processes.start(), processes.start()
        await set_aside(governor)
        await governor.give_back([await get(governor, A)])
        await get(other, A)  # and is never heard of again
        closed = await get_closed(governor, A)
        await asyncio.sleep((closed.until - virtual_now()).total_seconds() + 1)
        assert isinstance(await get(governor, A), Slot)

    run_virtual(main)


def test_an_older_success_does_not_open_a_mailbox() -> None:
    async def main() -> None:
        governor = Processes().start()
        await get(governor, A)
        await governor.pause(A, kind="service", reason="421", fix="")
        await governor.worked(A)
        await get_closed(governor, A)

    run_virtual(main)


def test_worked_costs_nothing_where_nothing_is_paused() -> None:
    async def main() -> None:
        processes = Processes()
        governor = processes.start()
        await get(governor, A)
        before = processes.transactions
        await governor.worked(A)
        assert processes.transactions == before

    run_virtual(main)


def test_the_view_tells_what_is_left() -> None:
    async def main() -> None:
        governor = Processes().start()
        await get(governor, A)
        await governor.pause(B, kind="full", reason="554 5.2.2", fix="Empty Sent Items.")
        view = await governor.view([A, B])
        first, second = view["mailboxes"]
        assert first["mailbox"] == A
        assert first["recipients_24h"] == {
            "limit": 10_000, "used": 1, "left": 9_999, "free_at": None,
        }  # fmt: skip
        assert first["connections"] == {"limit": 3, "used": 1}
        assert first["pause"] is None
        assert second["pause"]["fix"] == "Empty Sent Items."
        assert view["tenant"]["external_24h"]["left_to_people"] == 2_000

    run_virtual(main)
