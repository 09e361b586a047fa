"""One session against the real conversation: envelope, content, refusals."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.office365 import Fault, Limits, Office365Server
from shared.delivery.envelope import Extensions
from shared.delivery.session import SmtpSession
from shared.delivery.transaction import Chunking
from tests.delivery.conftest import ALERTS, BILLING, OpenSession, SignIns
from tests.delivery.envelope import CONTENT, mail


async def test_a_mail_arrives_with_its_envelope_and_content(
    office: Office365Server, open_: OpenSession
) -> None:
    session = await open_()
    handover = await session.hand_over(mail("ana@example.com", "bo@example.com"))
    assert (handover.accepted, handover.stage, handover.refused) == (True, "end-of-data", {})
    (kept,) = office.messages
    assert handover.reply is not None
    assert handover.reply.server_id == kept.message_id
    assert kept.sender == BILLING
    assert kept.addresses == ("ana@example.com", "bo@example.com")
    assert kept.content == CONTENT
    assert session.usable


async def test_notifications_are_asked_for_by_the_message_s_id(
    office: Office365Server, open_: OpenSession
) -> None:
    await (await open_()).hand_over(
        mail("a+b=c@example.com", '"a b"@example.com', envelope_id="order+1=2@x:3")
    )
    (kept,) = office.messages
    assert kept.parameters == {
        "SIZE": str(len(CONTENT)), "RET": "HDRS", "ENVID": "order+2B1+3D2@x:3",
    }  # fmt: skip
    assert [r.parameters for r in kept.recipients] == [
        {"NOTIFY": "FAILURE,DELAY", "ORCPT": "rfc822;a+2Bb+3Dc@example.com"},
        {"NOTIFY": "FAILURE,DELAY", "ORCPT": 'rfc822;"a+20b"@example.com'},
    ]


async def test_international_addresses_are_announced(
    office: Office365Server, open_: OpenSession
) -> None:
    handover = await (await open_()).hand_over(
        mail("用户+x@xn--r8jz45g.jp", "ana@example.com", smtputf8=True)
    )
    assert handover.accepted
    (kept,) = office.messages
    assert kept.addresses[0] == "用户+x@xn--r8jz45g.jp"
    assert kept.parameters["SMTPUTF8"] == ""
    assert kept.parameters["BODY"] == "8BITMIME"
    assert kept.recipients[0].parameters["ORCPT"] == (
        r"utf-8;\x{7528}\x{6237}+2Bx@xn--r8jz45g.jp"
    )  # RFC 6533 section 3


async def test_a_server_without_extensions_is_not_asked_for_them(
    office: Office365Server, open_: OpenSession
) -> None:
    session = await open_()
    session._extensions = Extensions()  # as if its EHLO had offered nothing
    session._chunking = Chunking.ABSENT
    assert (await session.hand_over(mail())).accepted
    (kept,) = office.messages
    assert kept.parameters == {}
    assert kept.recipients[0].parameters == {}
    handover = await session.hand_over(mail("ünï@example.com", smtputf8=True))
    assert handover.accepted is False
    assert handover.reply is not None
    assert handover.reply.enhanced == "5.6.7"
    assert len(office.messages) == 1


async def test_some_recipients_are_refused_and_the_others_get_it(
    office: Office365Server, open_: OpenSession
) -> None:
    session = await open_()
    everyone = ("unknown@example.com", "ana@example.com", "full@example.com", "bo@example.com")
    handover = await session.hand_over(mail(*everyone))
    assert handover.accepted
    assert {a: r.status for a, r in handover.refused.items()} == {
        "unknown@example.com": "5.1.10", "full@example.com": "4.2.2",
    }  # fmt: skip
    (kept,) = office.messages
    assert kept.addresses == ("ana@example.com", "bo@example.com")


async def test_no_data_where_everybody_is_refused_and_the_session_goes_on(
    office: Office365Server, open_: OpenSession
) -> None:
    session = await open_()
    handover = await session.hand_over(mail("unknown@example.com", "mistyped@example.com"))
    assert (handover.accepted, handover.stage) == (False, "rcpt")
    assert len(handover.refused) == 2
    assert session.usable
    assert (await session.hand_over(mail())).accepted
    assert len(office.messages) == 1


@pytest.mark.parametrize(
    ("stage", "fault"),
    [
        ("mail", Fault("mail", "reply", reply="451 4.7.0 Not now")),
        ("data", Fault("bdat", "reply", reply="451 4.7.0 Not now")),
        ("end-of-data", Fault("end-of-data", "reply", reply="554 5.7.1 No")),
    ],
)
async def test_a_refusal_of_the_mail_leaves_the_session_usable(
    office: Office365Server, open_: OpenSession, stage: str, fault: Fault
) -> None:
    session = await open_()
    office.faults.add([fault])
    handover = await session.hand_over(mail())
    assert (handover.accepted, handover.stage) == (False, stage)
    assert handover.reply is not None
    assert f"{handover.reply.code} {handover.reply.text}" == fault.reply
    assert session.usable
    assert (await session.hand_over(mail())).accepted
    assert office.counters.connections == 1


async def test_a_mail_over_the_announced_size_is_not_even_offered(
    office: Office365Server, open_: OpenSession
) -> None:
    office.limits = Limits.unlimited().patched({"announced_bytes": 2000})
    session = await open_()
    handover = await session.hand_over(mail(content=CONTENT + b"x" * 2000 + b"\r\n"))
    assert handover.accepted is False
    assert handover.reply is not None
    assert (handover.reply.code, handover.reply.enhanced) == (552, "5.3.4")
    assert session.usable
    assert (await session.hand_over(mail())).accepted


async def test_a_mail_over_the_mailbox_s_size_is_refused_at_mail(
    office: Office365Server, open_: OpenSession
) -> None:
    session = await open_()
    office.limits = Limits.unlimited().patched({"message_bytes": 2000})
    handover = await session.hand_over(mail(content=CONTENT + b"x" * 2000 + b"\r\n"))
    assert (handover.accepted, handover.stage) == (False, "mail")
    assert handover.reply is not None
    assert handover.reply.code == 552


@pytest.fixture
async def session(open_: OpenSession) -> SmtpSession:
    return await open_()


lines = st.lists(
    st.one_of(
        st.sampled_from([b"", b".", b"..", b"...", b".x", b"x.", b". ", b"..x", b"QUIT", b"\xff."]),
        st.binary(max_size=30).map(lambda line: line.replace(b"\r", b"").replace(b"\n", b"")),
    ),
    max_size=12,
)


@settings(
    deadline=None, derandomize=True, max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(body=lines, first=st.booleans())
async def test_lines_of_dots_arrive_as_they_were(
    office: Office365Server, session: SmtpSession, body: list[bytes], *, first: bool
) -> None:
    whole = b"\r\n".join([*body, b""]) or b"\r\n"
    content = whole if first else CONTENT + whole
    before = len(office.messages)
    handover = await session.hand_over(mail(content=content))
    assert handover.accepted
    assert len(office.messages) == before + 1
    assert office.messages[-1].content == content


@pytest.mark.parametrize("size", [255_000, 262_144, 262_145, 3_000_000])
async def test_large_content_arrives_as_it_was(
    office: Office365Server, open_: OpenSession, size: int
) -> None:
    line = b".x" * 30 + b"\r\n"
    content = CONTENT + line * (size // len(line))
    assert (await (await open_()).hand_over(mail(content=content))).accepted
    assert office.messages[0].content == content


async def test_a_check_asks_the_server(office: Office365Server, open_: OpenSession) -> None:
    session = await open_()
    office.faults.add([Fault("noop", "reply", reply="451 4.3.0 Not well")])
    assert not await session.check()
    assert not session.usable


async def test_a_check_of_a_dead_connection(office: Office365Server, open_: OpenSession) -> None:
    session = await open_()
    await office.stop()
    assert not await session.check()


async def test_closing_says_goodbye_once(office: Office365Server, open_: OpenSession) -> None:
    session = await open_(sign_in=None)
    office.faults.add([Fault("quit", "hang", seconds=0, times=None)])
    await session.aclose()
    await session.aclose()
    assert office.faults.as_json()[0]["struck"] == 1
    assert not session.usable


async def test_closing_does_not_mind_a_server_that_is_gone(
    office: Office365Server, open_: OpenSession
) -> None:
    session = await open_()
    office.faults.add([Fault("quit", "drop")])
    await session.aclose()
    assert not session.usable


async def test_two_mailboxes_have_two_sessions(
    office: Office365Server, open_: OpenSession, sign_ins: SignIns
) -> None:
    for mailbox in (BILLING, ALERTS):
        session = await open_(sign_in=await sign_ins(mailbox, None))
        content = CONTENT.replace(BILLING.encode(), mailbox.encode())
        assert (await session.hand_over(mail(sender=mailbox, content=content))).accepted
    assert [kept.mailbox for kept in office.messages] == [BILLING, ALERTS]
