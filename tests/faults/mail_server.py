"""A submission server in memory, behind transports that a killed process leaves at once.

It counts what it has accepted by message and recipient. What had been written when a process died
still arrives, as octets in a socket do.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, cast

from shared.delivery.envelope import Extensions
from shared.delivery.replies import Reply
from shared.delivery.session import SessionError, SignIn, SmtpSession
from shared.delivery.wire import Wire
from tests.faults.memory import Line

_ID = re.compile(rb"X-Mailroom-Id: ([^\r\n]+)\r\n")
_ROUND_TRIP = (0.002, 0.1)

# What the server can be told to do at its next opportunity of the kind: a reply, or one of these.
CUT = "cut"  # closes instead of doing it
TAKE_AND_CUT = "take and cut"  # does it, and closes before the reply
SILENT = "silent"  # does it, and says nothing
IGNORE = "ignore"  # neither does it nor says anything


class MailServer:
    """Accepts mail. `accepted` counts by (message id, recipient)."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.accepted: Counter[tuple[str, str]] = Counter()
        self.taken: list[tuple[float, str]] = []  # when each was accepted, by message id
        self.orders: dict[str, list[str]] = {}
        self.obeyed: Counter[str] = Counter()
        self.chunking = True

    def order(self, stage: str, what: str) -> None:
        self.orders.setdefault(stage, []).append(what)

    def take(self, stage: str) -> str | None:
        waiting = self.orders.get(stage)
        if not waiting:
            return None
        self.obeyed[f"{stage} {waiting[0][:14]}"] += 1
        return waiting.pop(0)

    def opener(self, line: Line) -> Callable[[SignIn], Any]:
        """Opens sessions for one process."""

        async def open_session(_sign_in: SignIn) -> SmtpSession:
            if line.dead:
                await line.silence()
            line.step()
            await asyncio.sleep(self.random.uniform(*_ROUND_TRIP))
            order = self.take("open")
            if order == CUT:
                raise SessionError("No session: the connection broke.", stage="connect")
            if order is not None:
                code, _, text = order.partition(" ")
                raise SessionError(order, stage="auth", reply=Reply(int(code), text))
            wire = Wire(cast("asyncio.Transport", _Transport(self, line)))
            extensions = Extensions(pipelining=True, chunking=self.chunking)
            return SmtpSession(wire, extensions, timeout=60)

        return open_session


class _Transport:
    """The client's end of a connection."""

    def __init__(self, server: MailServer, line: Line) -> None:
        self._server, self._line = server, line
        self._conversation = _Conversation(server, self._reply, lambda: self._later(self._close))
        self._protocol: asyncio.Protocol | None = None
        self._closed = False

    # What the wire calls

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast("asyncio.Protocol", protocol)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Whatever is written leaves at once."""

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self._closed

    def write(self, octets: bytes | memoryview) -> None:
        if self._closed or self._line.dead:
            return
        trouble = self._line.step()
        data = bytes(octets)
        if trouble in {"die before", "die half-way", "die after"}:
            self._line.kill()
            data = {"die before": b"", "die after": data}.get(trouble, data[: len(data) // 2])
        if data:
            self._later(lambda: self._conversation.take(data))

    def abort(self) -> None:
        self._close()

    def close(self) -> None:
        self._close()

    # What the server does

    def _reply(self, text: str) -> None:
        self._later(lambda: self._arrive(f"{text}\r\n".encode()))

    def _arrive(self, octets: bytes) -> None:
        if not (self._closed or self._line.dead) and self._protocol is not None:
            self._protocol.data_received(octets)

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            asyncio.get_running_loop().call_soon(self._lost)

    def _lost(self) -> None:
        if not self._line.dead and self._protocol is not None:
            self._protocol.connection_lost(None)

    _due = 0.0

    def _later(self, do: Callable[[], None]) -> None:
        """After a time on the network, in the order in which it was sent."""
        loop = asyncio.get_running_loop()
        one_way = self._server.random.uniform(*_ROUND_TRIP) / 2
        self._due = max(self._due + 1e-6, loop.time() + one_way)
        loop.call_at(self._due, do)


class _Conversation:
    """The server's end, after sign-in: MAIL, RCPT, DATA, BDAT, RSET, NOOP, QUIT."""

    def __init__(
        self, server: MailServer, reply: Callable[[str], None], close: Callable[[], None]
    ) -> None:
        self._server, self._reply, self._close = server, reply, close
        self._waiting = b""
        self._over = False
        self._chunk: tuple[int, bool] | None = None
        self._in_data = False
        self._reset()

    def _reset(self) -> None:
        self._mail = False
        self._recipients: list[str] = []
        self._content = b""

    def take(self, octets: bytes) -> None:
        self._waiting += octets
        while not self._over and self._next():
            pass

    def _next(self) -> bool:
        if self._chunk is not None:
            size, last = self._chunk
            if len(self._waiting) < size:
                return False
            self._content += self._waiting[:size]
            self._waiting, self._chunk = self._waiting[size:], None
            self._chunk_came(last=last)
            return True
        if self._in_data:
            content, end, rest = (b"\r\n" + self._waiting).partition(b"\r\n.\r\n")
            if not end:
                return False
            self._content = content[2:].replace(b"\r\n..", b"\r\n.")
            self._waiting, self._in_data = rest, False
            self._end()
            return True
        line, end, rest = self._waiting.partition(b"\r\n")
        if not end:
            return False
        self._waiting = rest
        self._command(line.decode())
        return True

    def _command(self, line: str) -> None:  # noqa: C901 (one case for each command)
        match line.split():
            case ["MAIL", sender, *_]:
                self._reset()
                if self._answers("mail", "250 2.1.0 Sender OK"):
                    self._mail = sender.startswith("FROM:<")
            case ["RCPT", recipient, *_]:
                if not self._mail:
                    self._reply("503 5.5.2 Need mail command")
                elif self._answers("rcpt", "250 2.1.5 Recipient OK"):
                    self._recipients.append(recipient.removeprefix("TO:<").removesuffix(">"))
            case ["DATA"]:
                if not self._recipients:
                    self._reply("503 5.5.2 Need rcpt command")
                elif self._answers("data", "354 Start mail input"):
                    self._in_data = True
            case ["BDAT", size, *last]:
                self._chunk = int(size), bool(last)
            case ["QUIT"]:
                self._reply("221 2.0.0 Closing")
                self._over = True
            case _:
                if line == "RSET":
                    self._reset()
                self._reply("250 2.0.0 OK")

    def _chunk_came(self, *, last: bool) -> None:
        if not self._recipients:
            self._reply("503 5.5.2 Need rcpt command")
        elif last:
            self._end()
        elif not self._answers("data", "250 2.0.0 Chunk OK"):
            self._reset()

    def _end(self) -> None:
        found = _ID.search(self._content)
        assert found is not None, self._content[:500]
        message_id = found.group(1).decode()
        if self._answers("end", "250 2.0.0 OK <1@server> Queued"):
            self._server.taken.append((asyncio.get_running_loop().time(), message_id))
            for recipient in self._recipients:
                self._server.accepted[message_id, recipient] += 1
        self._reset()

    def _answers(self, stage: str, reply: str) -> bool:
        """Replies; whether what was asked for is done."""
        order = self._server.take(stage)
        if order is None:
            self._reply(reply)
            return True
        if order in {CUT, TAKE_AND_CUT}:
            self._over = True
            self._close()
            return order == TAKE_AND_CUT
        if order in {SILENT, IGNORE}:
            return order == SILENT
        self._reply(order)
        if order.startswith("421"):
            self._over = True
            self._close()
        return False
