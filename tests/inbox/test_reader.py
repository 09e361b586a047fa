"""The run: leases, checkpoints, what an intake's failures do, and what a mailbox's problems do."""

import asyncio
import json
import logging
from datetime import timedelta

import pytest

from local.azurite import Azurite
from shared.errors import (
    CredentialError,
    CredentialUnavailableError,
    InboxError,
    StorageUnavailableError,
)
from shared.feedback.kept import KeptFilter, KeptMails
from shared.inbox.checkpoints import Checkpoints, Progress
from shared.inbox.mail import FetchedMail
from shared.inbox.reader import ReturnedMailReader
from shared.storage.tables import Table
from tests.inbox.listing import ListSource
from tests.inbox.world import ALERTS, BILLING, Reading, Recorder, number
from tests.storage.account import StoppedClock, connect, make_settings, running_azurite

BOTH = f'["{BILLING}", "{ALERTS}"]'


async def test_each_mailbox_and_folder_goes_on_where_it_was(reading: Reading) -> None:
    source = ListSource(reading.clock)
    source.fill(BILLING, "INBOX", range(1, 4))
    source.fill(BILLING, "Junk Email", range(11, 13))
    source.fill(ALERTS, "INBOX", range(21, 23))
    reader = reading.reader(
        source,
        MAILROOM_RETURNED_MAILBOXES=BOTH,
        MAILROOM_RETURNED_FOLDERS='["INBOX", "Junk Email"]',
    )
    await reader.run()
    source.fill(ALERTS, "INBOX", range(23, 25))
    await reader.run()
    assert sorted(reading.intake.numbers) == [1, 2, 3, 11, 12, 21, 22, 23, 24]


async def test_the_first_run_is_told_how_far_to_look_back(reading: Reading) -> None:
    source = ListSource(reading.clock)
    await reading.reader(source, MAILROOM_RETURNED_LOOKBACK="7").run()
    assert source.asked_since == [reading.clock() - timedelta(days=7)]


async def test_one_instance_at_a_time_reads_a_mailbox(reading: Reading) -> None:
    source = ListSource(reading.clock)
    source.fill(BILLING, "INBOX", range(1, 4))
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_: FetchedMail) -> None:
        entered.set()
        await go_on.wait()

    reading.intake.before = wait
    first = asyncio.create_task(reading.reader(source, holder="first").run())
    await entered.wait()
    other = Recorder()
    [run] = await reading.reader(source, holder="second", intake=other).run()
    assert (run.read, run.problem) == (0, "")
    go_on.set()
    await first
    assert (reading.intake.numbers, other.numbers) == ([1, 2, 3], [])


async def test_a_lease_dies_with_its_holder_and_the_dead_cannot_move_a_checkpoint(
    reading: Reading,
) -> None:
    source = ListSource(reading.clock)
    source.fill(BILLING, "INBOX", range(1, 4))
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def hang(_: FetchedMail) -> None:
        entered.set()
        await go_on.wait()

    slow = Recorder()
    slow.before = hang
    hanging = asyncio.create_task(reading.reader(source, holder="slow", intake=slow).run())
    await entered.wait()
    reading.clock.advance(seconds=121)
    await reading.reader(source, holder="next").run()
    assert reading.intake.numbers == [1, 2, 3]
    go_on.set()
    [run] = await hanging
    assert "Another instance" in run.problem
    source.fill(BILLING, "INBOX", [4])
    await reading.reader(source, holder="next").run()
    assert reading.intake.numbers == [1, 2, 3, 4]


async def test_storage_trouble_of_the_intake_means_again(reading: Reading) -> None:
    source = ListSource(reading.clock)
    source.fill(BILLING, "INBOX", range(1, 4))
    away = True

    async def fail(mail: FetchedMail) -> None:
        if away and number(mail) == 2:
            raise StorageUnavailableError("Storage does not answer.")

    reading.intake.before = fail
    reader = reading.reader(source)
    for _ in range(5):  # however often: storage's trouble is not the mail's
        [run] = await reader.run()
        assert run.problem == "Storage does not answer."
    away = False
    await reader.run()
    assert reading.intake.numbers == [1, 2, 3]
    assert reading.parked.mails == {}


