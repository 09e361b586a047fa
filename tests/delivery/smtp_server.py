"""A submission server that behaves as it is told, over a plain connection, after sign-in."""

import asyncio
import contextlib
import itertools
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from shared.delivery.wire import Wire

type Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

SENDER = "billing@contoso.test"


@contextlib.asynccontextmanager
async def wired(handler: Handler, *, buffer: int = 0) -> AsyncIterator[Wire]:
    """A wire to a server that does this on its one connection.

    buffer: octets that the server's socket takes and gives, 0 for the system's default.
    """
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())  # type: ignore[arg-type]
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):
            await handler(reader, writer)
        writer.transport.abort()

    listener = socket.create_server(("127.0.0.1", 0))
    if buffer:
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            listener.setsockopt(socket.SOL_SOCKET, option, buffer)
    server = await asyncio.start_server(serve, sock=listener, limit=2**26)
    transport, _ = await loop.create_connection(asyncio.Protocol, *listener.getsockname())
    wire = Wire(transport)
    try:
        yield wire
    finally:
        wire.fail("The test is over.")
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        server.close()
        await server.wait_closed()
        await asyncio.gather(*tasks, return_exceptions=True)


async def send_split(
    writer: asyncio.StreamWriter, octets: bytes, sizes: Iterable[int] = ()
) -> None:
    """Write in segments of these sizes, again and again; without sizes in one."""
    if not (repeated := tuple(sizes)):
        writer.write(octets)
        return
    start = 0
    for size in itertools.cycle(repeated):
        if start >= len(octets):
            return
        writer.write(octets[start : start + size])
        start += size
        await asyncio.sleep(0)  # the client's side runs


@dataclass(slots=True)
class Server:
    """A server that answers as its fields say, by the book otherwise.

    mail, data, end: codes of its replies to MAIL, to DATA (if there are recipients) and to the end
    of the content. rcpts: to one RCPT after the other. bdat: whether it knows BDAT, or not and
    drops the octets, or not and takes them for commands. unknown: its code for commands that it
    does not know. eager: whether DATA is welcome without recipients. sizes: segments of replies.
    """

    mail: int = 250
    rcpts: tuple[int, ...] = (250,)
    data: int = 354
    end: int = 250
    bdat: Literal["known", "dropped", "obeyed"] = "known"
    unknown: int = 500
    eager: bool = False
    sizes: tuple[int, ...] = ()
    accepted: list[tuple[tuple[str, ...], bytes]] = field(default_factory=list, init=False)
    commands: list[bytes] = field(default_factory=list, init=False)
    flights: int = field(default=0, init=False)
    _sender: bool = field(default=False, init=False)
    _recipients: list[str] = field(default_factory=list, init=False)
    _chunks: bytearray = field(default_factory=bytearray, init=False)
    _codes: "itertools.cycle[int]" = field(init=False)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer until the client is gone; replies to one segment leave together."""
        self._codes = itertools.cycle(self.rcpts)
        out = b""
        while line := await reader.readline():
            self.commands.append(line.removesuffix(b"\r\n"))
            if line.startswith(b"BDAT") and self.bdat != "obeyed":
                out += self._bdat(line, await reader.readexactly(int(line.split()[1])))
            else:
                verb = line[:4].upper()
                out += self._reply(verb, line)
                if verb == b"DATA" and out.endswith(b"354 Go on\r\n"):
                    await self._flush(writer, out)
                    out = self._end(unstuffed(await _content(reader)))
            if not reader._buffer:  # type: ignore[attr-defined]
                await self._flush(writer, out)
                out = b""

    async def _flush(self, writer: asyncio.StreamWriter, out: bytes) -> None:
        self.flights += 1
        await send_split(writer, out, self.sizes)

    def _reply(self, verb: bytes, line: bytes) -> bytes:  # noqa: PLR0911 (one for each command)
        match verb:
            case b"MAIL":
                self._sender = self.mail < 300
                self._recipients.clear()
                self._chunks.clear()
                return _line(self.mail)
            case b"RCPT" if self._sender:
                code = next(self._codes)
                if code < 300:
                    address = re.search(rb"<(.*)>", line)
                    assert address is not None
                    self._recipients.append(address[1].decode())
                return _line(code)
            case b"DATA" if self._sender and (self._recipients or self.eager):
                return b"354 Go on\r\n" if self.data == 354 else _line(self.data)
            case b"RCPT" | b"DATA":
                return _line(503)
            case b"RSET" | b"NOOP":
                self._sender = self._sender and verb == b"NOOP"
                return _line(250)
            case b"QUIT":
                return _line(221)
        return _line(self.unknown)

    def _bdat(self, line: bytes, chunk: bytes) -> bytes:
        if self.bdat == "dropped":
            return _line(self.unknown)
        if not (self._sender and self._recipients):
            return _line(503)
        self._chunks += chunk
        return self._end(bytes(self._chunks)) if b"LAST" in line else _line(250)

    def _end(self, content: bytes) -> bytes:
        self._sender = False
        if not self._recipients:
            return _line(554)
        if self.end < 300:
            self.accepted.append((tuple(self._recipients), content))
        return _line(self.end)


def unstuffed(lines: bytes) -> bytes:
    """The content that came after DATA, without its end."""
    return re.sub(rb"^\.", b"", lines.removesuffix(b".\r\n"), flags=re.MULTILINE)


async def _content(reader: asyncio.StreamReader) -> bytes:
    if (line := await reader.readexactly(3)) == b".\r\n":
        return line
    return line + await reader.readuntil(b"\r\n.\r\n")


def _line(code: int) -> bytes:
    return f"{code}-{code // 100}.0.0 This is\r\n{code} {code // 100}.0.0 a reply\r\n".encode()
