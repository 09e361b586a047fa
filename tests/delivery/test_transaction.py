"""A transaction against a server that accepts and refuses at will, with every set of extensions."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.delivery.envelope import Extensions, Mail
from shared.delivery.handover import Handover
from shared.delivery.transaction import Chunking, Transaction
from shared.delivery.wire import PIECE, Wire
from tests.delivery.smtp_server import SENDER, Server, wired

HEADER = b"Date: Tue, 01 Dec 2026 08:00:00 +0000\r\nSubject: Dots\r\n\r\n"
CONTENT = HEADER + b".one\r\n..two\r\n\r\n.\r\nthree\r\n"

PLAIN = Extensions()
PIPELINED = Extensions(pipelining=True)
CHUNKED = Extensions(chunking=True)
FAST = Extensions(pipelining=True, chunking=True, dsn=True, declares_size=True)
EXTENSIONS = (PLAIN, PIPELINED, CHUNKED, FAST)

OK_OR_NOT = st.sampled_from([250, 250, 250, 251, 450, 550])


def mail_to(count: int, content: bytes = CONTENT) -> Mail:
    return Mail(SENDER, tuple(f"reader-{n}@example.com" for n in range(count)), content)


def transaction(
    wire: Wire, extensions: Extensions, mail: Mail, chunking: Chunking | None = None
) -> Transaction:
    known = Chunking.UNTRIED if extensions.chunking else Chunking.ABSENT
    return Transaction(
        wire, extensions, mail, chunking=chunking or known, timeout=5, patience=5
    )  # fmt: skip


async def hand_over(
    server: Server, extensions: Extensions, mail: Mail, chunking: Chunking | None = None
) -> tuple[Handover, Transaction, Wire]:
    async with wired(server.serve) as wire:
        one = transaction(wire, extensions, mail, chunking)
        handover = await one.run()
        if not handover.accepted and wire.idle:  # the session's part
            assert (await wire.ask(b"RSET\r\n", 5)).code == 250
        assert wire.idle, "the session can go on"
        return handover, one, wire


def outcomes(handover: Handover, mail: Mail) -> Mapping[str, int | None]:
    """The code that each recipient's fate is due to; None where it is not known."""
    deciding = handover.reply.code if handover.reply else None
    return {
        recipient: handover.refused[recipient].code
        if recipient in handover.refused
        else (deciding if handover.accepted is not None else None)
        for recipient in mail.recipients
    }


def expected(server: Server, mail: Mail, *, by_data: bool) -> Mapping[str, int]:
    """What one command after the other would bring."""
    if server.mail >= 300:
        return dict.fromkeys(mail.recipients, server.mail)
    codes = dict(zip(mail.recipients, server.rcpts, strict=True))
    deciding = server.data if by_data and server.data != 354 else server.end
    return {r: code if code >= 300 else deciding for r, code in codes.items()}


@settings(max_examples=120, deadline=None)
@example(FAST, Chunking.PROVEN, Server(rcpts=(250, 550, 250)))
@example(PIPELINED, None, Server(rcpts=(550, 550), eager=True, sizes=(1,)))
@example(PIPELINED, None, Server(mail=550, eager=True))
@given(
    extensions=st.sampled_from(EXTENSIONS),
    proven=st.sampled_from([Chunking.PROVEN, None]),
    server=st.builds(
        Server,
        mail=OK_OR_NOT,
        rcpts=st.lists(OK_OR_NOT, min_size=1, max_size=6).map(tuple),
        data=st.sampled_from([354, 354, 451, 554]),
        end=st.sampled_from([250, 250, 451, 554]),
        eager=st.booleans(),
        sizes=st.lists(st.integers(1, 40), max_size=4).map(tuple),
    ),
)
async def test_any_pattern_of_replies_gives_what_sequential_commands_would(
    extensions: Extensions, proven: Chunking | None, server: Server
) -> None:
    server = replace(server)  # an example is run again while it is made smaller
    mail = mail_to(len(server.rcpts))
    handover, _, _ = await hand_over(
        server, extensions, mail, proven if extensions.chunking else None
    )
    by_data = not extensions.chunking
    codes = expected(server, mail, by_data=by_data)
    assert outcomes(handover, mail) == codes
    taken = tuple(r for r, code in codes.items() if code < 300)
    assert server.accepted == ([(taken, CONTENT)] if taken else [])
    assert handover.accepted is bool(taken)


@pytest.mark.parametrize("code", [500, 502, 504])
@pytest.mark.parametrize(
    ("bdat", "chunking"),
    [
        ("obeyed", Chunking.UNTRIED),
        ("dropped", Chunking.UNTRIED),
        ("dropped", Chunking.PROVEN),  # one that took a chunk before knows where a chunk ends
    ],
)
@pytest.mark.parametrize("extensions", [CHUNKED, FAST])
@pytest.mark.parametrize("sizes", [(), (1,), (37,)])
async def test_a_server_that_does_not_know_bdat_gets_the_mail_by_data(
    extensions: Extensions, bdat: str, code: int, chunking: Chunking, sizes: tuple[int, ...]
) -> None:
    server = Server(bdat=bdat, unknown=code, rcpts=(250, 550), sizes=sizes)  # type: ignore[arg-type]
    mail = mail_to(2, HEADER + b"RCPT TO:<victim@example.com>\r\nRSET\r\n.QUIT\r\n")
    handover, one, _ = await hand_over(server, extensions, mail, chunking)
    assert outcomes(handover, mail) == dict(zip(mail.recipients, (250, 550), strict=True))
    assert server.accepted == [(mail.recipients[:1], mail.content)]
    assert one.chunking is Chunking.ABSENT
    assert b"RCPT TO:<victim@example.com>" not in server.commands, "no content is ever obeyed"


