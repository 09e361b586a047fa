"""A crash between every two steps of a run: nothing is skipped, and little is repeated."""

from collections import Counter
from typing import Any

import pytest

from local.contoso import APP_CLIENT_ID
from shared.inbox.mail import FetchedMail
from tests.inbox.listing import ListSource
from tests.inbox.world import BILLING, GraphWorld, Reading, Recorder, mail

MAILS = 23
FOLDER: dict[str, Any] = {"MAILROOM_RETURNED_DISPOSAL": "move", "MAILROOM_RETURNED_FOLDER": "Done"}


class _Crash(BaseException):
    """The process ends: nothing that is caught, no clean-up that counts."""


class Fuse:
    """Blows at the step it is set to, and at every step after it: the process is dead."""

    def __init__(self, blows_at: int) -> None:
        self.steps = 0
        self._blows_at = blows_at

    def __call__(self, _: str) -> None:
        self.steps += 1
        if self.steps > self._blows_at:
            raise _Crash


async def _crashing_run(reading: Reading, source: ListSource, fuse: Fuse) -> bool:
    """A run with the fuse in everything that it touches; whether it crashed."""

    async def before(_: FetchedMail) -> None:
        fuse("take")

    reading.table.fault = source.fault = fuse
    reading.intake.before = before
    try:
        await reading.reader(source, **FOLDER).run()
    except _Crash:
        return True
    finally:
        reading.table.fault = source.fault = lambda _: None
        reading.intake.before = None
    return False


@pytest.mark.parametrize("second", [0, 3, 17, 10_000])
async def test_a_crash_at_any_step_skips_no_mail(reading: Reading, second: int) -> None:
    """Then another crash some steps into the run that follows."""
    step, crashed = 0, True
    while crashed:
        reading.table.rows.clear()
        source, intake = ListSource(reading.clock), Recorder()
        source.fill(BILLING, "INBOX", range(MAILS))
        reading.intake = intake
        crashed = await _crashing_run(reading, source, Fuse(step))
        reading.clock.advance(seconds=121)  # the lease of the dead
        if await _crashing_run(reading, source, Fuse(second)):
            reading.clock.advance(seconds=121)
        await reading.reader(source, **FOLDER).run()
        assert set(intake.numbers) == set(range(MAILS)), f"at step {step}"
        assert _is_in_order(intake.numbers), f"at step {step}"
        # Two crashes, and ten mails between two checkpoints.
        assert len(intake.numbers) <= MAILS + 2 * 10, f"at step {step}"
        await reading.reader(source, **FOLDER).run()
        assert len(intake.numbers) <= MAILS + 2 * 10
        step += 1
    assert step > 3 * MAILS


def _is_in_order(numbers: list[int]) -> bool:
    """Nothing is handed over before all that came earlier has been."""
    done: set[int] = set()
    for number in numbers:
        if not set(range(number)) <= done:
            return False
        done.add(number)
    return True


async def test_a_crash_at_any_step_of_reading_by_graph_skips_no_mail(
    graph: GraphWorld, reading: Reading
) -> None:
    """Backlog, delta and moving; the mailbox keeps what the dead process did to it."""
    graph.server.access.assign(BILLING, APP_CLIENT_ID, "Mail.ReadWrite")
    expected = 0
    for step in range(60):
        graph.clock.advance(seconds=121)
        for number in range(expected, expected + 3):
            graph.billing.deliver(mail(number))
        expected += 3
        fuse = Fuse(step)

        async def before(_: FetchedMail, fuse: Fuse = fuse) -> None:
            fuse("take")

        reading.table.fault, reading.intake.before = fuse, before
        try:
            await reading.reader(graph.source(), **FOLDER).run()
        except _Crash:
            pass
        finally:
            reading.table.fault, reading.intake.before = lambda _: None, None
    graph.clock.advance(seconds=121)
    await reading.reader(graph.source(), **FOLDER).run()
    times = reading.intake.times
    assert set(times) == set(range(expected))
    assert Counter(times.values())[1] > expected / 2
