"""Connections that break, and servers that answer too much, too little or nonsense.

The rule for all of them: `accepted` is True only by the server's word, False only where the server
cannot have taken the mail, None where nobody can know.
"""

import asyncio
import socket
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.delivery.envelope import Extensions, Mail
from shared.delivery.handover import Handover
from shared.delivery.transaction import Chunking, Transaction
from shared.delivery.wire import Wire
from tests.delivery.smtp_server import SENDER, Handler, send_split, wired

CONTENT = b"Date: Tue, 01 Dec 2026 08:00:00 +0000\r\n\r\nHello\r\n"
FAST = Extensions(pipelining=True, chunking=True)
PLAIN = Extensions()
MB = 1_000_000


async def hand_over(
    handler: Handler, extensions: Extensions = FAST, *, recipients: int = 1,
    content: bytes = CONTENT, timeout: float = 5, patience: float = 5, buffer: int = 0,
) -> tuple[Handover, Wire]:  # fmt: skip
    mail = Mail(SENDER, tuple(f"r{n}@example.com" for n in range(recipients)), content)
    chunking = Chunking.PROVEN if extensions.chunking else Chunking.ABSENT
    async with wired(handler, buffer=buffer) as wire:
        if buffer:
            own: socket.socket = wire._transport.get_extra_info("socket")
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        transaction = Transaction(
            wire, extensions, mail, chunking=chunking, timeout=timeout, patience=patience
        )
        return await transaction.run(), wire


async def read_flight(reader: asyncio.StreamReader) -> None:
    """MAIL, RCPT … and BDAT with its octets."""
    while not (line := await reader.readline()).startswith(b"BDAT"):
        assert line, "the client went away"
    await reader.readexactly(int(line.split()[1]))


def after_the_flight(
    stream: bytes, sizes: Sequence[int] = (), *, reset: bool = False, stay: float = 0
) -> Handler:
    """Takes the whole flight, says this, and closes (by RST, or later)."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_flight(reader)
        await send_split(writer, stream, sizes)
        await asyncio.sleep(stay)
        if reset:
            linger = b"\1\0\0\0\0\0\0\0"
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        else:
            writer.close()

    return handle


def replies(codes: Sequence[int]) -> list[bytes]:
    return [f"{code}-{code // 100}.0.0 first\r\n{code} last\r\n".encode() for code in codes]


CODES = st.sampled_from([250, 250, 251, 450, 550])


@settings(max_examples=150, deadline=None)
@example(codes=[250, 250, 250], part=1.0, sizes=[], reset=False)
@example(codes=[450, 250, 250], part=1.0, sizes=[], reset=False)
@example(codes=[250, 550, 250], part=1.0, sizes=[9], reset=False)
@example(codes=[550, 503, 503], part=0.4, sizes=[1], reset=False)
@example(codes=[250, 550, 550, 554], part=0.9, sizes=[3], reset=False)
@given(
    codes=st.lists(CODES, min_size=3, max_size=6),
    part=st.floats(0, 1),
    sizes=st.lists(st.integers(1, 30), max_size=3),
    reset=st.booleans(),
)
async def test_a_connection_that_breaks_after_any_octet_of_the_replies(
    *, codes: list[int], part: float, sizes: list[int], reset: bool
) -> None:
    stream = replies(codes)
    cut = round(part * sum(map(len, stream)))
    known, end = [], 0
    for code, reply in zip(codes, stream, strict=True):
        end += len(reply)
        if end <= cut:
            known.append(code)
    handover, wire = await hand_over(
        after_the_flight(b"".join(stream)[:cut], sizes, reset=reset), recipients=len(codes) - 2
    )
    assert summary(handover) == verdict(known, len(codes))
    if len(known) < len(codes):
        assert not wire.idle


def summary(handover: Handover) -> tuple[bool | None, int | None, list[int]]:
    refused = [reply.code for reply in handover.refused.values()]
    return handover.accepted, handover.reply.code if handover.reply else None, refused


def verdict(known: list[int], count: int) -> tuple[bool | None, int | None, list[int]]:
    """What these replies, of `count` that were due, tell about the mail."""
    refused = [code for code in known[1 : count - 1] if code >= 300]
    nobody = bool(known) and (known[0] >= 300 or len(refused) == count - 2)
    if nobody and len(known) == count and known[-1] < 300:
        return None, None, []  # refused for everybody, and accepted: which of them is true?
    if known and known[0] >= 300:
        return False, known[0], []
    if nobody:
        return False, refused[-1], refused
    if len(known) == count:
        return known[-1] < 300, known[-1], refused
    return None, None, refused


@pytest.mark.parametrize("sizes", [(), (1,), (5, 40)])
@pytest.mark.parametrize("position", [0, 1, 2, 3])
async def test_421_instead_of_a_reply_is_a_refusal(position: int, sizes: tuple[int, ...]) -> None:
    codes = [*(250, 550, 250, 250)[:position], 421]
    handover, wire = await hand_over(
        after_the_flight(b"".join(replies(codes)), sizes), recipients=2
    )
    assert handover.accepted is False
    assert handover.reply is not None
    assert handover.reply.code == 421
    assert handover.stage == ("mail", "rcpt", "rcpt", "end-of-data")[position]
    assert ("r0@example.com" in handover.refused) == (position >= 1)
    assert not wire.idle


async def test_a_server_that_says_421_to_a_recipient_and_goes_on_all_the_same() -> None:
    stream = b"".join(replies([250, 421, 250, 250]))
    handover, wire = await hand_over(after_the_flight(stream, stay=0.05), recipients=2)
    assert summary(handover) == (True, 250, [421])
    assert not wire.idle


async def test_421_to_a_recipient_and_then_silence_leaves_the_mail_in_doubt() -> None:
    stream = b"".join(replies([250, 421]))
    handover, _ = await hand_over(after_the_flight(stream, stay=1), recipients=2, patience=0.05)
    assert summary(handover) == (None, None, [421])


async def test_421_behind_the_last_reply_ends_the_session_and_nothing_else() -> None:
    stream = b"".join(replies([250, 250, 250, 421]))
    handover, wire = await hand_over(after_the_flight(stream, stay=0.05))
    assert handover.accepted is True
    assert not wire.idle


@pytest.mark.parametrize("last", [250, 500])
async def test_a_reply_too_many_makes_all_of_them_doubtful(last: int) -> None:
    stream = b"".join(replies([250, 250, 550, last]))
    handover, wire = await hand_over(after_the_flight(stream, stay=0.05))
    assert summary(handover) == (None, None, [])
    assert "unasked" in wire.fail("").detail


NONSENSE = [
    b"hello\r\n",
    b"25 OK\r\n",
    b"2500 OK\r\n",
    b"199 OK\r\n",
    b"654 OK\r\n",
    b"\r\n",
    b"250-one\r\n251 two\r\n",
    b"354 Go on\r\n",
    b"250 " + b"x" * 10_000,
    b"250 " + b"x" * 10_000 + b"\r\n",
    b"250-x\r\n" * 20_000,
    b"\x15\x03\x01\x00\x02\x02\x46",  # a TLS alert in the clear
]


@pytest.mark.parametrize("nonsense", NONSENSE, ids=lambda octets: repr(octets[:12]))
@pytest.mark.parametrize("sizes", [(), (1000, 7)])
async def test_nonsense_ends_the_session(nonsense: bytes, sizes: tuple[int, ...]) -> None:
    after_all = after_the_flight(b"250 OK\r\n" + nonsense, sizes, stay=0.05)
    handover, wire = await hand_over(after_all, patience=0.04)
    assert summary(handover) == (None, None, [])
    assert not wire.idle

    async def at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        await send_split(writer, nonsense, sizes)
        await reader.read()

    handover, wire = await hand_over(at_once, PLAIN, timeout=0.05)
    assert summary(handover) == (False, None, [])
    assert not wire.idle


@pytest.mark.parametrize("answered", range(5))
@pytest.mark.parametrize("closes", [True, False])
async def test_silence_or_the_end_after_each_command_of_the_plain_protocol(
    *, answered: int, closes: bool
) -> None:
    """Without extensions only the end of the data leaves a doubt."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for code in (250, 250, 250, 354)[:answered]:
            await reader.readline()
            writer.write(replies([code])[0])
        await reader.readuntil(b"\r\n.\r\n" if answered == 4 else b"\r\n")
        if not closes:
            await reader.read()

    handover, _ = await hand_over(handle, PLAIN, recipients=2, timeout=0.05, patience=0.05)
    assert handover.accepted is (None if answered == 4 else False)
    assert handover.stage == ("mail", "rcpt", "rcpt", "data", "end-of-data")[answered]
    assert handover.reply is None
    assert ("closed" if closes else "did not answer") in handover.detail