async def test_a_mail_that_cannot_be_handled_is_parked_at_the_third_try(
    reading: Reading, caplog: pytest.LogCaptureFixture
) -> None:
    source = ListSource(reading.clock)
    source.fill(BILLING, "INBOX", range(1, 4))
    tries = 0

    async def fail(mail: FetchedMail) -> None:
        nonlocal tries
        if number(mail) == 2:
            tries += 1
            raise ValueError("somebody@example.com")

    reading.intake.before = fail
    with caplog.at_level(logging.INFO):
        for instance in ("one", "two"):
            [run] = await reading.reader(source, holder=instance).run()
            assert run.problem
            assert reading.intake.numbers == [1]
        [run] = await reading.reader(source, holder="three").run()
    assert (tries, run.parked) == (3, 1)
    assert reading.intake.numbers == [1, 3]
    [(name, mail)] = reading.parked.mails.items()
    assert b"Subject: Mail 2" in mail.content
    assert name in caplog.text
    assert "somebody@example.com" not in caplog.text


async def test_a_mail_waits_while_it_cannot_even_be_parked(reading: Reading) -> None:
    source = ListSource(reading.clock)
    source.fill(BILLING, "INBOX", range(1, 3))

    async def fail(mail: FetchedMail) -> None:
        if number(mail) == 1:
            raise ValueError

    class Closed:
        async def park(self, mail: FetchedMail) -> str:
            raise StorageUnavailableError("Storage does not answer.")

    reading.intake.before = fail
    reader = reading.reader(source)
    reader._parking = Closed()
    for _ in range(5):
        await reader.run()
    assert reading.intake.numbers == []


async def test_a_failing_folder_leaves_the_others_their_turn(reading: Reading) -> None:
    source = ListSource(reading.clock)
    source.fill(BILLING, "INBOX", [1])
    source.fill(BILLING, "Junk Email", [2])

    async def fail(mail: FetchedMail) -> None:
        if number(mail) == 1:
            raise ValueError

    reading.intake.before = fail
    folders = '["INBOX", "Junk Email"]'
    await reading.reader(source, MAILROOM_RETURNED_FOLDERS=folders).run()
    assert reading.intake.numbers == [2]


async def test_a_run_ends_in_time_and_shares_it_between_folders(reading: Reading) -> None:
    source = ListSource(reading.clock)
    source.fill(BILLING, "INBOX", range(1, 100))
    source.fill(BILLING, "Junk Email", range(101, 200))

    async def take_a_second(_: FetchedMail) -> None:
        reading.clock.advance(seconds=1)

    reading.intake.before = take_a_second
    folders = '["INBOX", "Junk Email"]'
    reader = reading.reader(source, MAILROOM_RETURNED_FOLDERS=folders)
    await reader.run()
    assert 45 <= len(reading.intake.taken) <= 47
    assert {1, 101} <= set(reading.intake.numbers)
    await reader.run()
    assert len(set(reading.intake.numbers)) == len(reading.intake.numbers)


