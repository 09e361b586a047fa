"""The application reads what came back to its mailboxes: sent by it, returned by Office 365."""

import re
from email import message_from_bytes, policy

import pytest

from local.contoso import MAILBOXES
from tests.inbox.world import Recorder
from tests.operations.conftest import BILLING, OpenOffice

GRAPH = {"MAILROOM_RETURNED_MAIL": "graph"}


async def test_a_bounce_of_a_mail_that_it_sent_is_read_within_a_run(
    open_office: OpenOffice,
) -> None:
    intake = Recorder()
    office = open_office(intake=intake, **GRAPH)
    message_id = await office.post(to=[{"email": "nobody@example.com"}])
    await office.deliver()
    assert (await office.view(message_id))["status"] == "sent"
    line = f"X-Mailroom-Id: {message_id}".encode()
    await office.services.mailboxes.wait_for(BILLING, lambda mail: line in mail.content)
    await office.app.read_returned_mail()
    [ours] = [mail for mail in intake.taken if line in mail.content]
    assert (ours.mailbox, ours.folder) == (BILLING, "INBOX")
    report = message_from_bytes(ours.content, policy=policy.default)
    assert report.get_content_type() == "multipart/report"
    [sent] = office.mails(message_id)
    assert report["In-Reply-To"] == sent.message_id
    taken = len(intake.taken)
    await office.app.read_returned_mail()
    assert len(intake.taken) == taken


async def test_one_instance_goes_on_where_another_has_stopped(open_office: OpenOffice) -> None:
    mailbox = MAILBOXES[1]
    intake, other = Recorder(), Recorder()
    first, second = open_office(intake=intake, **GRAPH), open_office(intake=other, **GRAPH)
    first.services.mailboxes.deliver(mailbox, b"Subject: one of alerts\r\n\r\nWords.\r\n")
    await first.app.read_returned_mail()
    first.services.mailboxes.deliver(mailbox, b"Subject: two of alerts\r\n\r\nWords.\r\n")
    await second.app.read_returned_mail()
    subjects = [
        re.findall(rb"Subject: (\w+) of alerts", b"".join(m.content for m in one.taken))
        for one in (intake, other)
    ]
    assert subjects == [[b"one"], [b"two"]]


async def test_a_token_of_the_wrong_audience_says_what_to_set(
    open_office: OpenOffice, caplog: pytest.LogCaptureFixture
) -> None:
    scope = "https://outlook.office365.com/.default"
    office = open_office(intake=Recorder(), **GRAPH, MAILROOM_RETURNED_SCOPE=scope)
    await office.app.read_returned_mail()
    assert "MAILROOM_RETURNED_SCOPE" in caplog.text


async def test_without_the_setting_nothing_is_read(open_office: OpenOffice) -> None:
    office = open_office(MAILROOM_RETURNED_MAIL="off")
    asked = office.services.graph.requests.total()
    await office.app.read_returned_mail()
    assert office.services.graph.requests.total() == asked