async def envelope_then(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, octets: int
) -> None:
    """Accepts MAIL and RCPT, then takes so many octets of the content."""
    for _ in range(2):
        await reader.readline()
    writer.write(b"".join(replies([250, 250])))
    await reader.readexactly(octets)
    writer.transport.pause_reading()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("said", "summed_up"),
    [
        (b"", (False, None, [])),
        (b"552 5.3.4 Too big\r\n", (False, 552, [])),
        (b"502 5.5.1 Not implemented\r\n", (False, None, [])),
        (b"421 4.3.2 Not active\r\n", (False, 421, [])),
        (b"250 2.0.0 OK\r\n", (False, None, [])),
    ],
)
@pytest.mark.parametrize("closes", [True, False])
async def test_the_server_speaks_or_ends_while_the_content_is_written(
    *, said: bytes, summed_up: tuple[bool, int | None, list[int]], closes: bool
) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await envelope_then(reader, writer, MB)
        writer.write(said)
        if closes:
            writer.close()  # the client's octets that come now are answered by RST
        else:
            await asyncio.sleep(1)

    handover, wire = await hand_over(handle, content=CONTENT + b"x" * 40 * MB, timeout=0.2)
    # The reset that follows a close may overtake what was said.
    assert summary(handover) == summed_up or (closes and summary(handover) == (False, None, []))
    assert not wire.idle


async def test_octets_that_never_left_cannot_have_been_accepted() -> None:
    """All of the content is handed to the transport, and the transport still has some of it."""

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(1)

    content = CONTENT + b"x" * 100_000
    handover, _ = await hand_over(deaf, content=content, patience=0.05, buffer=4096)
    assert summary(handover) == (False, None, [])


@pytest.mark.parametrize("size", [10, 100_000])
async def test_a_socket_that_refuses_the_octets_has_not_sent_them(size: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, *listener.getsockname())
        wire = Wire(transport)
        peer, _ = listener.accept()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()  # the reset is there before the loop can look
    mail = Mail(SENDER, ("ana@example.com",), CONTENT + b"x" * size)
    handover = await Transaction(wire, FAST, mail, chunking=Chunking.PROVEN, timeout=5).run()
    assert summary(handover) == (False, None, [])
    assert "broke" in handover.detail


async def test_what_comes_between_two_mails_ends_the_session() -> None:
    spoken = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await spoken.wait()
        writer.write(b"421 4.4.1 Connection timed out\r\n")
        await reader.read()

    async with wired(handle) as wire:
        assert wire.idle
        spoken.set()
        await asyncio.sleep(0.05)
        assert not wire.idle