async def test_the_first_chunk_of_a_session_is_a_header_line_the_next_mail_one_flight() -> None:
    server = Server()
    async with wired(server.serve) as wire:
        first = transaction(wire, FAST, mail_to(1))
        assert (await first.run()).accepted
        assert (server.flights, first.chunking) == (2, Chunking.PROVEN)
        second = transaction(wire, FAST, mail_to(3), first.chunking)
        assert (await second.run()).accepted
    assert server.flights == 3
    assert server.accepted == [(mail_to(n).recipients, CONTENT) for n in (1, 3)]


async def test_a_content_that_begins_with_no_header_line_goes_by_data() -> None:
    server = Server()
    mail = mail_to(1, b"RSET\r\nNot a header.\r\n")
    handover, one, _ = await hand_over(server, FAST, mail)
    assert handover.accepted
    assert one.chunking is Chunking.UNTRIED
    assert not any(command.startswith(b"BDAT") for command in server.commands)
    assert server.accepted == [(mail.recipients, mail.content)]


@pytest.mark.parametrize(
    ("extensions", "flights"), [(PLAIN, 4), (CHUNKED, 3), (PIPELINED, 2), (FAST, 1)]
)
async def test_round_trips_of_a_mail(extensions: Extensions, flights: int) -> None:
    server = Server()
    chunking = Chunking.PROVEN if extensions.chunking else None
    await hand_over(server, extensions, mail_to(1), chunking)
    assert server.flights == flights


async def test_500_recipients_go_through_small_buffers_without_blocking() -> None:
    server = Server(rcpts=(250,) * 9 + (550,))
    mail = mail_to(500)
    async with wired(server.serve, buffer=2048) as wire:
        handover = await transaction(wire, FAST, mail, Chunking.PROVEN).run()
    assert len(handover.refused) == 50
    assert [len(recipients) for recipients, _ in server.accepted] == [450]
    assert sum(command.startswith(b"BDAT") for command in server.commands) == 1


@pytest.mark.parametrize("extensions", EXTENSIONS)
async def test_a_large_content_waits_for_the_recipients_and_arrives_whole(
    extensions: Extensions,
) -> None:
    large = HEADER + b"0123456789abcde\r\n.x\r\n" * 150_000
    server = Server()
    chunking = Chunking.PROVEN if extensions.chunking else None
    handover, _, _ = await hand_over(server, extensions, mail_to(1, large), chunking)
    assert handover.accepted
    assert server.accepted == [(mail_to(1).recipients, large)]
    refusing = Server(rcpts=(550,))
    handover, _, _ = await hand_over(refusing, extensions, mail_to(1, large), chunking)
    assert outcomes(handover, mail_to(1)) == {mail_to(1).recipients[0]: 550}
    assert not any(command.startswith(b"BDAT") for command in refusing.commands)


@settings(max_examples=60, deadline=None)
@given(
    near=st.integers(-6, 6),
    end=st.lists(st.sampled_from([b"\r\n", b"\r\n.", b".", b"\r", b"a"]), max_size=12),
    start=st.sampled_from([b"", b".", b"\r\n.", b".\r\n"]),
)
async def test_dots_are_doubled_wherever_the_pieces_are_cut(
    near: int, end: list[bytes], start: bytes
) -> None:
    content = start + b"x" * (PIECE + near - len(start)) + b"".join(end) + b"\r\n"
    server = Server()
    await hand_over(server, PIPELINED, mail_to(1, content))
    [(_, received)] = server.accepted
    assert received == content


async def test_addresses_that_would_end_a_command_never_reach_the_wire() -> None:
    server = Server()
    mail = Mail(SENDER, ("good@example.com", "bad@example.com>\r\nRSET"), CONTENT)
    handover, _, _ = await hand_over(server, FAST, mail)
    assert outcomes(handover, mail) == {mail.recipients[0]: 250, mail.recipients[1]: 553}
    assert b"RSET" not in b"".join(server.commands)
    mail = Mail(SENDER, mail.recipients[1:], CONTENT)
    handover, _, _ = await hand_over(server, FAST, mail)
    assert handover.accepted is False
    assert outcomes(handover, mail) == {mail.recipients[0]: 553}


async def test_a_recipient_given_twice_gets_the_mail_once() -> None:
    server = Server()
    mail = Mail(SENDER, ("ana@example.com", "ana@example.com"), CONTENT)
    handover, _, _ = await hand_over(server, FAST, mail)
    assert handover.accepted
    assert server.accepted == [(("ana@example.com",), CONTENT)]


async def test_cancelling_drops_the_connection() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with wired(silent) as wire:
        task = asyncio.create_task(transaction(wire, FAST, mail_to(1)).run())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not wire.idle, "a session that was left in the middle is not used again"
