"""Connections that break, and what is known of the mail then."""

import asyncio
from datetime import UTC, datetime

import pytest

from local.office365 import Fault, Office365Server
from tests.delivery.conftest import OpenSession
from tests.delivery.envelope import CONTENT, mail


@pytest.mark.parametrize(
    ("stage", "at"),
    [("mail", "mail"), ("rcpt", "rcpt"), ("bdat", "data")],
)
@pytest.mark.parametrize("action", ["drop", "accept-and-drop"])
async def test_a_connection_that_breaks_before_the_content_has_handed_nothing_over(
    office: Office365Server, open_: OpenSession, stage: str, at: str, action: str
) -> None:
    session = await open_()
    office.faults.add([Fault(stage, action)])
    handover = await session.hand_over(mail())
    assert (handover.accepted, handover.reply, handover.stage) == (False, None, at)
    assert "broke" in handover.detail
    assert not session.usable
    assert office.messages == ()


async def test_refusals_before_a_break_are_kept(
    office: Office365Server, open_: OpenSession
) -> None:
    session = await open_()
    office.faults.add([Fault("rcpt", "drop", argument="bo@")])
    handover = await session.hand_over(mail("unknown@example.com", "bo@example.com"))
    assert handover.accepted is False
    assert list(handover.refused) == ["unknown@example.com"]


async def test_a_break_in_the_middle_of_a_large_content_has_handed_nothing_over(
    office: Office365Server, open_: OpenSession
) -> None:
    session = await open_()
    office.faults.add([Fault("body", "drop", after_octets=300_000, skip=1)])
    handover = await session.hand_over(mail(content=CONTENT + b"x" * 76 + b"\r\n" * 6_000_000))
    assert (handover.accepted, handover.stage) == (False, "data")
    assert not session.usable
    assert office.messages == ()


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        (Fault("body", "drop", skip=1), 0),  # all of it was written: nobody knows how far it came
        (Fault("end-of-data", "drop"), 0),
        (Fault("end-of-data", "accept-and-drop"), 1),
    ],
)
async def test_a_break_after_the_end_of_data_leaves_it_unknown(
    office: Office365Server, open_: OpenSession, fault: Fault, taken: int
) -> None:
    session = await open_()
    office.faults.add([fault])
    handover = await session.hand_over(mail("ana@example.com", "unknown@example.com"))
    assert (handover.accepted, handover.stage, handover.reply) == (None, "end-of-data", None)
    assert list(handover.refused) == ["unknown@example.com"]
    assert len(office.messages) == taken
    assert not session.usable


async def test_a_break_after_the_reply_is_only_the_session_s_end(
    office: Office365Server, open_: OpenSession
) -> None:
    session = await open_()
    office.faults.add([Fault("end-of-data", "drop-after-reply")])
    handover = await session.hand_over(mail())
    assert handover.accepted
    await asyncio.sleep(0.05)
    assert not await session.check()
    assert not session.usable


async def test_silence_before_the_content_ends_with_the_timeout(
    office: Office365Server, open_: OpenSession
) -> None:
    session = await open_(timeout=0.2)
    office.faults.add([Fault("bdat", "hang", seconds=5)])
    handover = await session.hand_over(mail())
    assert (handover.accepted, handover.reply) == (False, None)
    assert not session.usable


async def test_a_server_that_stops_reading_ends_with_the_timeout(
    office: Office365Server, open_: OpenSession
) -> None:
    session = await open_(timeout=0.3)
    office.faults.add([Fault("body", "hang", seconds=5)])
    handover = await session.hand_over(mail(content=CONTENT + (b"x" * 76 + b"\r\n") * 400_000))
    assert (handover.accepted, handover.stage) == (False, "data")


async def test_a_421_in_the_middle_ends_the_session_and_is_the_reply(
    office: Office365Server, open_: OpenSession
) -> None:
    session = await open_()
    office.faults.add([Fault("mail", "421")])
    handover = await session.hand_over(mail())
    assert handover.accepted is False
    assert handover.reply is not None
    assert handover.reply.code == 421
    assert not session.usable
    await session.aclose()


async def test_a_421_at_the_second_recipient(office: Office365Server, open_: OpenSession) -> None:
    session = await open_()
    office.faults.add([Fault("rcpt", "421", argument="bo@")])
    handover = await session.hand_over(mail("ana@example.com", "bo@example.com", "cy@example.com"))
    assert handover.accepted is False
    assert handover.reply == handover.refused["bo@example.com"]
    assert handover.reply.code == 421
    assert not session.usable
    assert office.messages == ()


async def test_a_421_at_the_end_of_data_is_a_refusal(
    office: Office365Server, open_: OpenSession
) -> None:
    session = await open_()
    office.faults.add([Fault("end-of-data", "421")])
    handover = await session.hand_over(mail())
    assert (handover.accepted, handover.stage) == (False, "end-of-data")
    assert not session.usable


@pytest.mark.parametrize(("reply", "accepted"), [("251 OK", True), ("354 Go on", None)])
async def test_the_first_digit_at_the_end_of_data_decides(
    office: Office365Server, open_: OpenSession, reply: str, *, accepted: bool | None
) -> None:
    session = await open_()
    office.faults.add([Fault("end-of-data", "reply", reply=reply)])
    handover = await session.hand_over(mail())
    assert handover.accepted is accepted
    assert session.usable == (accepted is not None)


async def test_a_refusal_is_kept_though_the_connection_breaks_at_rset(
    office: Office365Server, open_: OpenSession
) -> None:
    session = await open_()
    office.faults.add(
        [Fault("mail", "reply", reply="550 5.7.708 Access denied"), Fault("rset", "drop")]
    )
    handover = await session.hand_over(mail())
    assert handover.accepted is False
    assert handover.reply is not None
    assert handover.reply.enhanced == "5.7.708"
    assert not session.usable


async def test_a_token_that_ends_in_mid_session_is_a_refusal_for_now(
    office: Office365Server, open_: OpenSession
) -> None:
    session = await open_()
    office.exchange.clock = lambda: datetime(2099, 1, 1, tzinfo=UTC)
    handover = await session.hand_over(mail())
    assert handover.accepted is False
    assert handover.reply is not None
    assert handover.reply.code == 421
    assert not session.usable
