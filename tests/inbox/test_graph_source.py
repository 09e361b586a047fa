"""Reading by Microsoft Graph, against the local stand-in, which refuses undocumented requests."""

from dataclasses import replace
from datetime import timedelta

import pytest

from local.contoso import APP_CLIENT_ID
from local.faults import Fault
from shared.inbox.mail import FetchedMail
from tests.inbox.world import BILLING, GraphWorld, Reading, Recorder, mail, number


def deliver(graph: GraphWorld, first: int, last: int, *, age: timedelta = timedelta(0)) -> None:
    """Mails that came a second apart, the last one `age` ago."""
    for one in range(first, last + 1):
        at = graph.clock() - age - timedelta(seconds=last - one)
        graph.billing.deliver(mail(one), received_at=at)


async def test_a_backlog_comes_oldest_first_and_then_what_is_new(
    graph: GraphWorld, reading: Reading
) -> None:
    for one in (5, 2, 4, 1, 3):
        graph.billing.deliver(mail(one), received_at=graph.clock() - timedelta(days=10 - one))
    deliver(graph, 6, 8)
    reader = reading.reader(graph.source())
    await reader.run()
    assert reading.intake.numbers == [1, 2, 3, 4, 5, 6, 7, 8]
    deliver(graph, 9, 9)
    await reader.run()
    await reader.run()
    assert reading.intake.numbers == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    first = reading.intake.taken[0]
    assert (first.mailbox, first.folder, first.cut) == (BILLING, "INBOX", False)
    assert first.content == mail(1)
    assert first.key == graph.billing.mails()[3].immutable_id
    assert graph.server.statuses.keys() == {200}


async def test_what_is_older_than_the_days_is_left_out(graph: GraphWorld, reading: Reading) -> None:
    deliver(graph, 1, 1, age=timedelta(days=31))
    deliver(graph, 2, 2, age=timedelta(days=29))
    await reading.reader(graph.source()).run()
    assert reading.intake.numbers == [2]


@pytest.mark.parametrize("age", [timedelta(days=2), timedelta(0)])
async def test_a_long_backlog_is_worked_off_in_runs(
    graph: GraphWorld, reading: Reading, age: timedelta
) -> None:
    """In the backlog's part and in delta's, whose pages have no order."""
    deliver(graph, 1, 130, age=age)
    reader = reading.reader(graph.source(), MAILROOM_RETURNED_PER_RUN="30")
    for run in range(1, 6):
        await reader.run()
        assert reading.intake.numbers == list(range(1, min(30 * run, 130) + 1))


async def test_many_mails_of_one_second_do_not_stop_the_reader(
    graph: GraphWorld, reading: Reading
) -> None:
    at = graph.clock() - timedelta(days=1)
    for one in range(120):
        graph.billing.deliver(mail(one), received_at=at)
    reader = reading.reader(graph.source(), MAILROOM_RETURNED_PER_RUN="25")
    for _ in range(5):
        await reader.run()
    assert reading.intake.times == dict.fromkeys(range(120), 1)


async def test_mail_that_is_moved_away_while_a_backlog_is_read_makes_nothing_slip(
    graph: GraphWorld, reading: Reading
) -> None:
    graph.server.access.assign(BILLING, APP_CLIENT_ID, "Mail.ReadWrite")
    deliver(graph, 1, 120, age=timedelta(days=1))
    reader = reading.reader(
        graph.source(),
        MAILROOM_RETURNED_DISPOSAL="move",
        MAILROOM_RETURNED_FOLDER="Mailroom's",
    )
    await reader.run()
    assert reading.intake.numbers == list(range(1, 121))
    [made] = [one for one in graph.billing.folders if one.name == "Mailroom's"]
    assert len(graph.billing.mails(made)) == 120
    await reader.run()
    assert len(reading.intake.taken) == 120


async def test_only_what_was_for_mailroom_is_marked(graph: GraphWorld, reading: Reading) -> None:
    graph.server.access.assign(BILLING, APP_CLIENT_ID, "Mail.ReadWrite")
    deliver(graph, 1, 4)
    intake = Recorder(ours=lambda one: number(one) % 2 == 0)
    reader = reading.reader(graph.source(), intake=intake, MAILROOM_RETURNED_DISPOSAL="read")
    await reader.run()
    await reader.run()
    assert intake.numbers == [1, 2, 3, 4]  # that they were marked is no news
    read = {mail.immutable_id for mail in graph.billing.mails() if mail.is_read}
    assert read == {one.key for one in intake.taken if number(one) % 2 == 0}


