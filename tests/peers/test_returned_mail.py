"""Genuine bounces: Postfix sends them, Dovecot has them, Mailroom reads them and acts on them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from local.certificates import LocalAuthority
from local.contoso import MAILBOXES, contoso
from local.entra import EntraServer
from shared.application import Application
from tests.peers.application import (
    Json,
    answer_to,
    open_application,
    view,
    work_off,
    work_off_events,
)
from tests.peers.mail import MailPeers
from tests.peers.remote import RemoteServer

BILLING, _ = MAILBOXES
PATIENCE = 40.0

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
async def application(authority: LocalAuthority, bouncing: MailPeers) -> AsyncIterator[Application]:
    """The whole of it: it sends through Postfix with XOAUTH2, and reads from Dovecot with it."""
    entra = EntraServer(authority, contoso())
    bouncing.trust(entra.keys.kid, entra.public_key_pem)
    bouncing.empty()
    await entra.start()
    async with open_application(authority, bouncing, entra) as application:
        yield application
    await entra.stop()


def invoice(recipient: str) -> Json:
    return {
        "from": {"email": BILLING},
        "to": [{"email": recipient}],
        "subject": "Invoice 1042",
        "text": "Dear customer, …",
    }


async def sent(application: Application, recipient: str) -> str:
    """A message that Postfix has taken, and its id."""
    message_id = str((await answer_to(application, invoice(recipient)))["id"])
    await work_off(application)
    assert (await view(application, message_id))["status"] == "sent"
    return message_id


async def come_back(
    application: Application, message_id: str, told: Callable[[Json], bool]
) -> tuple[Json, list[Json]]:
    """The message's view once it is as wanted, and the events up to then: the timers' work."""
    events: list[Json] = []
    async with asyncio.timeout(PATIENCE):
        while True:
            await application.read_returned_mail()
            events += await work_off_events(application)
            found = await view(application, message_id)
            if told(found):
                return found, [event for event in events if event["subject"] == message_id]
            await asyncio.sleep(0.2)


def told_of(kind: str) -> Callable[[Json], bool]:
    return lambda found: kind in {entry["type"] for entry in found["timeline"]}


@pytest.mark.parametrize(
    ("recipient", "status"),
    [("nobody@contoso.test", "5.1.1"), ("gone@remote.test", "5.1.1")],
)
async def test_an_address_that_is_dead_is_suppressed(
    application: Application, bouncing: MailPeers, recipient: str, status: str
) -> None:
    """Found out after the message was accepted: by Postfix's own delivery, or by the remote's 550
    at RCPT."""
    message_id = await sent(application, recipient)
    found, [event] = await come_back(application, message_id, told_of("bounced"))
    assert found["status"] == "sent"
    assert [(r["email"], r["status"], r["code"]) for r in found["recipients"]] == [
        (recipient, "bounced", status)
    ]
    assert event["data"]["match"] == "signed"
    assert (event["data"]["hard"], event["data"]["permanent"]) == (True, True)
    again = await answer_to(application, invoice(recipient))
    assert again["status"] == "suppressed"
    [suppressed] = again["suppressed"]
    assert suppressed["email"] == recipient
    assert "bounced since" in suppressed["reason"]
    assert status in suppressed["reason"]
    await work_off(application)
    assert (await view(application, again["id"]))["attempts"] == 0


async def test_a_refusal_of_the_message_suppresses_nobody(application: Application) -> None:
    """554 5.7.1: it is about the message."""
    message_id = await sent(application, "blocked@remote.test")
    found, [event] = await come_back(application, message_id, told_of("bounced"))
    assert event["data"]["match"] == "signed"
    assert found["recipients"][0]["status"] == "bounced"
    assert (await answer_to(application, invoice("blocked@remote.test")))["status"] == "queued"


async def test_what_is_only_delayed_goes_on_until_it_is_given_up(
    application: Application, bouncing: MailPeers
) -> None:
    """452: a notice of the delay, which changes nothing; at the end a bounce, and a lease."""
    recipient = "full@remote.test"
    message_id = await sent(application, recipient)
    found, [event] = await come_back(application, message_id, told_of("deferred"))
    assert event["data"]["match"] == "signed"
    assert found["recipients"][0]["status"] in {"sent", "deferred"}
    assert await application._suppressions.find(recipient) == ()
    await asyncio.to_thread(bouncing.expire)
    found, [event] = await come_back(application, message_id, told_of("bounced"))
    assert event["data"]["status"] == "4.2.2"
    assert event["data"]["hard"] is False
    assert found["recipients"][0]["status"] == "bounced"
    again = await answer_to(application, invoice(recipient))
    assert again["status"] == "suppressed"
    assert again["suppressed"][0]["reason"].startswith("Suppressed until")
    [lease] = await application._suppressions.find(recipient)
    assert lease.until is not None
    day = timedelta(hours=24)
    assert day - timedelta(minutes=5) < lease.until - datetime.now(UTC) <= day


async def test_what_arrives_is_left_alone(application: Application, remote: RemoteServer) -> None:
    """Nothing comes back of it, so nothing is told."""
    message_id = await sent(application, "ana@remote.test")
    async with asyncio.timeout(PATIENCE):
        while not any(message_id.encode() in mail for mail in remote.accepted):
            await asyncio.sleep(0.1)
    await application.read_returned_mail()
    assert await work_off_events(application) == []
    found = await view(application, message_id)
    assert [entry["type"] for entry in found["timeline"]] == ["accepted", "sent"]
