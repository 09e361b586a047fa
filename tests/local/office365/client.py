"""A client that speaks raw SMTP, and a clock that tests move."""

import asyncio
import base64
import heapq
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import cast

from local.office365 import Office365Server

TENANT = "11111111-1111-1111-1111-111111111111"
APP = "22222222-2222-2222-2222-222222222222"
BILLING = "billing@contoso.test"
ALERTS = "alerts@contoso.test"

type MakeToken = Callable[..., str]
type Serve = Callable[..., Awaitable[Office365Server]]
type Dial = Callable[..., Awaitable["Wire"]]


class Wire:
    """A raw SMTP client: what it writes goes out in one segment, replies come back whole."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def reply(self) -> str:
        lines: list[str] = []
        while True:
            line = (await self.reader.readuntil(b"\r\n")).decode().removesuffix("\r\n")
            lines.append(line)
            if line[3:4] == " ":
                return "\n".join(lines)

    async def replies(self, count: int) -> list[str]:
        return [await self.reply() for _ in range(count)]

    async def say(self, *lines: bytes) -> list[str]:
        """Send command lines in one segment; return one reply for each."""
        self.write(b"".join(line + b"\r\n" for line in lines))
        return await self.replies(len(lines))

    async def ask(self, line: bytes) -> str:
        return (await self.say(line))[0]

    async def secure(self, context: ssl.SSLContext) -> None:
        assert (await self.ask(b"STARTTLS")).startswith("220 ")
        await self.writer.start_tls(context, server_hostname="localhost")

    async def login(self, token: str, mailbox: str = BILLING) -> str:
        return await self.ask(b"AUTH XOAUTH2 " + xoauth2(mailbox, token))

    def hold_reading(self) -> None:
        """Take nothing from the socket any more."""
        cast("asyncio.Transport", self.writer.transport).pause_reading()

    def go_on_reading(self) -> None:
        cast("asyncio.Transport", self.writer.transport).resume_reading()

    async def at_end(self) -> bool:
        """Tell whether the server closed the connection, by the book or not."""
        try:
            return await self.reader.read(1) == b""
        except (ConnectionError, ssl.SSLError):
            return True

    async def close(self) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)


def xoauth2(mailbox: str, token: str) -> bytes:
    return base64.b64encode(f"user={mailbox}\x01auth=Bearer {token}\x01\x01".encode())


class Clock:
    """A clock that moves when it is told to; its sleepers wake then."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, 12, tzinfo=UTC)
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._count = 0

    def __call__(self) -> datetime:
        return self.now

    @property
    def sleepers(self) -> int:
        return len(self._sleepers)

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        woken = asyncio.get_running_loop().create_future()
        due = self.now + timedelta(seconds=seconds)
        heapq.heappush(self._sleepers, (due, self._count, woken))
        await woken

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        while self._sleepers and self._sleepers[0][0] <= self.now:
            heapq.heappop(self._sleepers)[2].set_result(None)
