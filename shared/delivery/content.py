"""A mail's content as it is written: in pieces, so that few octets of it are held at a time."""

import re
from collections.abc import Iterator

from shared.delivery.wire import PIECE, Octets

_HEADER_LINE = re.compile(rb"[A-Za-z][!-9;-~]{0,75}:[ -~]{0,900}\r\n")
_LINE_END = b"\r\n"


def first_header_line(content: bytes) -> bytes:
    """The first line with its end if it is a header field, else nothing."""
    match = _HEADER_LINE.match(content)
    return match.group() if match else b""


def pieces(content: bytes, start: int) -> Iterator[Octets]:
    """The content from `start` on as it is, without copies (for BDAT)."""
    if len(content) - start <= PIECE:
        yield content[start:]
        return
    view = memoryview(content)
    for position in range(start, len(content), PIECE):
        yield view[position : position + PIECE]


def stuffed_pieces(content: bytes) -> Iterator[Octets]:
    """The content with its dots doubled, and the end of data (RFC 5321 section 4.5.2).

    Only pieces that have such dots are copied. The last piece has the whole of the end.
    """
    end = b".\r\n" if content.endswith(_LINE_END) else b"\r\n.\r\n"
    if len(content) <= PIECE:
        yield _stuffed(content) + end
        return
    view = memoryview(content)
    start, dot = 0, content.find(b"\r\n.")
    if content.startswith(b"."):
        yield b"."
    while start < len(content):
        stop = _cut(content, start + PIECE)
        if 0 <= dot < stop:
            yield content[start:stop].replace(b"\r\n.", b"\r\n..")
            dot = content.find(b"\r\n.", stop)
        else:
            yield view[start:stop]
        start = stop
    yield end


def _stuffed(content: bytes) -> bytes:
    if b"\r\n." in content:
        content = content.replace(b"\r\n.", b"\r\n..")
    return b"." + content if content.startswith(b".") else content


def _cut(content: bytes, near: int) -> int:
    """A position where no line end is cut in two, nor from what follows it."""
    while near < len(content) and content[near - 1] in _LINE_END:
        near += 1
    return min(near, len(content))
