"""Mailroom reads Dovecot's mailboxes over IMAP with XOAUTH2, and Postfix's own bounces in them."""

import asyncio
import smtplib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from local.certificates import LocalAuthority
from local.contoso import MAILBOXES
from local.entra import App, SigningKeys
from shared.inbox.arrivals import Arrivals
from shared.inbox.mail import FetchedMail
from shared.inbox.reader import ReturnedMailReader
from shared.inbox.sent_items import SentItems
from tests.inbox.world import Reading, Recorder, mail, number
from tests.peers.dovecot import SENT
from tests.peers.mail import MailPeers, xoauth2
from tests.peers.returning import Tokens, imap_settings, imap_source
from tests.storage.account import StoppedClock

BILLING, ALERTS = MAILBOXES
JUNK = "Junk Email"


@pytest.fixture(scope="module")
def keys(running_peers: MailPeers) -> SigningKeys:
    keys = SigningKeys()
    running_peers.trust(keys.kid, keys.public_key_pem)
    return keys


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock(datetime.now(UTC))


@pytest.fixture
def tokens(keys: SigningKeys) -> Tokens:
    return Tokens(keys, lambda: datetime.now(UTC))


@pytest.fixture
def reading(clock: StoppedClock, peers: MailPeers) -> Reading:
    """Rows, an intake, and mailboxes with nothing in them, not even folders."""
    for mailbox in MAILBOXES:
        for folder in peers.doveadm("mailbox", "list", "-u", mailbox).splitlines():
            if folder != "INBOX":
                peers.doveadm("mailbox", "delete", "-u", mailbox, folder)
        peers.doveadm("expunge", "-u", mailbox, "mailbox", "INBOX", "all")
    return Reading(clock)


type Read = Callable[..., ReturnedMailReader]


@pytest.fixture
def reader(reading: Reading, peers: MailPeers, tokens: Tokens) -> Read:
    def make(
        *, folders: tuple[str, ...] = ("INBOX",), size_limit: int = 1024 * 1024, **others: Any
    ) -> ReturnedMailReader:
        writes = "MAILROOM_RETURNED_DISPOSAL" in others
        source = imap_source(peers, tokens, size_limit=size_limit, writes=writes)
        return reading.reader(source, **imap_settings(BILLING, folders=folders), **others)

    return make


async def append(peers: MailPeers, tokens: Tokens, *numbers: int, **others: Any) -> None:
    mails = [mail(one) for one in numbers]
    await asyncio.to_thread(peers.append, BILLING, tokens.issue(), mails, **others)


def flags(peers: MailPeers, folder: str = "INBOX") -> dict[str, str]:
    """Subject to flags, as Dovecot tells; \\Recent is of no interest."""
    told = peers.doveadm(
        *("-f", "tab", "fetch", "-u", BILLING, "hdr.subject flags", "mailbox", folder)
    )
    rows = [line.split("\t") for line in told.splitlines()[1:]]
    return {row[0]: row[1].replace("\\Recent", "").strip() for row in rows}


async def test_mail_is_read_in_order_and_reading_goes_on_where_it_was(
    peers: MailPeers, tokens: Tokens, reading: Reading, reader: Read
) -> None:
    await append(peers, tokens, *range(1, 26))
    [run] = await reader().run()
    assert (run.problem, reading.intake.numbers) == ("", list(range(1, 26)))
    await reader().run()
    await append(peers, tokens, 26, 27)
    await reader().run()
    assert reading.intake.numbers == list(range(1, 28))
    first = reading.intake.taken[0]
    assert first.content == mail(1)
    assert (first.mailbox, first.folder, first.cut) == (BILLING, "INBOX", False)
    assert abs(first.received_at - datetime.now(UTC)) < timedelta(minutes=5)


async def test_reading_marks_nothing(
    peers: MailPeers, tokens: Tokens, reading: Reading, reader: Read
) -> None:
    await append(peers, tokens, 1, 2)
    await reader().run()
    assert reading.intake.numbers == [1, 2]
    assert flags(peers) == {"Mail 1": "", "Mail 2": ""}


async def test_a_long_backlog_is_worked_off_in_runs(
    peers: MailPeers, tokens: Tokens, reading: Reading, reader: Read
) -> None:
    week_ago = datetime.now(UTC) - timedelta(days=7)
    await append(peers, tokens, *range(1, 41), received_at=week_ago)
    for run in range(1, 6):
        await reader(MAILROOM_RETURNED_PER_RUN="9").run()
        assert reading.intake.numbers == list(range(1, min(9 * run, 40) + 1))


async def test_the_first_run_looks_back_thirty_days(
    peers: MailPeers, tokens: Tokens, reading: Reading, reader: Read
) -> None:
    now = datetime.now(UTC)
    await append(peers, tokens, 1, 2, received_at=now - timedelta(days=40))
    await append(peers, tokens, 3, received_at=now - timedelta(days=20))
    await append(peers, tokens, 4, received_at=now - timedelta(days=50))
    await append(peers, tokens, 5)
    await reader(MAILROOM_RETURNED_PER_RUN="1").run()
    assert reading.intake.numbers == [3]
    await reader().run()  # and goes on with looking back: 4 is too old still
    assert reading.intake.numbers == [3, 5]


