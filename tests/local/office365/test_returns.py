"""What comes back from accepted mail: real MIME, in the mailbox that sent it."""

import asyncio
import smtplib
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage

import aiohttp
import pytest

from local.certificates import LocalAuthority
from local.mailboxes import ReceivedMail, TenantMailboxes
from local.office365 import Office365Server, Returns, Tenant
from local.web import utc_now
from tests.local.office365.client import ALERTS, BILLING, MakeToken, Serve

ID = "<1042@contoso.test>"


@pytest.fixture
def mailboxes() -> TenantMailboxes:
    return TenantMailboxes([BILLING, ALERTS])


@pytest.fixture
async def office(serve: Serve, mailboxes: TenantMailboxes) -> Office365Server:
    return await serve(returns=Returns(mailboxes, delay=0, clock=utc_now))


@pytest.fixture
def submit(office: Office365Server, authority: LocalAuthority, make_token: MakeToken) -> "Submit":
    return Submit(office, authority, make_token())


class Submit:
    def __init__(self, office: Office365Server, authority: LocalAuthority, token: str) -> None:
        self._office = office
        self._authority = authority
        self._token = token

    async def __call__(self, *recipients: str, subject: str = "Invoice 1042") -> None:
        await asyncio.to_thread(self._send, recipients, subject)

    def _send(self, recipients: tuple[str, ...], subject: str) -> None:
        message = EmailMessage(policy=policy.SMTP)
        message["From"], message["To"] = BILLING, ", ".join(recipients)
        message["Subject"], message["Message-ID"] = subject, ID
        message["X-Contoso-Case"] = "77"
        message.set_content("Dear customer, …")
        with smtplib.SMTP("127.0.0.1", self._office.smtp_port, timeout=10) as client:
            client.starttls(context=self._authority.client_context())
            client.ehlo()
            response = f"user={BILLING}\x01auth=Bearer {self._token}\x01\x01"
            client.auth("XOAUTH2", lambda _=None: response, initial_response_ok=True)
            client.send_message(message)


async def returned(mailboxes: TenantMailboxes, count: int = 1) -> list[EmailMessage]:
    await mailboxes.wait_for(BILLING, lambda _: len(_mails(mailboxes)) >= count)
    return [message_from_bytes(one, policy=policy.default) for one in _mails(mailboxes)]


def _mails(mailboxes: TenantMailboxes) -> list[bytes]:
    mailbox = mailboxes.get(BILLING)
    assert mailbox is not None
    return [mail.content for mail in mailbox.received()]


def blocks(report: EmailMessage) -> list[dict[str, str]]:
    """The blocks of fields in the delivery status, as the standard library takes it apart."""
    [part] = [one for one in report.walk() if one.get_content_type() == "message/delivery-status"]
    return [dict(block.items()) for block in part.get_payload()]  # type: ignore[union-attr]


async def test_an_unknown_recipient_comes_back_as_exchange_tells_it(
    submit: Submit, mailboxes: TenantMailboxes
) -> None:
    await submit("nobody@example.com", "ana@example.com")
    [ndr] = await returned(mailboxes)
    assert ndr.get_content_type() == "multipart/report"
    assert ndr.get_param("report-type") == "delivery-status"
    assert [part.get_content_type() for part in ndr.iter_parts()] == [
        "multipart/alternative", "message/delivery-status", "message/rfc822",
    ]  # fmt: skip
    assert ndr["X-MS-Exchange-Message-Is-Ndr"] == ""
    assert (ndr["Return-Path"], ndr["Auto-Submitted"]) == ("<>", "auto-replied")
    assert (ndr["In-Reply-To"], ndr["References"]) == (ID, ID)
    assert ndr["Subject"] == "Undeliverable: Invoice 1042"
    message, recipient = blocks(ndr)
    assert message.keys() == {"Reporting-MTA", "Received-From-MTA", "Arrival-Date"}
    assert recipient["Final-Recipient"] == "rfc822;nobody@example.com"
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.1.10")
    assert recipient["Diagnostic-Code"].startswith("smtp;550 5.1.10 RESOLVER.ADR.Recip")
    text = ndr.get_body(("plain",))
    assert text is not None
    assert "Remote Server returned '550 5.1.10 RESOLVER" in text.get_content()
    [original] = [p for p in ndr.iter_parts() if p.get_content_type() == "message/rfc822"]
    assert original.get_content()["X-Contoso-Case"] == "77"
    assert not ndr.defects


async def test_any_status_and_several_recipients_share_one_report(
    submit: Submit, mailboxes: TenantMailboxes
) -> None:
    await submit("bounce-5.4.310@example.com", "bounce-5.7.999@example.com", "mailbox-full@x.test")
    [ndr] = await returned(mailboxes)
    recipients = blocks(ndr)[1:]
    assert [one["Status"] for one in recipients] == ["5.4.310", "5.7.999", "5.2.2"]
    assert [one.get("Remote-MTA") for one in recipients] == [None, None, "dns;mx.x.test"]