async def test_many_mailboxes_with_backlogs_take_turns(reading: Reading) -> None:
    source = ListSource(reading.clock)
    mailboxes = [f"box{one}@contoso.test" for one in range(14)]
    for mailbox in mailboxes:
        source.fill(mailbox, "INBOX", range(400))

    async def take_a_second(_: FetchedMail) -> None:
        reading.clock.advance(seconds=1)
        await asyncio.sleep(0)  # the others' turn

    reading.intake.before = take_a_second
    reader = reading.reader(source, MAILROOM_RETURNED_MAILBOXES=json.dumps(mailboxes))
    for minute in range(1, 6):
        began = reading.clock()
        runs = await reader.run()
        assert [run.mailbox for run in runs] == mailboxes
        assert reading.clock() - began < timedelta(seconds=60)
        assert len(source.opened) == min(4 * minute, 14)
        reading.clock.now = began + timedelta(minutes=1)
    assert len(source.opened) == 14


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (InboxError("No such mailbox.", fix="Name another."), 300),
        (CredentialError("The secret has expired.", fix="Renew it."), 300),
        (CredentialUnavailableError("Entra is away.", retry_after=90), 90),
        (RuntimeError("a bug"), 300),
    ],
)
async def test_a_bad_mailbox_is_let_alone_for_a_while_and_the_others_are_read(
    reading: Reading, error: Exception, pause: int
) -> None:
    source = ListSource(reading.clock)
    source.fill(ALERTS, "INBOX", [1])
    source.failures[BILLING] = error
    reader = reading.reader(source, MAILROOM_RETURNED_MAILBOXES=BOTH)
    bad, good = await reader.run()
    assert bad.problem
    assert "a bug" not in bad.problem
    assert (good.problem, reading.intake.numbers) == ("", [1])
    opened = source.opened[BILLING]
    reading.clock.advance(seconds=pause - 1)
    await reader.run()
    assert source.opened[BILLING] == opened
    reading.clock.advance(seconds=2)
    await reader.run()
    assert source.opened[BILLING] == opened + 1


async def test_a_cancelled_run_leaves_its_checkpoint_and_no_lease(reading: Reading) -> None:
    source = ListSource(reading.clock)
    source.fill(BILLING, "INBOX", range(1, 6))
    entered = asyncio.Event()

    async def hang(mail: FetchedMail) -> None:
        if number(mail) == 4:
            entered.set()
            await asyncio.Event().wait()

    reading.intake.before = hang
    running = asyncio.create_task(reading.reader(source).run())
    await entered.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    reading.intake.before = None
    await reading.reader(source, holder="next").run()
    assert reading.intake.numbers == [1, 2, 3, 4, 5]


async def test_on_real_storage() -> None:
    """Azurite: rows, leases, a position of many kilobytes, and a parked mail."""
    async with running_azurite() as azurite:
        await _on_real_storage(azurite)


async def _on_real_storage(azurite: Azurite) -> None:
    storage = connect(azurite.connection_string)
    table, kept = Table(storage, "inboxtest"), KeptMails(storage)
    clock = StoppedClock()
    source, intake = ListSource(clock), Recorder()
    source.fill(BILLING, "INBOX", range(1, 31))

    async def fail(mail: FetchedMail) -> None:
        if number(mail) == 17:
            raise ValueError

    intake.before = fail

    def reader(holder: str) -> ReturnedMailReader:
        return ReturnedMailReader(
            make_settings(
                azurite.connection_string,
                MAILROOM_RETURNED_MAIL="imap",
                MAILROOM_RETURNED_MAILBOXES=f'["{BILLING}"]',
            ),
            source=source,
            intake=intake,
            checkpoints=Checkpoints(table, holder=holder, clock=clock),
            parking=kept,
            clock=clock,
        )

    for holder in ("one", "two", "three"):
        await reader(holder).run()
    assert intake.numbers == [one for one in range(1, 31) if one != 17]
    [[parked], _] = await kept.page(KeptFilter())
    assert b"Subject: Mail 17" in await kept.content(parked.id)
    checkpoints = Checkpoints(table, holder="four", clock=clock)
    hold = await checkpoints.acquire(BILLING)
    assert hold is not None
    assert await checkpoints.acquire(BILLING.upper()) is None
    long = Progress({"link": "x" * 200_000, "seen": []}, "key", 2)
    await hold.save("graph", "Junk/E-Mail #1?", long)
    assert await hold.progress("graph", "Junk/E-Mail #1?") == long
    assert await hold.progress("imap", "Junk/E-Mail #1?") == Progress()
    await hold.release()
    assert await checkpoints.acquire(BILLING) is not None
    await storage.aclose()