async def test_when_the_mailbox_is_numbered_anew_reading_starts_again_within_bounds(
    peers: MailPeers, tokens: Tokens, reading: Reading, reader: Read
) -> None:
    now = datetime.now(UTC)
    await append(peers, tokens, 1, received_at=now - timedelta(days=40))
    await append(peers, tokens, 2, 3)
    await reader().run()
    keys = {one.key for one in reading.intake.taken}
    peers.doveadm("mailbox", "update", "-u", BILLING, "--uid-validity", "77", "INBOX")
    await append(peers, tokens, 4)
    [run] = await reader().run()
    assert (run.problem, reading.intake.numbers) == ("", [2, 3, 2, 3, 4])
    assert not keys & {one.key for one in reading.intake.taken[2:]}  # other numbers, other mails
    await append(peers, tokens, 5)
    await reader().run()
    assert reading.intake.numbers[-1:] == [5]
    assert len(reading.intake.taken) == 6


async def test_junk_is_read_where_there_is_any(
    peers: MailPeers, tokens: Tokens, reading: Reading, reader: Read
) -> None:
    await append(peers, tokens, 1)
    [run] = await reader(folders=("INBOX", JUNK)).run()
    assert (run.problem, reading.intake.numbers) == ("", [1])
    await append(peers, tokens, 2, folder=JUNK)
    await reader(folders=("INBOX", JUNK)).run()
    assert reading.intake.numbers == [1, 2]
    assert reading.intake.taken[1].folder == JUNK


async def test_only_what_was_for_mailroom_is_moved(
    peers: MailPeers, tokens: Tokens, reading: Reading, reader: Read
) -> None:
    await append(peers, tokens, 1, 2, 3, 4)
    intake = Recorder(ours=lambda one: number(one) % 2 == 0)
    others = {
        "MAILROOM_RETURNED_DISPOSAL": "move",
        "MAILROOM_RETURNED_FOLDER": "Rückläufer & Co",
    }
    [run] = await reader(intake=intake, **others).run()
    assert (run.problem, intake.numbers) == ("", [1, 2, 3, 4])
    assert flags(peers) == {"Mail 1": "", "Mail 3": ""}
    assert flags(peers, "Rückläufer & Co") == {"Mail 2": "", "Mail 4": ""}


async def test_only_what_was_for_mailroom_is_marked_as_read(
    peers: MailPeers, tokens: Tokens, reading: Reading, reader: Read
) -> None:
    await append(peers, tokens, 1, 2, 3)
    intake = Recorder(ours=lambda one: number(one) == 2)
    await reader(intake=intake, MAILROOM_RETURNED_DISPOSAL="read").run()
    assert flags(peers) == {"Mail 1": "", "Mail 2": "\\Seen", "Mail 3": ""}


async def test_a_large_mail_is_cut(
    peers: MailPeers, tokens: Tokens, reading: Reading, reader: Read
) -> None:
    large = mail(1, size=100_000)
    exact = mail(2, size=19_000)
    mails = [large, exact, mail(3)]
    await asyncio.to_thread(peers.append, BILLING, tokens.issue(), mails)
    await reader(size_limit=len(exact)).run()
    assert [one.cut for one in reading.intake.taken] == [True, False, False]
    assert reading.intake.taken[0].content == large[: len(exact)]
    assert reading.intake.taken[1].content == exact


async def test_a_token_that_has_expired_is_replaced(
    peers: MailPeers, tokens: Tokens, reading: Reading, reader: Read
) -> None:
    await append(peers, tokens, 1)
    expired = tokens.issue(life=timedelta(minutes=-1))
    tokens.next = [expired]
    [run] = await reader().run()
    assert (run.problem, reading.intake.numbers) == ("", [1])
    assert tokens.rejected == [expired]


async def test_a_session_that_breaks_off_is_replaced_with_a_new_token_if_need_be(
    peers: MailPeers, tokens: Tokens, reading: Reading, reader: Read
) -> None:
    await append(peers, tokens, *range(1, 31))

    async def kick(fetched: FetchedMail) -> None:
        if number(fetched) == 5:
            tokens.next = [tokens.issue(life=timedelta(minutes=-1))]
            await asyncio.to_thread(peers.doveadm, "kick", BILLING)

    reading.intake.before = kick
    [run] = await reader().run()
    assert (run.problem, reading.intake.numbers) == ("", list(range(1, 31)))
    assert len(tokens.rejected) == 1


async def test_a_sign_in_that_is_refused_is_explained(
    peers: MailPeers, tokens: Tokens, reading: Reading, reader: Read
) -> None:
    stranger = App("99999999-0000-0000-0000-000000000001", "Another", "99999999")
    refused = [tokens.issue(app=stranger), tokens.issue(app=stranger)]
    tokens.next = list(refused)
    [run] = await reader().run()
    assert "IMAP.AccessAsApp" in run.problem
    assert "Add-MailboxPermission" in run.problem
    assert not any(token in run.problem for token in refused)
    assert run.pause == timedelta(minutes=5)