async def test_without_the_permission_to_write_mail_is_read_all_the_same(
    graph: GraphWorld, reading: Reading
) -> None:
    deliver(graph, 1, 3)
    reader = reading.reader(graph.source(), MAILROOM_RETURNED_DISPOSAL="read")
    [run] = await reader.run()
    assert reading.intake.numbers == [1, 2, 3]
    assert "Application Mail.ReadWrite" in run.problem
    assert graph.server.requests["update"] == 1
    assert not any(mail.is_read for mail in graph.billing.mails())


async def test_reading_changes_nothing(graph: GraphWorld, reading: Reading) -> None:
    deliver(graph, 1, 3)
    before = list(graph.billing.changes)
    await reading.reader(graph.source()).run()
    assert graph.billing.changes == before


async def test_an_expired_delta_link_means_looking_back_but_not_far(
    graph: GraphWorld, reading: Reading
) -> None:
    deliver(graph, 1, 1, age=timedelta(days=20))
    deliver(graph, 2, 2)
    reader = reading.reader(graph.source())
    await reader.run()
    graph.clock.advance(days=2)
    await reader.run()
    deliver(graph, 3, 3)
    graph.server.deltas.forget()
    await reader.run()
    assert graph.server.statuses[410] == 1
    assert reading.intake.numbers == [1, 2, 3]  # 2 came before the last complete round's day
    deliver(graph, 4, 4)
    await reader.run()
    assert reading.intake.numbers == [1, 2, 3, 4]


async def test_throttling_is_waited_out(graph: GraphWorld, reading: Reading) -> None:
    deliver(graph, 1, 2)
    graph.server.faults.add(Fault(status=429, retry_after=3, times=2))
    graph.server.faults.add(Fault(status=503, retry_after=1))
    [run] = await reading.reader(graph.source()).run()
    assert reading.intake.numbers == [1, 2]
    assert graph.waits == [3.0, 3.0, 1.0]
    assert run.problem == ""


async def test_a_long_wait_ends_the_run_and_the_next_ones_keep_away(
    graph: GraphWorld, reading: Reading
) -> None:
    deliver(graph, 1, 1)
    graph.server.faults.add(Fault(status=429, retry_after=150))
    reader = reading.reader(graph.source())
    [run] = await reader.run()
    assert "wait" in run.problem
    asked = graph.server.statuses.total()
    for _ in range(2):
        graph.clock.advance(seconds=60)
        await reading.reader(graph.source(), holder="another").run()
    assert graph.server.statuses.total() == asked
    graph.clock.advance(seconds=60)
    await reader.run()
    assert reading.intake.numbers == [1]
    assert graph.waits == []


async def test_a_refused_token_is_replaced_once(graph: GraphWorld, reading: Reading) -> None:
    deliver(graph, 1, 1)
    graph.server.faults.add(Fault(status=401))
    await reading.reader(graph.source()).run()
    assert reading.intake.numbers == [1]
    assert len(graph.rejected) == 1


async def test_a_token_for_another_audience_is_explained(
    graph: GraphWorld, reading: Reading
) -> None:
    graph.audience = "https://outlook.office365.com"
    [run] = await reading.reader(graph.source()).run()
    assert "MAILROOM_RETURNED_SCOPE" in run.problem
    assert graph.server.statuses == {401: 2}


async def test_a_missing_role_is_explained_and_not_asked_for_each_minute(
    graph: GraphWorld, reading: Reading
) -> None:
    graph.server.access.assign(BILLING, APP_CLIENT_ID)
    reader = reading.reader(graph.source())
    [run] = await reader.run()
    assert "Application Mail.Read" in run.problem
    graph.clock.advance(minutes=1)
    await reader.run()
    assert graph.server.statuses == {403: 1}
    graph.server.access.assign(BILLING, APP_CLIENT_ID, "Mail.Read")
    graph.clock.advance(minutes=5)
    deliver(graph, 1, 1)
    await reader.run()
    assert reading.intake.numbers == [1]


