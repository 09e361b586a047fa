"""The wire of an open session: octets out, replies in, strictly in order.

aiosmtplib waits for each reply before the next command, and its protocol drops what it did not
wait for. This protocol takes over its transport. It reads while it writes, so that no flight of
commands can block both sides (RFC 2920 section 3.1), wakes its one user once for all replies that
came together, and holds no more of a content than a piece.
"""

import asyncio
import re
from collections import deque
from collections.abc import Iterable

from shared.delivery.replies import Reply
from shared.errors import MailroomError

PIECE = 128 * 1024
"""Octets of a content that are written at a time; TLS and the socket hold about as much more.

From 32 KiB to 1 MiB the speed is the same.
"""

type Octets = bytes | memoryview

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?")
# RFC 5321 section 4.5.3.1.5 has 512 octets for a reply line; Exchange's diagnostics need 1 KB.
_LONGEST_LINE = 8 * 1024
_LONGEST_REPLY = 64 * 1024
_CLOSING = 421

# Fewer octets than this may be records of TLS itself (alerts, key updates) behind the last content.
_OWN_OF_TLS = 1024


class WireError(MailroomError):
    """The connection is of no use any more; the text says why.

    silent: the server said nothing for too long (and did not close). cut_short: octets that were
    written last never left this machine, so the server cannot have got them.
    """

    def __init__(self, detail: str, *, silent: bool, cut_short: bool) -> None:
        super().__init__(detail)
        self.silent = silent
        self.cut_short = cut_short