async def test_a_server_without_tls_is_explained(
    peers: MailPeers, tokens: Tokens, reading: Reading
) -> None:
    source = imap_source(peers, tokens)
    source._port = peers.imap_port
    [run] = await reading.reader(source, **imap_settings(BILLING)).run()
    assert "MAILROOM_IMAP_PORT" in run.problem


async def test_an_untrusted_certificate_is_refused(
    peers: MailPeers, tokens: Tokens, reading: Reading, tmp_path: Path
) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK ready\r\n")

    stranger = LocalAuthority(tmp_path).server_context()
    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=stranger)
    source = imap_source(peers, tokens)
    source._port = server.sockets[0].getsockname()[1]
    [run] = await reading.reader(source, **imap_settings(BILLING)).run()
    server.close()
    await server.wait_closed()
    assert "CERTIFICATE_VERIFY_FAILED" in run.problem
    assert reading.intake.taken == []


async def test_copies_are_found_in_the_folder_of_sent_mail(
    peers: MailPeers, tokens: Tokens, reading: Reading
) -> None:
    """By its attribute: its name has the mailbox's language. The inbox is another folder."""
    sent = SentItems(imap_source(peers, tokens))
    await append(peers, tokens, 1, folder=SENT)
    await append(peers, tokens, 2, 2, folder=SENT)
    await append(peers, tokens, 3)
    wanted = [f"<{one}@example.com>" for one in (1, 2, 3)]
    assert await sent.copies(BILLING, wanted) == dict(zip(wanted, (1, 2, 0), strict=True))
    assert set(flags(peers, SENT).values()) == {""}


def submit(peers: MailPeers, authority: LocalAuthority, token: str, to: str) -> None:
    import base64

    message = EmailMessage(policy=policy.SMTP)
    message["From"], message["To"], message["Subject"] = BILLING, to, "Invoice 1042"
    message["Message-ID"] = f"<1042.{to}>"
    message.set_content("Dear customer, …")
    with smtplib.SMTP(peers.host, peers.smtp_port, timeout=10) as client:
        client.starttls(context=authority.client_context())
        client.ehlo()
        client.docmd("AUTH XOAUTH2", base64.b64encode(xoauth2(BILLING, token)).decode())
        assert client.send_message(message) == {}


@pytest.mark.parametrize(
    "case",
    [
        ("nobody@contoso.test", "failed", "5.1.1"),
        ("gone@remote.test", "failed", "5.1.1"),
        ("blocked@remote.test", "failed", "5.7.1"),
        ("full@remote.test", "delayed", "4.2.2"),
    ],
)
async def test_a_genuine_report_of_postfix_is_read(
    authority: LocalAuthority,
    bouncing: MailPeers,
    keys: SigningKeys,
    tokens: Tokens,
    case: tuple[str, str, str],
) -> None:
    bouncing.trust(keys.kid, keys.public_key_pem)
    recipient, action, status = case
    bouncing.empty()
    reading = Reading(StoppedClock(datetime.now(UTC)))
    await asyncio.to_thread(submit, bouncing, authority, tokens.issue(), recipient)
    await asyncio.to_thread(bouncing.fetch, BILLING, tokens.issue(), within=30)
    reader = reading.reader(imap_source(bouncing, tokens), **imap_settings(BILLING))
    [run] = await reader.run()
    assert run.problem == ""
    [fetched] = reading.intake.taken
    report = message_from_bytes(fetched.content, policy=policy.default)
    assert report.get_content_type() == "multipart/report"
    assert report["Return-Path"] == "<>"
    fields = fetched.content.decode().splitlines()
    assert f"Final-Recipient: rfc822; {recipient}" in fields
    assert f"Action: {action}" in fields
    assert f"Status: {status}" in fields
    assert f"Message-ID: <1042.{recipient}>" in fields


async def test_a_delivery_test_is_found_in_the_inbox_or_in_junk(
    peers: MailPeers, tokens: Tokens, reading: Reading
) -> None:
    arrivals = Arrivals(imap_source(peers, tokens))
    await append(peers, tokens, *range(1, 6))
    ids = [f"<{number}@example.com>" for number in (3, 7)]
    found = await arrivals.find(BILLING, ids)
    assert found is not None
    assert (found[0], found[1].content) == ("inbox", mail(3))
    assert abs(found[1].received_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert await arrivals.find(BILLING, ids[1:]) is None
    peers.doveadm("mailbox", "create", "-u", BILLING, JUNK)
    await append(peers, tokens, 7, folder=JUNK)
    found = await arrivals.find(BILLING, ids[1:])
    assert found is not None
    assert (found[0], found[1].content) == ("junk", mail(7))
    assert set(flags(peers).values()) == {""}
