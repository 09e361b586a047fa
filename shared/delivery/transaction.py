"""One mail transaction: MAIL, RCPT and the content in as few round trips as the server allows.

With PIPELINING and CHUNKING all of it is one flight (RFC 2920, RFC 3030 section 4.2): where MAIL
or every RCPT is refused, the server still takes the octets of BDAT, and refuses them; where some
are refused, the mail goes to the others. With PIPELINING alone the content follows the 354, in a
second flight. Else each command waits for its reply.
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import chain

from shared.delivery.content import first_header_line, pieces, stuffed_pieces
from shared.delivery.envelope import (
    Extensions,
    Mail,
    foreseen_refusals,
    mail_command,
    rcpt_command,
)
from shared.delivery.handover import Handover, Stage
from shared.delivery.replies import Reply
from shared.delivery.wire import Octets, Wire, WireError

# A content of at most this size goes out before the replies to RCPT are known. That saves a round
# trip (20 ms) and loses the content's time where every recipient is refused: 2 MiB take 170 ms at
# 100 Mbit/s, which pays with up to one such mail in eight. Larger ones gain ever less by it.
_BLIND = 2 * 1024 * 1024

# RCPTs of one flight: after a refused MAIL each of them counts as an error at the server.
_FLIGHT = 100

# RFC 5321 section 4.5.3.2.6: ten minutes for the reply to the end of data. They are given to every
# reply that is due once the content is out: to give up then leaves a message in doubt.
_END_OF_DATA = 600.0

# A server that said 421 closes (RFC 5321 section 3.8); one that does not is not waited for.
_GRACE = 5.0

# A first piece that fits is joined to the commands: one record of TLS and one write for both.
_JOINED = 16 * 1024

_UNKNOWN_COMMAND = frozenset({500, 502, 504})
_START_INPUT = 354
_CLOSING = 421


class Chunking(Enum):
    """What is known of BDAT on a session."""

    ABSENT = "not offered, or not understood after all"
    UNTRIED = "offered"
    PROVEN = "offered, and a chunk was taken"


class Transaction:
    """One mail on an idle wire; used once. `chunking`: what is known of BDAT, before and after.

    timeout: seconds for each reply to the envelope, and without progress of the content.
    patience: seconds for each reply that is due once the content is out.
    """

    def __init__(
        self,
        wire: Wire,
        extensions: Extensions,
        mail: Mail,
        *,
        chunking: Chunking,
        timeout: float,
        patience: float = _END_OF_DATA,
    ) -> None:
        self.chunking = chunking
        self._wire = wire
        self._extensions = extensions
        self._mail = mail
        self._timeout = timeout
        self._patience = patience
        self._unwritable = foreseen_refusals(mail)
        self._recipients = tuple(dict.fromkeys(mail.recipients))
        self._start()

    def _start(self) -> None:
        self._refused: dict[str, Reply] = dict(self._unwritable)
        self._stage: Stage = "mail"
        self._decision: tuple[Stage, Reply] | None = None  # against all recipients
        self._closing: tuple[Stage, Reply] | None = None
        self._out = False  # the whole content was written
        self._stopped = False  # its writing was given up

    async def run(self) -> Handover:
        """Hand over. Never raises for what the server or the network does.

        A transaction that was refused is still open at the server: RSET is up to the caller.
        """
        if len(self._unwritable) == len(self._recipients):
            reply = next(iter(self._unwritable.values()), None)
            return Handover(accepted=False, stage="rcpt", reply=reply, refused=self._refused)
        try:
            handover = await self._attempt()
            if handover is None:  # BDAT was no command to the server after all
                self._start()
                handover = await self._attempt()
        except WireError as error:
            return self._broken(error)
        assert handover is not None, "DATA is never given up"
        return handover

    async def _attempt(self) -> Handover | None:
        """None: nothing was accepted, and the same is to be done again, by DATA."""
        opening = b""
        if self.chunking is Chunking.UNTRIED:
            opening = first_header_line(self._mail.content)
        by_bdat = bool(opening) or self.chunking is Chunking.PROVEN
        blind = bool(opening) or not by_bdat or len(self._mail.content) <= _BLIND
        flights = self._flights()
        names, commands = flights.pop() if blind and self._extensions.pipelining else ([], b"")
        for flight_names, flight in flights:
            self._wire.send(flight, replies=len(flight_names))
            await self._read_envelope(flight_names)
            if self._decision or self._closing:
                return self._ended()
        if not by_bdat:
            return await self._by_data(names, commands)
        if opening:
            return await self._by_first_bdat(names, commands, opening)
        return await self._by_bdat(names, commands, 0)

    def _flights(self) -> list[tuple[list[str], bytes]]:
        """MAIL (named "") and RCPTs, in groups that may go out together."""
        commands = [("", mail_command(self._mail, self._extensions))]
        commands += [
            (recipient, rcpt_command(recipient, self._extensions))
            for recipient in self._recipients
            if recipient not in self._unwritable
        ]
        size = _FLIGHT + 1 if self._extensions.pipelining else 1
        groups = [commands[start : start + size] for start in range(0, len(commands), size)]
        return [([name for name, _ in g], b"".join([line for _, line in g])) for g in groups]

    async def _by_first_bdat(
        self, names: Sequence[str], commands: bytes, opening: bytes
    ) -> Handover | None:
        """A session's first chunk is the first header line alone: a server that offers CHUNKING
        and does not know BDAT takes what follows for commands, and this is none to any server."""
        chunk = b"%bBDAT %d\r\n%b" % (commands, len(opening), opening)
        self._wire.send(chunk, replies=len(names) + 1, spare=1)
        await self._read_envelope(names)
        self._stage = "data"
        reply = await self._reply()
        if reply.code in _UNKNOWN_COMMAND:
            return await self._give_up_bdat(spare=True)
        self._wire.settle()
        if not _is_positive(reply):
            self._decide("data", reply)
        if self._decision or self._closing:
            return self._ended()
        self.chunking = Chunking.PROVEN
        return await self._by_bdat([], b"", len(opening))

    async def _by_bdat(self, names: Sequence[str], commands: bytes, start: int) -> Handover | None:
        content = self._mail.content
        bdat = b"%bBDAT %d LAST\r\n" % (commands, len(content) - start)
        await self._write(bdat, len(names) + 1, pieces(content, start))
        await self._read_envelope(names)
        self._stage = "end-of-data" if self._out else "data"
        reply = await self._reply()
        if reply.code in _UNKNOWN_COMMAND and self._decision is None:
            if not self._out:
                raise self._wire.fail("The server gave BDAT up in the middle of a content.")
            return await self._give_up_bdat(spare=False)
        return self._read_end(reply)

    async def _give_up_bdat(self, *, spare: bool) -> Handover | None:
        """Ready the session for DATA. spare: the chunk, too, may be answered, as a command."""
        self.chunking = Chunking.ABSENT
        self._out = False
        reset = await self._wire.ask(b"RSET\r\n", self._timeout)
        if spare and not _is_positive(reset):
            reset = await self._wire.reply(self._timeout)
        self._wire.settle()
        if not _is_positive(reset):
            raise self._wire.fail("The server knows neither BDAT nor RSET.")
        return self._ended() if self._decision else None

    async def _by_data(self, names: Sequence[str], commands: bytes) -> Handover:
        self._wire.send(commands + b"DATA\r\n", replies=len(names) + 1)
        await self._read_envelope(names)
        self._stage = "data"
        reply = await self._reply()
        if reply.code != _START_INPUT:
            if _is_positive(reply):
                raise self._wire.fail("The server's replies are out of order.")
            self._decide("data", reply)
            return self._ended()
        if self._decision:  # RFC 2920 section 3.1: an empty content, which is for nobody
            await self._wire.ask(b".\r\n", self._timeout)
            return self._ended()
        await self._write(b"", 1, stuffed_pieces(self._mail.content))
        self._stage = "end-of-data"
        return self._read_end(await self._reply())

    async def _write(self, commands: bytes, replies: int, content: Iterator[Octets]) -> None:
        first = next(content)
        if len(first) <= _JOINED:
            commands += first
        else:
            content = chain((first,), content)
        self._wire.send(commands, replies=replies)
        self._out = await self._wire.stream(content, stall=self._timeout)
        self._stopped = not self._out

    async def _reply(self) -> Reply:
        seconds = self._patience if self._out else self._timeout
        if self._closing:
            seconds = min(seconds, _GRACE)
        reply = await self._wire.reply(0 if self._stopped else seconds)
        if reply.code == _CLOSING and self._closing is None:
            self._closing = self._stage, reply
        return reply

    async def _read_envelope(self, names: Sequence[str]) -> None:
        for name in names:
            reply = await self._reply()
            if reply.code == _START_INPUT:
                raise self._wire.fail("The server's replies are out of order.")
            if not name:
                self._stage = "rcpt"
                if not _is_positive(reply):
                    self._decide("mail", reply)
            elif not _is_positive(reply) and self._decision is None:
                self._refused[name] = reply
                if len(self._refused) == len(self._recipients):
                    self._decide("rcpt", reply)

    def _read_end(self, reply: Reply) -> Handover:
        """What the reply to the last of the content means."""
        positive = _is_positive(reply)
        if not self._out:
            error = self._wire.fail("The server answered before it had the whole content.")
            if positive:
                raise error
        elif self._wire.disturbed or reply.code == _START_INPUT or (positive and self._decision):
            # The replies were not those to our commands, or not in their order: any of them may
            # be the one that accepted the mail.
            error = self._wire.fail("The server's replies contradict each other.")
            return Handover(accepted=None, stage="end-of-data", detail=error.detail)
        if positive:
            return Handover(accepted=True, stage="end-of-data", reply=reply, refused=self._refused)
        self._decide("end-of-data", reply)
        return self._ended()

    def _decide(self, stage: Stage, reply: Reply) -> None:
        if self._decision is None:
            self._decision = stage, reply

    def _ended(self) -> Handover:
        """Refused: by the first reply that was about all recipients."""
        stage, reply = self._decision or self._closing or (self._stage, None)
        return Handover(accepted=False, stage=stage, reply=reply, refused=self._refused)

    def _broken(self, error: WireError) -> Handover:
        """What is known all the same. A 421 and then the end of the connection is a refusal."""
        if self._decision or (self._closing and not error.silent):
            return self._ended()
        unknown = self._out and not error.cut_short
        return Handover(
            accepted=None if unknown else False,
            stage="end-of-data" if unknown else self._stage,
            refused=self._refused,
            detail=error.detail,
        )


def _is_positive(reply: Reply) -> bool:
    return 200 <= reply.code < 300  # noqa: PLR2004 (RFC 5321 section 4.2.1: the first digit tells)