class Wire(asyncio.Protocol):
    """A connection of one user. `replies` are promised with each `send`; others break the wire.

    transport: taken over, with nothing due from its protocol. below: the transport that it writes
    to where it is TLS, asked for what it holds.
    """

    def __init__(
        self, transport: asyncio.Transport, below: asyncio.WriteTransport | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._below = below
        self._replies: deque[Reply] = deque()
        self._owed = 0
        self._spare = 0
        self._partial = b""
        self._lines: list[str] = []
        self._code = b""
        self._octets = 0
        self._waiter: asyncio.Future[bool] | None = None
        self._paused = False
        self._error: WireError | None = None
        self._lost = False
        self.closing = False  # the server said 421
        self.disturbed = False  # it said something else that nothing was due for
        transport.set_protocol(self)
        transport.set_write_buffer_limits(high=PIECE)

    @property
    def idle(self) -> bool:
        """Whether the connection stands with nothing due and nothing announced."""
        quiet = not (self._owed or self.closing or self._replies or self._partial or self._lines)
        return quiet and self._error is None and not self._transport.is_closing()

    # Out

    def send(self, octets: bytes, *, replies: int, spare: int = 0) -> None:
        """Write commands that `replies` answers are due to; `spare` more may come until settled."""
        if self._error is not None:
            raise self._error
        self._owed += replies
        self._spare += spare
        self._write(octets)

    async def stream(self, pieces: Iterable[Octets], *, stall: float) -> bool:
        """Write a content to its end, no faster than it leaves; its reply must be promised before.

        False: stopped before the last piece, as the server gave that reply already or closes.
        Raises WireError also where nothing has left for `stall` seconds.
        """
        for piece in pieces:
            while self._paused and not self._is_over():
                held = self._held()
                if not await self._wait(stall) and self._held() == held:
                    raise self.fail(f"The server took nothing for {stall:g} s.", silent=True)
            if self._error is not None:
                raise self._error
            if self._is_over():
                return False
            self._write(piece)
            await asyncio.sleep(0)  # replies are read, and other sessions have their turn
        return True

    def _write(self, octets: Octets) -> None:
        self._transport.write(octets)
        # A transport hides that its socket refused the octets, and asyncio tells it later: these
        # octets have not left.
        if self._transport.is_closing() or (self._below is not None and self._below.is_closing()):
            raise self.fail("The connection broke while the client wrote.")

    def _is_over(self) -> bool:
        return self._error is not None or self.closing or not self._owed

    # In

    async def reply(self, seconds: float) -> Reply:
        """The next reply. Raises WireError if none comes within `seconds` (0: is there already)."""
        while not self._replies:
            if self._error is not None:
                raise self._error
            if not await self._wait(seconds) and not self._replies:
                raise self.fail(f"The server did not answer within {seconds:g} s.", silent=True)
        return self._replies.popleft()

    async def ask(self, command: bytes, seconds: float) -> Reply:
        """The reply to one command."""
        self.send(command, replies=1)
        return await self.reply(seconds)

    def settle(self) -> None:
        """Expect none of the spare replies any more."""
        self._spare = 0
        if self._replies and not self._owed:
            raise self.fail("The server gave more replies than it got commands.")

    def fail(self, detail: str, *, silent: bool = False) -> WireError:
        """Drop the connection, unless it is gone; the error that every use raises from now on."""
        if self._error is None:
            cut_short = self._held() >= _OWN_OF_TLS  # asked first: abort() empties the buffers
            self._error = WireError(detail, silent=silent, cut_short=cut_short)
            self._transport.abort()
            self._wake()
        return self._error

    async def close(self, seconds: float) -> None:
        """Close in an orderly way, or at once after `seconds`."""
        if self._error is None:
            self._error = WireError("The session was closed.", silent=False, cut_short=False)
            self._transport.close()
        try:
            while not self._lost and await self._wait(seconds):
                pass
        finally:
            self._transport.abort()

    # What asyncio calls

    def data_received(self, data: bytes) -> None:
        """Take what came, and wake the user for whole replies."""
        if self._error is not None:
            return
        if self._partial:
            data = self._partial + data
        *lines, self._partial = data.split(b"\n")
        for line in lines:
            if self._error is None:
                self._take_line(line.removesuffix(b"\r"))
        if len(self._partial) > _LONGEST_LINE:
            self.fail("The server's reply has a line without end.")
        if self._replies:
            self._wake()

    def eof_received(self) -> None:
        """The server said its last; nothing that is still held shall reach it."""
        self.fail("The connection broke: the server closed it.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Too late to ask what had not left: whatever was written may have arrived."""
        self._lost = True
        if self._error is None:
            name = type(exc).__name__ if exc is not None else "it was closed"
            self._error = WireError(
                f"The connection broke ({name}).", silent=False, cut_short=False
            )
        self._wake()

    def pause_writing(self) -> None:
        """More than a piece is held."""
        self._paused = True

    def resume_writing(self) -> None:
        """Most of it has left."""
        self._paused = False
        self._wake()

    def _take_line(self, line: bytes) -> None:
        match = _LINE.fullmatch(line)
        self._octets += len(line)
        if match is None or self._octets > _LONGEST_REPLY or len(line) > _LONGEST_LINE:
            self.fail("The server's answer is no reply of SMTP.")
            return
        code, more, text = match.groups()
        if self._lines and code != self._code:
            self.fail("The server's reply changes its code between its lines.")
            return
        self._lines.append((text or b"").decode("utf-8", "replace").strip())
        if more == b"-":
            self._code = code
            return
        reply = Reply(int(code), "\n".join(self._lines))
        self._lines.clear()
        self._octets = 0
        self._take_reply(reply)

    def _take_reply(self, reply: Reply) -> None:
        if reply.code == _CLOSING:
            self.closing = True
        if self._owed:
            self._owed -= 1
        elif self._spare:
            self._spare -= 1
        else:
            # A session that ends says 421 whenever it likes. Anything else means that replies and
            # commands do not belong together as they were paired.
            self.disturbed = reply.code != _CLOSING
            self.fail(f"The server spoke unasked ({reply.status}).")
            return
        self._replies.append(reply)

    def _held(self) -> int:
        below = self._below.get_write_buffer_size() if self._below is not None else 0
        return self._transport.get_write_buffer_size() + below

    async def _wait(self, seconds: float) -> bool:
        """Until something happens; False if nothing did."""
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._waiter = waiter
        timer = self._loop.call_later(seconds, _resolve, waiter, False)  # noqa: FBT003 (a callback)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None:
            _resolve(self._waiter, True)  # noqa: FBT003 (as in the callback)


def _resolve(waiter: asyncio.Future[bool], value: bool) -> None:  # noqa: FBT001
    if not waiter.done():
        waiter.set_result(value)
