"""Whatever way the octets of a message are split, the same message is received."""

import smtplib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from local.office365.content import (
    ChunkReceiver,
    DotReceiver,
    Receiver,
    read_from,
    read_header,
    read_message_id,
)

# Pieces around which data phases go wrong, and anything else.
bodies = st.lists(
    st.sampled_from([b".", b"..", b"\r\n", b"\r", b"\n", b"\r\n.", b"\n.\n", b"a", b"\0"])
    | st.binary(max_size=8),
    max_size=40,
).map(b"".join)
cuts = st.lists(st.integers(min_value=0, max_value=400), max_size=12)


def split(data: bytes, at: list[int]) -> list[bytes]:
    ends = sorted({min(cut, len(data)) for cut in at} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(ends)]


def feed(receiver: Receiver, pieces: list[bytes]) -> bytes:
    """Feed all pieces; return what the receiver left over."""
    rest = b""
    for piece in pieces:
        if receiver.done:
            rest += piece
        else:
            rest += piece[receiver.feed(piece, 0) :]
    return rest


@given(bodies, cuts)
def test_dot_stuffing_is_undone(body: bytes, at: list[int]) -> None:
    body += b"\r\n"
    stuffed = (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:]
    receiver = DotReceiver(None)

    rest = feed(receiver, split(stuffed + b".\r\nQUIT\r\n", at))

    assert receiver.done
    assert rest == b"QUIT\r\n"
    assert receiver.content == body
    assert receiver.received == len(stuffed) + 3


@given(st.text(alphabet=".\r\na", max_size=60), cuts)
def test_what_smtplib_writes_is_read_back(text: str, at: list[int]) -> None:
    body = smtplib._fix_eols(text).encode()  # type: ignore[attr-defined]  # what it sends with
    wire = smtplib._quote_periods(body)  # type: ignore[attr-defined]
    wire += b".\r\n" if wire.endswith(b"\r\n") else b"\r\n.\r\n"
    receiver = DotReceiver(None)

    assert feed(receiver, split(wire, at)) == b""
    assert receiver.content == (body if body.endswith(b"\r\n") else body + b"\r\n")


def test_an_empty_message() -> None:
    receiver = DotReceiver(None)

    assert feed(receiver, [b".\r", b"\n"]) == b""
    assert receiver.content == b""


@given(bodies, cuts, st.integers(min_value=0, max_value=100))
def test_over_the_limit_the_end_is_still_found(body: bytes, at: list[int], limit: int) -> None:
    stuffed = (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:] + b"\r\n"
    receiver = DotReceiver(limit)

    assert feed(receiver, split(stuffed + b".\r\nNOOP\r\n", at)) == b"NOOP\r\n"
    assert (receiver.content is None) == (len(stuffed) + 3 > limit)


@given(bodies, cuts, st.binary(max_size=10))
def test_chunks_take_their_octets_and_no_more(body: bytes, at: list[int], behind: bytes) -> None:
    kept: list[bytes] = []
    receiver = ChunkReceiver(len(body), kept.append)

    assert feed(receiver, split(body + behind, at)) == behind
    assert receiver.done
    assert b"".join(kept) == body


def test_header_fields_are_read() -> None:
    header = read_header(
        b"Subject: From: nobody@example.com\r\n"
        b'FROM: "Eve, <boss@x>" <billing@contoso.test>,\r\n =?utf-8?q?b?= <Two@Contoso.test>\r\n'
        b"message-id:\r\n <1@x>\r\n"
        b"\r\nFrom: body@example.com\r\nMessage-ID: <2@x>\r\n"
    )
    assert read_from(header) == ("billing@contoso.test", "two@contoso.test")
    assert read_message_id(header) == "<1@x>"
    assert read_message_id(b"Message-ID: none") is None
    assert read_from(b"Subject: x") == ()


@given(st.binary(max_size=300))
def test_any_content_can_be_looked_at(content: bytes) -> None:
    header = read_header(content)
    assert content.startswith(header)
    read_from(header)
    read_message_id(header)
