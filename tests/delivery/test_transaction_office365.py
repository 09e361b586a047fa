"""Sessions with the local Office 365: every fault it has, against what it really kept."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from local.certificates import LocalAuthority
from local.contoso import APP_CLIENT_ID, MAILBOXES, TENANT_ID
from local.office365 import Fault, Limits, Mailbox, Office365Server
from shared.delivery.handover import Handover
from shared.delivery.session import Mail, SignIn, SmtpSession, open_session, tls_context
from shared.delivery.submission import SubmissionServer
from shared.delivery.transaction import Chunking
from shared.delivery.wire import PIECE

BILLING, ALERTS = MAILBOXES
ANA, UNKNOWN, FULL = "ana@example.com", "unknown@example.com", "full@example.com"
HEADER = b"Date: Tue, 01 Dec 2026 08:00:00 +0000\r\nFrom: billing@contoso.test\r\n"

COMMANDS = ("mail", "rcpt", "data", "bdat", "end-of-data", "rset", "noop")
SPOKEN = ("reply", "421", "slow", "hang", "accept-and-hang")
CUT = ("drop", "accept-and-drop", "drop-after-reply")
FAULTS = [
    *((stage, action) for stage in COMMANDS for action in (*SPOKEN, *CUT)),
    *((stage, action) for stage in ("body", "after-reply") for action in ("drop", "421", "hang")),
]


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
async def office(
    authority: LocalAuthority, key: rsa.RSAPrivateKey
) -> AsyncIterator[Office365Server]:
    server = Office365Server(
        authority, key.public_key(), mailboxes=[Mailbox(name) for name in MAILBOXES],
        limits=replace(Limits.unlimited(), command_errors=10),
    )  # fmt: skip
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def session(office: Office365Server, key: rsa.RSAPrivateKey) -> AsyncIterator[SmtpSession]:
    session = await sign_in(office, key)
    yield session
    await session.aclose()


TLS = tls_context()


async def sign_in(office: Office365Server, key: rsa.RSAPrivateKey) -> SmtpSession:
    claims = {
        "aud": "https://outlook.office365.com", "tid": TENANT_ID, "appid": APP_CLIENT_ID,
        "roles": ["SMTP.SendAsApp"], "exp": datetime(2100, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    server = SubmissionServer("localhost", office.smtp_port, scope="")
    token = jwt.encode(claims, key, "RS256")
    return await open_session(server, SignIn(BILLING, token), tls=TLS, timeout=5)


def mail(number: int, *recipients: str, size: int = 100) -> Mail:
    header = HEADER + b"Message-ID: <%d@contoso.test>\r\n\r\n" % number
    return Mail(BILLING, recipients or (ANA,), header + b"x" * 70 + b"\r\n.y\r\n" * (size // 6))


def kept(office: Office365Server) -> list[tuple[str, ...]]:
    return [tuple(r.address for r in one.recipients) for one in office.messages]


async def test_one_refused_of_three_recipients_and_the_mail_as_it_was(
    office: Office365Server, session: SmtpSession
) -> None:
    for number in range(2):
        one = mail(number, ANA, UNKNOWN, "bo@example.com")
        handover = await session.hand_over(one)
        assert handover.accepted
        assert {a: r.status for a, r in handover.refused.items()} == {UNKNOWN: "5.1.10"}
        assert handover.reply is not None
        assert handover.reply.server_id == f"<{number}@contoso.test>"
        assert office.messages[number].content == one.content
    assert office.messages[1].chunking
    assert office.messages[1].pipelining
    assert kept(office) == [(ANA, "bo@example.com")] * 2


async def test_the_session_goes_on_after_every_refusal(
    office: Office365Server, session: SmtpSession
) -> None:
    async def refusal(one: Mail) -> tuple[str, str]:
        handover = await session.hand_over(one)
        assert handover.accepted is False
        assert handover.reply is not None
        return handover.stage, handover.reply.status

    for _ in range(2):  # the first chunk of a session, then all in one flight
        assert await refusal(mail(1, UNKNOWN, FULL)) == ("rcpt", "4.2.2")
        assert await refusal(mail(1, "refused@example.com")) == ("end-of-data", "5.7.1")
        foreign = replace(mail(1), sender=ALERTS)
        assert await refusal(foreign) == ("end-of-data", "5.2.252")
        assert await refusal(replace(mail(1), sender="<")) == ("mail", "5.5.4")
        assert session.usable
        assert (await session.hand_over(mail(2))).accepted
    assert kept(office) == [(ANA,)] * 2


@pytest.mark.parametrize("mode", ["first chunk", "one flight", "data", "plain"])
@pytest.mark.parametrize(("stage", "action"), FAULTS)
async def test_each_fault_at_each_stage(
    office: Office365Server, session: SmtpSession, mode: str, stage: str, action: str
) -> None:
    if mode in {"data", "plain"}:
        session._extensions = replace(session._extensions, pipelining=mode != "plain")
        session._chunking = Chunking.ABSENT
    before = 0
    if mode != "first chunk":
        assert (await session.hand_over(mail(0))).accepted
        before = 1
    office.faults.add([Fault(stage, action, seconds=0.02, after_octets=60)])
    recipients = (UNKNOWN, FULL) if stage == "rset" else (UNKNOWN, ANA)
    handover = await session.hand_over(mail(1, *recipients))
    struck = office.faults.as_json()[0]["struck"]
    taken = kept(office)[before:]
    check(handover, recipients, taken)
    if not struck or action in {"hang", "accept-and-hang", "slow"}:
        assert taken == ([(ANA,)] if ANA in recipients else []), "one that takes its time"
        assert session.usable
    office.faults.clear()
    if await session.check():
        assert (await session.hand_over(mail(2))).accepted
        assert kept(office)[-1] == (ANA,)
    else:
        assert action in {"421", *CUT} or (stage, action) == ("rset", "reply")


def check(handover: Handover, recipients: tuple[str, ...], taken: list[tuple[str, ...]]) -> None:
    """What the session says of each recipient is true, and it says it wherever it can."""
    if handover.accepted is None:
        assert handover.reply is None
        return
    believed = tuple(r for r in recipients if handover.accepted and r not in handover.refused)
    assert taken == ([believed] if believed else [])
    assert handover.reply or handover.detail


async def test_a_fault_at_noop_is_noticed(office: Office365Server, session: SmtpSession) -> None:
    office.faults.add([Fault("noop", "drop")])
    assert not await session.check()
    assert not session.usable


async def test_bdat_answered_502_is_replaced_by_data_for_the_whole_session(
    office: Office365Server, session: SmtpSession
) -> None:
    office.faults.add([Fault("bdat", "reply", reply="502 5.5.1 Not implemented", times=None)])
    for number in range(2):
        assert (await session.hand_over(mail(number))).accepted
    assert [one.chunking for one in office.messages] == [False, False]
    assert office.faults.as_json()[0]["met"] == 1


async def test_a_session_that_the_server_ends_while_idle_is_not_used(
    office: Office365Server, session: SmtpSession
) -> None:
    assert (await session.hand_over(mail(1))).accepted
    office.faults.add([Fault("after-reply", "421")])
    assert (await session.hand_over(mail(2))).accepted
    await asyncio.sleep(0.05)
    assert not session.usable
    handover = await session.hand_over(mail(3))
    assert handover.accepted is False
    assert kept(office) == [(ANA,)] * 2


async def test_large_contents_at_once_arrive_whole(
    office: Office365Server, session: SmtpSession, key: rsa.RSAPrivateKey
) -> None:
    sessions = [session, await sign_in(office, key)]
    mails = [mail(number, size=size) for number, size in enumerate((600_000, 2_400_000))]
    for one in sessions:  # the system shall not take it all
        own: socket.socket = one._wire._transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    held = 0

    async def watch() -> None:
        nonlocal held
        while True:
            held = max(held, *(one._wire._held() for one in sessions))
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    for _ in range(2):
        done = await asyncio.gather(
            *(one.hand_over(big) for one, big in zip(sessions, mails, strict=True))
        )
        assert all(handover.accepted for handover in done)
    watching.cancel()
    assert PIECE < held < 4 * PIECE, "a few pieces, not the content"
    assert sorted(len(one.content) for one in office.messages) == sorted(
        2 * [len(big.content) for big in mails]
    )
    await sessions[1].aclose()


async def test_a_server_that_stops_reading_has_not_got_the_mail(
    office: Office365Server, session: SmtpSession
) -> None:
    assert (await session.hand_over(mail(0))).accepted
    office.faults.add([Fault("body", "hang", seconds=2)])
    session._timeout = 0.2
    handover = await session.hand_over(mail(1, size=30_000_000))
    assert handover.accepted is False
    assert "took nothing" in handover.detail
    assert not session.usable
    assert kept(office) == [(ANA,)]


async def test_what_ehlo_foretells_is_not_even_sent(
    office: Office365Server, session: SmtpSession
) -> None:
    flights = office.counters.flights
    session._extensions = replace(session._extensions, size=1000)
    handover = await session.hand_over(mail(1, size=2000))
    assert handover.accepted is False
    assert handover.reply is not None
    assert handover.reply.status == "5.3.4"
    assert office.counters.flights == flights


async def test_closing_says_quit(office: Office365Server, key: rsa.RSAPrivateKey) -> None:
    session = await sign_in(office, key)
    assert office.exchange.sessions()[BILLING] == 1
    await session.aclose()
    assert not session.usable
    await asyncio.sleep(0.02)
    assert office.exchange.sessions()[BILLING] == 0
