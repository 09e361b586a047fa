"""Message content on its way in: DATA, BDAT, and the few header fields the server reads."""

import email.utils
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

_END = b"\r\n.\r\n"
_MESSAGE_ID = re.compile(rb"^Message-ID:[ \t\r\n]*(<[!-~]{1,990}>)", re.IGNORECASE | re.MULTILINE)
_FROM = re.compile(rb"^From:((?:[^\r\n]|\r?\n[ \t])*)", re.IGNORECASE | re.MULTILINE)
_HEADER_END = re.compile(rb"\r?\n\r?\n")


class Receiver(Protocol):
    """Takes the octets of a body from the stream until it is complete."""

    done: bool
    received: int

    def feed(self, data: bytes, start: int) -> int:
        """Take octets of `data` from `start` on; return the position after the last taken."""
        ...


class DotReceiver:
    """The body after DATA (RFC 5321 §4.1.1.4): only CRLF "." CRLF ends it.

    Bare CR and LF are kept as they are: they end no line here, so no sequence around them can
    end the body early (SMTP smuggling). Over `limit` octets the rest is read and dropped.
    """

    def __init__(self, limit: int | None) -> None:
        self.done = False
        self.received = 0
        self._limit = limit
        self._pieces: list[bytes] = []
        self._tail = b"\r\n"  # the line end of the DATA command itself

    def feed(self, data: bytes, start: int) -> int:
        """Take octets up to the end of the body or of `data`."""
        seam = (self._tail + data[start : start + 4]).find(_END)
        if seam >= 0:
            end, self.done = start + seam + len(_END) - len(self._tail), True
        else:
            found = data.find(_END, start)
            self.done = found >= 0
            end = found + len(_END) if self.done else len(data)
        piece = data[start:end] if start or end < len(data) else data
        self.received += len(piece)
        self._tail = (self._tail + piece[-4:])[-4:]
        if self._limit is None or self.received <= self._limit:
            self._pieces.append(piece)
        else:
            self._pieces.clear()
        return end

    @property
    def content(self) -> bytes | None:
        """The message, its dots unstuffed; None if it was over the limit."""
        if self._limit is not None and self.received > self._limit:
            return None
        raw = b"".join(self._pieces)[:-3]
        if b"\r\n." in raw:
            raw = raw.replace(b"\r\n.", b"\r\n")
        return raw.removeprefix(b".")


class ChunkReceiver:
    """The octets after BDAT (RFC 3030 §2). With `keep` None they are read and dropped."""

    def __init__(self, size: int, keep: Callable[[bytes], None] | None) -> None:
        self.done = size == 0
        self.received = 0
        self._size = size
        self._keep = keep

    def feed(self, data: bytes, start: int) -> int:
        """Take octets up to the end of the chunk or of `data`."""
        end = min(len(data), start + self._size - self.received)
        self.received += end - start
        self.done = self.received == self._size
        if self._keep is not None:
            self._keep(data[start:end] if start or end < len(data) else data)
        return end


def read_header(content: bytes) -> bytes:
    """Return the header section, without the empty line that ends it."""
    end = _HEADER_END.search(content)
    return content[: end.start()] if end else content


def read_message_id(header: bytes) -> str | None:
    """Return the Message-ID with its brackets, None if there is none or it is malformed."""
    match = _MESSAGE_ID.search(header)
    return match[1].decode() if match else None


def read_from(header: bytes) -> tuple[str, ...]:
    """Return the addresses of all From fields, lower-case."""
    found: list[str] = []
    for match in _FROM.finditer(header):
        found.extend(_addresses(match[1]))
    return tuple(found)


@lru_cache(maxsize=512)
def _addresses(value: bytes) -> tuple[str, ...]:
    text = re.sub(r"\r?\n", "", value.decode(errors="replace")).strip()
    found = [address.lower() for _, address in email.utils.getaddresses([text]) if address]
    # What cannot be read as addresses is handed on as it is: nobody may send as that.
    return tuple(found) if found or not text else (text.lower(),)
