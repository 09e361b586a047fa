"""One SMTP session: commands in, replies out; no I/O here (RFC 5321, 2920, 3030, 3207, 4954).

A command gives a Reply, or an awaitable of one where time must pass (a token's check, the rate
limit). After DATA or BDAT `receiver` takes the octets; when it is done `end_of_body` follows.
"""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable

from . import replies
from .content import ChunkReceiver, DotReceiver, Receiver
from .envelope import Envelope, EnvelopeError, parse_mail, parse_rcpt
from .exchange import Channel, Exchange
from .replies import Reply
from .tokens import Login, read_xoauth2

type Step = Reply | Awaitable[Reply]

_HELLO_NAME = re.compile(rb"[!-~]{1,255}")
_CHUNK = re.compile(rb"([0-9]{1,20})(?: +(LAST))?", re.IGNORECASE)
_EXTENSIONS = (
    "SIZE {size}", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "{security}", "8BITMIME",
    "BINARYMIME", "CHUNKING", "SMTPUTF8",
)  # fmt: skip
_ERRORS = frozenset({500, 501, 502, 503, 504, 555})


async def settled(step: Step) -> Reply:
    """Return the reply of a step, waiting for it if need be."""
    return step if isinstance(step, Reply) else await step


class Session:
    """The conversation on one connection. `id` is unique; `peer` is the client's address."""

    def __init__(self, exchange: Exchange, peer: str) -> None:
        self.id = f"{exchange.rng.getrandbits(64):016X}"
        self.receiver: Receiver | None = None
        self.mailbox: str | None = None
        self._exchange = exchange
        self._peer = peer
        self._tls: tuple[str, str] | None = None
        self._channel = Channel(self.id, "", "")
        self._greeted = False
        self._dialogue: Callable[[bytes], Step] | None = None
        self._login: Login | None = None
        self._envelope: Envelope | None = None
        self._last_chunk = False
        self._errors = 0
        self._failed_logins = 0
        self._commands: dict[bytes, Callable[[bytes], Step | None]] = {
            b"EHLO": self._ehlo,
            b"HELO": self._helo,
            b"STARTTLS": self._starttls,
            b"AUTH": self._auth,
            b"MAIL": self._mail,
            b"RCPT": self._rcpt,
            b"DATA": self._data,
            b"BDAT": self._bdat,
            b"RSET": self._rset,
            b"NOOP": lambda _: replies.OK,
            b"HELP": lambda _: replies.HELP,
            b"VRFY": lambda _: replies.VRFY,
            b"QUIT": lambda _: replies.QUIT,
        }

    def greeting(self) -> Reply:
        """The 220 that opens the session."""
        date = self._exchange.clock().strftime("%a, %-d %b %Y %H:%M:%S +0000")
        return Reply(220, f"{replies.FRONT_END} Microsoft ESMTP MAIL Service ready at {date}")

    def secured(self, version: str, cipher: str) -> None:
        """Go on inside TLS: all that was said before is forgotten (RFC 3207 §4.2)."""
        self._exchange.counters.tls_handshakes += 1
        self._tls = (version, cipher)
        self._channel = Channel(self.id, version, cipher)
        self._greeted = False
        self._envelope = None

    def closed(self) -> None:
        """The connection is gone: give back what the session held."""
        if self._login is not None:
            self._exchange.leave(self._login.mailbox, self.id)
            self._login = None

    @property
    def in_dialogue(self) -> bool:
        """Whether the next line is an answer to an AUTH challenge."""
        return self._dialogue is not None

    def stage(self, line: bytes) -> str:
        """Name the stage (of faults) that a command line belongs to, "" if to none."""
        if self._dialogue is not None:
            return ""
        verb = line.partition(b" ")[0].decode("ascii", "replace").lower()
        return "ehlo" if verb == "helo" else verb

    def command(self, line: bytes, *, more: bool) -> Step | None:
        """Obey one command line (without CRLF); `more` tells that octets follow it already.

        None: no reply is due yet, for BDAT is answered after its octets.
        """
        if self._dialogue is not None:
            dialogue, self._dialogue = self._dialogue, None
            return dialogue(line)
        verb, _, arguments = line.partition(b" ")
        handler = self._commands.get(verb.upper())
        step = handler(arguments) if handler else replies.UNRECOGNIZED
        if more and self._envelope is not None and self.receiver is None:
            self._envelope.pipelined = True
        return self.checked(step) if isinstance(step, Reply) and step.code in _ERRORS else step

    def checked(self, reply: Reply) -> Reply:
        """Count a client's error; return its reply, or the 421 when there were too many."""
        if reply is replies.NEED_RCPT:  # what a pipelining client gets after refused recipients
            return reply
        self._errors += 1
        limit = self._exchange.limits.command_errors
        return replies.TOO_MANY_ERRORS if limit is not None and self._errors > limit else reply

    def _ehlo(self, arguments: bytes) -> Reply:
        if not _HELLO_NAME.fullmatch(arguments.strip()):
            return replies.INVALID_ARGUMENTS
        self._greeted, self._envelope = True, None
        security = "AUTH LOGIN XOAUTH2" if self._tls else "STARTTLS"
        size = self._exchange.limits.announced_bytes
        lines = [line.format(size=size, security=security) for line in _EXTENSIONS]
        return Reply(250, "\n".join([f"{replies.FRONT_END} Hello [{self._peer}]", *lines]))

    def _helo(self, arguments: bytes) -> Reply:
        reply = self._ehlo(arguments)
        return reply if reply.code != 250 else Reply(250, reply.text.partition("\n")[0])  # noqa: PLR2004

    def _starttls(self, arguments: bytes) -> Reply:
        if arguments.strip():
            return replies.INVALID_ARGUMENTS
        if self._tls:
            return replies.BAD_SEQUENCE
        return replies.TLS_READY if self._greeted else replies.SEND_HELLO

    def _auth(self, arguments: bytes) -> Step:  # noqa: PLR0911 - one for each refusal
        if not self._greeted:
            return replies.SEND_HELLO
        if not self._tls:
            return replies.UNKNOWN_MECHANISM
        if self._login is not None or self._envelope is not None:
            return replies.BAD_SEQUENCE
        mechanism, _, initial = arguments.partition(b" ")
        match mechanism.upper():
            case b"XOAUTH2" if initial:
                return self._xoauth2(initial)
            case b"XOAUTH2":
                self._dialogue = self._xoauth2
                return replies.CHALLENGE
            case b"LOGIN" if initial:
                return self._ask_password(initial)
            case b"LOGIN":
                self._dialogue = self._ask_password
                return replies.USERNAME
        return replies.UNKNOWN_MECHANISM

    def _xoauth2(self, response: bytes) -> Step:
        if response == b"*":
            return self.checked(replies.AUTH_CANCELLED)
        try:
            credentials = read_xoauth2(response)
        except ValueError as error:
            return self._login_refused(
                self._exchange.refuse_login(str(error), replies.UNSUCCESSFUL, self.id)
            )

        async def authenticate() -> Reply:
            outcome = await self._exchange.authenticate(credentials, self.id)
            if isinstance(outcome, Reply):
                return self._login_refused(outcome)
            self._login, self.mailbox = outcome, outcome.mailbox
            return replies.AUTHENTICATED

        return authenticate()

    def _ask_password(self, response: bytes) -> Reply:
        try:
            base64.b64decode(response, validate=True)
        except binascii.Error:
            return self.checked(replies.AUTH_CANCELLED)
        self._dialogue = self._refuse_password
        return replies.PASSWORD

    def _refuse_password(self, _: bytes) -> Reply:
        self._exchange.counters.auths += 1
        return self._login_refused(
            self._exchange.refuse_login("a password was used", replies.BASIC_AUTH_OFF, self.id)
        )

    def _login_refused(self, reply: Reply) -> Reply:
        self._failed_logins += 1
        limit = self._exchange.limits.login_failures
        over = limit is not None and self._failed_logins > limit
        return replies.TOO_MANY_LOGINS if over else reply

    def _mail(self, arguments: bytes) -> Reply:  # noqa: PLR0911 - one for each refusal
        if not self._greeted:
            return replies.SEND_HELLO
        if self._login is None:
            return replies.NOT_AUTHENTICATED
        if self._login.expires_at <= self._exchange.clock().timestamp():
            return replies.TOKEN_EXPIRED
        if self._envelope is not None:
            return replies.SENDER_GIVEN
        try:
            sender, parameters = parse_mail(arguments)
        except EnvelopeError as error:
            return error.reply
        if self._is_too_big(int(parameters.get("SIZE", 0))):
            return replies.TOO_BIG
        self._envelope = Envelope(sender, parameters)
        return replies.SENDER_OK

    def _is_too_big(self, octets: int) -> bool:
        limits = self._exchange.limits
        limit = limits.message_bytes
        return octets > limits.announced_bytes or (limit is not None and octets > limit)

    def _rcpt(self, arguments: bytes) -> Reply:
        envelope = self._envelope
        if envelope is None:
            return replies.NEED_MAIL
        if envelope.chunking:
            return replies.BAD_SEQUENCE
        try:
            recipient = parse_rcpt(arguments, utf8="SMTPUTF8" in envelope.parameters)
        except EnvelopeError as error:
            return error.reply
        limit = self._exchange.limits.recipients_per_message
        refusal = self._exchange.table.refusal(recipient.address, "rcpt")
        if refusal is None and limit is not None and len(envelope.recipients) >= limit:
            refusal = replies.TOO_MANY_RECIPIENTS
        if refusal is not None:
            self._exchange.counters.refused_recipients += 1
            return refusal
        envelope.recipients.append(recipient)
        return replies.RECIPIENT_OK

    def _data(self, arguments: bytes) -> Reply:
        envelope = self._envelope
        if arguments.strip():
            return replies.INVALID_ARGUMENTS
        if envelope is None:
            return replies.NEED_MAIL
        if envelope.chunking:
            return replies.DATA_AFTER_BDAT
        if not envelope.recipients:
            return replies.NEED_RCPT
        if envelope.parameters.get("BODY", "").upper() == "BINARYMIME":
            return replies.BINARY_NEEDS_BDAT
        self.receiver = DotReceiver(self._exchange.limits.message_bytes)
        return replies.START_INPUT

    def _bdat(self, arguments: bytes) -> Reply | None:
        match = _CHUNK.fullmatch(arguments.strip())
        if match is None:  # how many octets follow is unknown, so the stream is lost
            return replies.INVALID_CHUNK
        size, self._last_chunk = int(match[1]), match[2] is not None
        envelope = self._envelope
        keep = None
        if envelope is not None and envelope.recipients and not envelope.spoiled:
            envelope.chunking = True
            envelope.octets += size
            envelope.spoiled = self._is_too_big(envelope.octets)
            if not envelope.spoiled:
                keep = envelope.chunks.append
        self.receiver = ChunkReceiver(size, keep)
        return None

    def body_stages(self) -> tuple[str, ...]:
        """Name the stages (of faults) that the end of the current body belongs to."""
        if isinstance(self.receiver, ChunkReceiver):
            return ("bdat", "end-of-data") if self._last_chunk else ("bdat",)
        return ("end-of-data",)

    def end_of_body(self) -> Step:
        """Answer the octets that `receiver` has taken completely."""
        receiver, self.receiver = self.receiver, None
        envelope = self._envelope
        if isinstance(receiver, DotReceiver):
            self._envelope = None
            content = receiver.content
            return replies.TOO_BIG if content is None else self._submit(envelope, content)
        if envelope is None or not envelope.recipients:
            return self.checked(replies.NEED_MAIL) if envelope is None else replies.NEED_RCPT
        return self._end_of_chunk(envelope, receiver.received if receiver else 0)

    def _end_of_chunk(self, envelope: Envelope, octets: int) -> Step:
        if envelope.spoiled:
            if self._last_chunk:
                self._envelope = None
            envelope.chunks.clear()
            too_big = self._is_too_big(envelope.octets)
            return replies.TOO_BIG if too_big else self.checked(replies.BAD_SEQUENCE)
        if not self._last_chunk:
            return replies.chunk_received(octets)
        self._envelope = None
        return self._submit(envelope, b"".join(envelope.chunks))

    def _submit(self, envelope: Envelope | None, content: bytes) -> Step:
        assert envelope is not None and self._login is not None  # noqa: PT018 - for mypy
        reply, delay = self._exchange.submit(self._login, envelope, content, self._channel)
        return self._held_back(reply, delay) if delay > 0 else reply

    async def _held_back(self, reply: Reply, delay: float) -> Reply:
        await self._exchange.sleep(delay)
        return reply

    def abandon_body(self) -> None:
        """Refuse the body without looking at it (a fault): the rest of the transaction fails."""
        chunked = isinstance(self.receiver, ChunkReceiver)
        self.receiver = None
        if self._envelope is not None and chunked and not self._last_chunk:
            self._envelope.spoiled = True
        else:
            self._envelope = None

    def _rset(self, arguments: bytes) -> Reply:
        if arguments.strip():
            return replies.INVALID_ARGUMENTS
        self._envelope = None
        return replies.RESET
