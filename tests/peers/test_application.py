"""Mailroom's own code against a mail system that is not ours: Postfix takes it, Dovecot has it."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

import pytest

from local.certificates import LocalAuthority
from local.contoso import (
    APP_CLIENT_ID,
    contoso,
)
from local.entra import EntraServer
from shared.application import Application
from tests.inbox.world import Recorder
from tests.peers.application import open_application, post, view, work_off
from tests.peers.dovecot import EXCHANGE_AUDIENCE
from tests.peers.mail import MailPeers

BILLING, ALERTS = "billing@contoso.test", "alerts@contoso.test"
ANA, BO = "ana@contoso.test", "bo@contoso.test"


@pytest.fixture(scope="module")
async def entra(authority: LocalAuthority, running_peers: MailPeers) -> AsyncIterator[EntraServer]:
    """The tenant whose tokens Dovecot takes, for itself and for Postfix."""
    server = EntraServer(authority, contoso())
    running_peers.trust(server.keys.kid, server.public_key_pem)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="module")
async def application(
    authority: LocalAuthority, running_peers: MailPeers, entra: EntraServer
) -> AsyncIterator[Application]:
    """With an intake that records what is read."""
    senders = {BILLING: BILLING, ALERTS: ALERTS, ANA: ALERTS}
    async with open_application(
        authority, running_peers, entra, intake=Recorder(), MAILROOM_SENDERS=json.dumps(senders)
    ) as application:
        yield application


@pytest.fixture(scope="module")
def imap_token(entra: EntraServer) -> str:
    app = entra.directory.app(APP_CLIENT_ID)
    issued = entra.tokens.issue_to_app(
        app, EXCHANGE_AUDIENCE, ["IMAP.AccessAsApp"], authentication="1"
    )
    return issued.value


async def read(peers: MailPeers, mailbox: str, token: str, at_least: int = 1) -> list[EmailMessage]:
    """What is in the mailbox, read by IMAP with a token."""
    found = await asyncio.to_thread(peers.fetch, mailbox, token, at_least=at_least)
    return [BytesParser(policy=policy.default).parsebytes(raw) for raw in found]


def file_of(mail: EmailMessage) -> tuple[str | None, bytes]:
    [part] = mail.iter_attachments()
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return part.get_filename(), content


async def test_a_message_goes_through_postfix_into_the_mailbox(
    application: Application, peers: MailPeers, imap_token: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "shared")
    data = bytes(range(256)) * 1200  # 300 KB: more than one write, and more than TLS records
    message = {
        "from": {"email": BILLING, "name": "Contoso Bílling"},
        "to": [{"email": ANA, "name": "Ána Größe"}],
        "bcc": [{"email": BO}],
        "subject": "Grüße aus Zürich – Ваш счёт готов 📬",
        "text": "Hállo Ána\n.\n..dots stay\n",
        "html": "<p>Hállo <b>Ána</b></p>",
        "attachments": [{"name": "Bericht März.bin", "content": base64.b64encode(data).decode()}],
    }
    message_id = await post(application, message)
    await work_off(application)
    seen = await view(application, message_id)
    assert seen["status"] == "sent", seen
    assert [(r["email"], r["status"], r["code"]) for r in seen["recipients"]] == [
        (ANA, "sent", "2.0.0"),
        (BO, "sent", "2.0.0"),
    ]
    for mailbox in (ANA, BO):
        [mail] = await read(peers, mailbox, imap_token)
        assert mail["Subject"] == message["subject"]
        assert mail["From"].addresses[0].display_name == "Contoso Bílling"
        assert mail["To"].addresses[0].display_name == "Ána Größe"
        assert mail["Message-ID"] == seen["message_id"]
        assert mail["X-Mailroom-Id"].rpartition(".")[0] in {message_id, ""}
        assert mail["Return-Path"] == f"<{BILLING}>"
        assert mail["Bcc"] is None
        text, html = mail.get_body(("plain",)), mail.get_body(("html",))
        assert text is not None
        assert html is not None
        assert text.get_content().splitlines() == ["Hállo Ána", ".", "..dots stay"]
        assert html.get_content().strip() == "<p>Hállo <b>Ána</b></p>"
        assert file_of(mail) == ("Bericht März.bin", data)
    assert "eyJ" not in caplog.text
    assert ANA not in caplog.text


async def test_one_session_takes_many_messages(
    application: Application, peers: MailPeers, imap_token: str
) -> None:
    """Each after the other, among them one of which all recipients are refused."""
    to = [[ANA], ["nobody@contoso.test"], [ANA, "nobody@contoso.test"], [ANA]]
    ids = [
        await post(
            application,
            {
                "from": {"email": ALERTS},
                "to": [{"email": one} for one in people],
                "subject": f"Alert {number}",
                "text": "x",
            },
        )
        for number, people in enumerate(to)
    ]
    await work_off(application)
    views = [await view(application, message_id) for message_id in ids]
    assert [one["status"] for one in views] == ["sent", "failed", "sent", "sent"]
    refused = next(r for r in views[2]["recipients"] if r["email"] == "nobody@contoso.test")
    assert (refused["status"], refused["code"]) == ("rejected", "5.1.1")
    mails = await read(peers, ANA, imap_token, at_least=3)
    assert {mail["Subject"] for mail in mails} == {"Alert 0", "Alert 2", "Alert 3"}
    since = peers.log().partition(f"sasl_username={ALERTS}")[2]
    assert since.count(f"sasl_username={ALERTS}") == 2
    assert "]: connect from" not in since  # the three mails came by one connection


async def test_a_sender_that_is_not_the_mailboxs_own_is_refused(
    application: Application, peers: MailPeers
) -> None:
    """The settings say that alerts@ may send as ana@; Postfix knows better."""
    message_id = await post(
        application, {"from": {"email": ANA}, "to": [{"email": BO}], "subject": "A", "text": "x"}
    )
    await work_off(application)
    seen = await view(application, message_id)
    assert seen["status"] == "failed"
    assert seen["detail"].startswith("553 5.7.1")
    assert "not owned by user alerts@contoso.test" in seen["detail"]


async def test_what_is_in_the_mailboxes_is_read_by_imap(
    application: Application, peers: MailPeers, imap_token: str
) -> None:
    """With the credential and the audience that it sends with."""
    for mailbox, name in ((BILLING, "one"), (ALERTS, "two")):
        mails = [f"Subject: Returned {name}\r\n\r\nWords.\r\n".encode()]
        await asyncio.to_thread(peers.append, mailbox, imap_token, mails)
    runs = await application.returned_mail.run()
    assert [run.problem for run in runs] == ["", ""]
    intake = application._intake
    assert isinstance(intake, Recorder)
    taken = {mail.mailbox: mail.content for mail in intake.taken if b"Returned" in mail.content}
    assert b"Returned one" in taken[BILLING]
    assert b"Returned two" in taken[ALERTS]
