"""One TCP connection to the submission server: octets, flights of replies, TLS, time-outs.

Replies to commands that arrived together leave in one write (RFC 2920 §3.2). With `rtt` every
flight of replies is held back that many seconds, whatever else is going on, as a network's
latency would: throughput is not limited, and commands sent together cost one delay.
"""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Awaitable
from typing import cast

from . import replies
from .exchange import Exchange
from .misconduct import Misconduct
from .replies import After, Reply
from .session import Session, Step

_LOGGER = logging.getLogger(__name__)
_COMMAND_OCTETS = 2048
_AUTH_OCTETS = 16_384  # RFC 4954 §4 asks for 12,288
_BUFFERED_OCTETS = 1024 * 1024
_HANDSHAKE_SECONDS = 30.0
_SHUTDOWN_SECONDS = 1.0
_IDLE_CHECK = 5.0
_ENDLESS_LINE = Reply(500, replies.LINE_TOO_LONG.text, "close")


class Connection(asyncio.Protocol):
    """Octets to and from one Session. `others` holds all connections of the server."""

    def __init__(
        self, exchange: Exchange, tls: ssl.SSLContext, others: set["Connection"], rtt: float
    ) -> None:
        self._exchange = exchange
        self._tls = tls
        self._others = others
        self._rtt = rtt
        self._loop = asyncio.get_running_loop()
        self._data = b""
        self._position = 0
        self._out: list[bytes] = []
        self._after: After = ""  # what the next flight ends with
        self._ending = False  # nothing more is obeyed
        self._flights: deque[tuple[float, bytes, After]] = deque()
        self._busy: asyncio.Task[None] | None = None
        self._writable = True
        self._reading = True
        self._active = self._loop.time()
        self._idle: asyncio.TimerHandle | None = None

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._others.add(self)
        self._exchange.counters.connections += 1
        peer = transport.get_extra_info("peername") or ("unknown",)
        self._session = Session(self._exchange, str(peer[0]))
        self._misconduct = Misconduct(self._exchange, self._session)
        self._watch_idleness()
        self._do(self._misconduct.greet())
        # The client has waited one round trip for the connection, and waits for the greeting.
        self._flush(self._rtt)

    def data_received(self, data: bytes) -> None:
        """Take what came, and answer what is complete."""
        self._active = self._loop.time()
        if self._position < len(self._data):
            self._data = self._data[self._position :] + data
        else:
            self._data = data
        self._position = 0
        if self._busy is None:
            self._pump()
        elif len(self._data) > _BUFFERED_OCTETS:
            self._hold_reading()

    def pause_writing(self) -> None:
        """Obey nothing more until the client has read its replies."""
        self._writable = False
        self._hold_reading()

    def resume_writing(self) -> None:
        """Go on: the client reads again."""
        self._writable = True
        if self._busy is None:
            self._pump()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget the connection."""
        self._ending = True
        if self._busy is not None:
            self._busy.cancel()
        if self._idle is not None:
            self._idle.cancel()
        self._session.closed()
        self._flights.clear()
        self._others.discard(self)

    def abort(self) -> None:
        """Cut the connection at once (the server stops)."""
        self._transport.abort()
        self.connection_lost(None)

    # Commands and bodies

    def _pump(self) -> None:
        while self._busy is None and self._writable and not self._ending:
            if self._session.receiver is not None:
                if not self._take_body():
                    break
            elif not self._take_command():
                break
        self._flush()
        if self._busy is None and self._writable and not self._ending and not self._reading:
            self._reading = True
            self._transport.resume_reading()

    def _take_command(self) -> bool:
        line = self._take_line()
        if line is None:
            return False
        if isinstance(line, Reply):
            self._emit(self._session.checked(line))
            return True
        step = self._misconduct.command(line, more=self._position < len(self._data))
        if step is not None:
            self._do(step)
        return True

    def _take_line(self) -> bytes | Reply | None:
        data, start = self._data, self._position
        end = data.find(b"\n", start)
        if end < 0 and len(data) - start <= _COMMAND_OCTETS:
            return None
        is_auth = self._session.in_dialogue or data[start : start + 4].upper() == b"AUTH"
        limit = _AUTH_OCTETS if is_auth else _COMMAND_OCTETS
        if end < 0:
            return None if len(data) - start <= limit else _ENDLESS_LINE
        self._position = end + 1
        if end - start > limit:
            return replies.LINE_TOO_LONG
        line = data[start : end - 1]
        if data[start:end][-1:] != b"\r" or b"\r" in line or b"\0" in line:
            return replies.BARE_NEWLINE
        return line

    def _take_body(self) -> bool:
        receiver = self._session.receiver
        assert receiver is not None
        if not receiver.done:
            if self._position >= len(self._data):
                return False
            self._position = receiver.feed(self._data, self._position)
            if fault := self._misconduct.in_body(receiver):
                self._do(fault)
                return True
        if receiver.done:
            self._do(self._misconduct.end_of_body())
            if self._busy is None and (fault := self._misconduct.after_reply()):
                self._do(fault)
        return receiver.done

    def _do(self, step: Step) -> None:
        if isinstance(step, Reply):
            self._emit(step)
        else:
            self._flush()
            self._busy = self._loop.create_task(self._wait_for(step))

    async def _wait_for(self, step: Awaitable[Reply]) -> None:
        in_body = self._session.receiver is not None
        try:
            reply = await step
            if reply.trickle:
                await self._trickle(reply)
        except Exception:
            _LOGGER.exception("a session failed")
            reply = replies.INTERNAL_ERROR
        self._busy = None
        self._active = self._loop.time()
        self._emit(reply)
        answered = in_body and self._session.receiver is None
        if answered and not self._ending and (fault := self._misconduct.after_reply()):
            self._do(fault)
        self._pump()

    async def _trickle(self, reply: Reply) -> None:
        for octet in reply.wire:
            self._send(bytes([octet]), "")
            await asyncio.sleep(reply.trickle / len(reply.wire))

    # Replies

    def _emit(self, reply: Reply) -> None:
        if reply.after == "tls" and self._position < len(self._data):
            # Plaintext behind STARTTLS could be obeyed inside TLS, as if the client had said it
            # there (CVE-2011-0411): the group is refused and the connection ends.
            reply = replies.STARTTLS_NOT_LAST
        if not reply.trickle:
            self._out.append(reply.wire)
        if reply.after:
            self._after, self._ending = reply.after, True
            self._hold_reading()

    def _flush(self, extra: float = 0.0) -> None:
        data, after = b"".join(self._out), self._after
        if not data and not after:
            return
        self._out.clear()
        self._after = ""
        self._exchange.counters.flights += 1
        if not self._rtt and not self._flights:
            self._send(data, after)
            return
        self._flights.append((self._loop.time() + self._rtt + extra, data, after))
        if len(self._flights) == 1:
            self._loop.call_at(self._flights[0][0], self._send_due)

    def _send_due(self) -> None:
        while self._flights and self._flights[0][0] <= self._loop.time():
            _, data, after = self._flights.popleft()
            self._send(data, after)
        if self._flights:
            self._loop.call_at(self._flights[0][0], self._send_due)

    def _send(self, data: bytes, after: After) -> None:
        if self._transport.is_closing():
            return
        if data:
            self._transport.write(data)
        if after == "close":
            self._transport.close()
        elif after == "abort":
            self._transport.abort()
        elif after == "tls":
            self._busy = self._loop.create_task(self._start_tls())

    async def _start_tls(self) -> None:
        # The ClientHello and the server's answer are one more round trip (TLS 1.3).
        await asyncio.sleep(self._rtt)
        try:
            transport = await self._loop.start_tls(
                self._transport,
                self,
                self._tls,
                server_side=True,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
            )
        except OSError as error:  # ssl.SSLError, a connection that went away, a time-out
            _LOGGER.info("the TLS handshake failed: %s", error)
            self._busy = None
            self.connection_lost(None)
            return
        assert transport is not None
        self._transport = transport
        tls = transport.get_extra_info("ssl_object")
        self._session.secured(tls.version(), tls.cipher()[0])
        self._busy, self._ending, self._reading = None, False, True
        self._active = self._loop.time()
        self._pump()

    # Time

    def _hold_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._transport.pause_reading()

    def _watch_idleness(self) -> None:
        limit = self._exchange.limits.idle_seconds
        quiet = self._loop.time() - self._active
        if limit is not None and quiet >= limit and self._busy is None and not self._ending:
            self._emit(replies.TIMED_OUT)
            self._flush()
            return
        # A limit that was switched off may be switched on again.
        wait = _IDLE_CHECK if limit is None else max(limit - quiet, 0.01)
        self._idle = self._loop.call_later(min(wait, _IDLE_CHECK), self._watch_idleness)