async def test_a_mailbox_that_is_none_does_not_stop_the_others(
    graph: GraphWorld, reading: Reading
) -> None:
    graph.server.access.assign("nobody@contoso.test", APP_CLIENT_ID, "Mail.Read")
    deliver(graph, 1, 1)
    mailboxes = f'["nobody@contoso.test", "{BILLING}"]'
    runs = await reading.reader(graph.source(), MAILROOM_RETURNED_MAILBOXES=mailboxes).run()
    assert reading.intake.numbers == [1]
    assert ["MAILROOM_RETURNED_MAILBOXES" in run.problem for run in runs] == [True, False]


async def test_junk_is_read_whatever_its_name_and_folders_of_ones_own_by_theirs(
    graph: GraphWorld, reading: Reading
) -> None:
    graph.billing.deliver(mail(1))
    graph.billing.deliver(mail(2), folder="junkemail")
    own = graph.billing.make_folder("Bounces & 'more'")
    graph.billing.deliver(mail(3), folder=own.id)
    folders = """["INBOX", "Junk Email", "Bounces & 'more'", "Not there"]"""
    await reading.reader(graph.source(), MAILROOM_RETURNED_FOLDERS=folders).run()
    assert sorted(reading.intake.numbers) == [1, 2, 3]


async def test_a_large_mail_is_cut(graph: GraphWorld, reading: Reading) -> None:
    graph.billing.deliver(mail(1, size=100_000))
    graph.billing.deliver(mail(2))
    await reading.reader(graph.source(size_limit=20_000)).run()
    large, small = sorted(reading.intake.taken, key=number)
    assert (len(large.content), large.cut) == (20_000, True)
    assert mail(1, size=100_000).startswith(large.content)
    assert not small.cut


async def test_a_mail_that_goes_while_it_is_read_is_passed_over(
    graph: GraphWorld, reading: Reading
) -> None:
    deliver(graph, 1, 20)

    async def delete_the_last(_: FetchedMail) -> None:
        last = graph.billing.mails()[-1]
        if number_of(last.content) == 20:
            graph.billing.delete(last)

    reading.intake.before = delete_the_last
    [run] = await reading.reader(graph.source()).run()
    assert reading.intake.numbers == list(range(1, 20))
    assert run.problem == ""


def number_of(content: bytes) -> int:
    return int(content.partition(b"Subject: Mail ")[2].partition(b"\r\n")[0])


async def test_no_more_than_four_requests_run_at_once(graph: GraphWorld, reading: Reading) -> None:
    deliver(graph, 1, 30)
    graph.server.latency = 0.005
    await reading.reader(graph.source()).run()
    assert 1 < graph.server.most_at_once <= 4
    assert graph.server.statuses.keys() == {200}


async def test_a_token_is_never_sent_to_another_server(graph: GraphWorld, reading: Reading) -> None:
    """A link is followed only at the server that the settings name; elsewhere it means resync."""
    deliver(graph, 1, 1)
    reader = reading.reader(graph.source())
    await reader.run()
    [place] = [place for place in reading.table.rows if place[1].startswith("graph:")]
    row = reading.table.rows[place]
    position = row.values["Position0"].replace(graph.server.url.encode(), b"https://other.test")
    reading.table.rows[place] = replace(row, values={**row.values, "Position0": position})
    deliver(graph, 2, 2)
    [run] = await reader.run()
    assert run.problem == ""
    assert reading.intake.times[2] == 1


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_trouble_at_graph_is_retried(
    graph: GraphWorld, reading: Reading, status: int
) -> None:
    deliver(graph, 1, 1)
    graph.server.faults.add(Fault(status=status))
    await reading.reader(graph.source()).run()
    assert reading.intake.numbers == [1]


async def test_a_broken_connection_ends_the_run_and_the_next_one_goes_on(
    graph: GraphWorld, reading: Reading
) -> None:
    deliver(graph, 1, 3)
    graph.server.faults.add(Fault(action="disconnect", times=None))
    reader = reading.reader(graph.source())
    [run] = await reader.run()
    assert "MAILROOM_GRAPH_URL" in run.problem
    graph.server.faults.clear()
    await reader.run()
    assert reading.intake.numbers == [1, 2, 3]