async def test_subjects_have_the_recipients_language(
    submit: Submit, mailboxes: TenantMailboxes
) -> None:
    await submit("niemand@example.com", subject="Größe")
    [ndr] = await returned(mailboxes)
    assert ndr["Subject"] == "Unzustellbar: Größe"
    assert ndr["Content-Language"] == "de-DE"


async def test_delays_complaints_and_replies(submit: Submit, mailboxes: TenantMailboxes) -> None:
    await submit("slow@x.test", "complains@x.test", "away@x.test")
    reports = {one["Subject"].partition(":")[0]: one for one in await returned(mailboxes, 3)}
    assert reports.keys() == {"Delivery delayed", "Feedback on", "Automatic reply"}
    assert blocks(reports["Delivery delayed"])[1]["Action"] == "delayed"
    arf = reports["Feedback on"]
    assert arf.get_param("report-type") == "feedback-report"
    assert b"Feedback-Type: abuse" in arf.as_bytes()
    assert b"Original-Rcpt-To: <complains@x.test>" in arf.as_bytes()
    reply = reports["Automatic reply"]
    assert reply["In-Reply-To"] == ID
    assert reply["X-Auto-Response-Suppress"] == "All"


async def test_a_replaced_message_id_is_the_one_that_comes_back(
    serve: Serve, authority: LocalAuthority, make_token: MakeToken, mailboxes: TenantMailboxes
) -> None:
    returns = Returns(mailboxes, delay=0, clock=utc_now)
    tenant = Tenant(replaces_message_ids=True)
    office = await serve(returns=returns, tenant=tenant)
    await Submit(office, authority, make_token())("nobody@example.com")
    [ndr] = await returned(mailboxes)
    [kept] = office.messages
    assert ndr["In-Reply-To"] == kept.message_id != ID
    [part] = [p for p in ndr.iter_parts() if p.get_content_type() == "message/rfc822"]
    original = part.get_content()
    assert original["Message-ID"] == kept.message_id
    assert original["X-Microsoft-Original-Message-ID"] == ID


async def test_a_copy_is_saved_in_sent_items(
    office: Office365Server, submit: Submit, mailboxes: TenantMailboxes
) -> None:
    """Unless the mailbox keeps none."""
    await submit("ana@example.com")
    assert [copy.content for copy in copies(mailboxes)] == [office.messages[0].content]
    mailbox = office.exchange.mailbox(BILLING)
    assert mailbox is not None
    office.exchange.put_mailbox(replace(mailbox, keeps_copies=False))
    await submit("ana@example.com")
    assert len(copies(mailboxes)) == 1


async def test_a_copy_has_the_message_id_that_exchange_gave_it(
    serve: Serve, authority: LocalAuthority, make_token: MakeToken, mailboxes: TenantMailboxes
) -> None:
    tenant = Tenant(replaces_message_ids=True)
    office = await serve(returns=Returns(mailboxes, clock=utc_now), tenant=tenant)
    await Submit(office, authority, make_token())("ana@example.com")
    [copy] = [message_from_bytes(one.content, policy=policy.default) for one in copies(mailboxes)]
    assert copy["Message-ID"] == office.messages[0].message_id != ID
    assert copy["X-Microsoft-Original-Message-ID"] == ID


def copies(mailboxes: TenantMailboxes) -> list[ReceivedMail]:
    mailbox = mailboxes.get(BILLING)
    assert mailbox is not None
    return mailbox.mails(mailbox.folder("sentitems"))


async def test_the_page_shows_what_came_back(
    office: Office365Server, submit: Submit, mailboxes: TenantMailboxes
) -> None:
    await submit("nobody@example.com", subject="<script>alert(1)</script>")
    await returned(mailboxes)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{office.inbox_url}/returned") as answer:
            page = await answer.text()
        async with session.get(f"{office.inbox_url}/api/returned?mailbox={BILLING}") as answer:
            [listed] = (await answer.json())["returned"]
        async with session.get(f"{office.inbox_url}/api/returned?mailbox={ALERTS}") as answer:
            assert (await answer.json())["returned"] == []
        source = f"{office.inbox_url}/api/returned/{listed['id']}/source"
        async with session.get(source) as answer:
            assert await answer.read() == _mails(mailboxes)[0]
    assert "<script>" not in page
    assert "Undeliverable: &lt;script&gt;" in page
    assert (listed["mailbox"], listed["folder"], listed["is_read"]) == (BILLING, "Inbox", False)
