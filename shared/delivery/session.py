"""One session with a submission server: STARTTLS, sign-in, and one mail after the other."""

import asyncio
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, cast

from shared.delivery.envelope import Extensions, Mail, foreseen_refusal
from shared.delivery.handover import Handover, Stage
from shared.delivery.replies import Reply
from shared.delivery.submission import SubmissionServer
from shared.delivery.transaction import Chunking, Transaction
from shared.delivery.wire import Wire, WireError
from shared.errors import MailroomError

if TYPE_CHECKING:
    from aiosmtplib import SMTP

    from shared.accounts import AccessToken

__all__ = [
    "Handover",
    "Mail",
    "SessionError",
    "SignIn",
    "SmtpSession",
    "Stage",
    "open_session",
    "tls_context",
]

_QUIT_TIMEOUT = 5.0
_CLOSE_TIMEOUT = 1.0


class SessionError(MailroomError):
    """No session could be opened. `reply` is the server's refusal, None if it said nothing."""

    def __init__(
        self, detail: str, *, stage: Stage, reply: Reply | None = None, fix: str = ""
    ) -> None:
        super().__init__(detail, fix=fix)
        self.stage = stage
        self.reply = reply


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who signs in: with a token (XOAUTH2), or with a password (LOGIN).

    until: when the token ends, and with it every session that it opened. token: the source's own
    handle of the token, to tell it which one was refused.
    """

    user: str
    secret: str = field(repr=False)
    mechanism: Literal["XOAUTH2", "LOGIN"] = "XOAUTH2"
    until: datetime | None = None
    token: "AccessToken | None" = field(default=None, repr=False)


class SmtpSession:
    """An open, signed-in session. Use `open_session`; not for concurrent use."""

    def __init__(self, wire: Wire, extensions: Extensions, *, timeout: float) -> None:
        self._wire = wire
        self._extensions = extensions
        self._timeout = timeout
        self._chunking = Chunking.UNTRIED if extensions.chunking else Chunking.ABSENT

    @property
    def extensions(self) -> Extensions:
        """What the server offers."""
        return self._extensions

    @property
    def usable(self) -> bool:
        """Whether another mail may be handed over by it."""
        return self._wire.idle

    async def check(self) -> bool:
        """Asks the server whether it is still there (NOOP)."""
        return self.usable and await self._obeys(b"NOOP\r\n") and self.usable

    async def hand_over(self, mail: Mail) -> Handover:
        """Hands over one mail. Never raises for what the server or the network does."""
        unfit = foreseen_refusal(mail, self._extensions)
        if unfit is not None:
            return Handover(accepted=False, stage="mail", reply=unfit)
        transaction = Transaction(
            self._wire, self._extensions, mail, chunking=self._chunking, timeout=self._timeout
        )
        try:
            handover = await transaction.run()
            self._chunking = transaction.chunking
            # What was refused may still be open. The outcome stands, whatever becomes of RSET.
            if not handover.accepted and self.usable:
                await self._obeys(b"RSET\r\n")
        except BaseException:
            self.abort()  # cancelled: nobody knows what is due now
            raise
        if not self.usable:
            self.abort()
        return handover

    async def offer(self, sender: str) -> Reply | None:
        """What the server says to a mail from this envelope sender, which is then taken back
        (RSET); None if it says nothing. The address is one of the settings'."""
        try:
            reply = await self._wire.ask(f"MAIL FROM:<{sender}>\r\n".encode(), self._timeout)
        except WireError:
            return None
        if self.usable:
            await self._obeys(b"RSET\r\n")
        return reply

    async def _obeys(self, command: bytes) -> bool:
        """Whether the server says yes; if it does not, the session is over."""
        try:
            reply = await self._wire.ask(command, self._timeout)
        except WireError:
            return False
        except BaseException:
            self.abort()
            raise
        if reply.code != 250:  # noqa: PLR2004
            self.abort()
            return False
        return True

    def abort(self) -> None:
        """Drops the connection."""
        self._wire.fail("The session was given up.")

    async def aclose(self) -> None:
        """Says QUIT and closes; never raises for what the server does."""
        if self.usable:
            try:
                await self._wire.ask(b"QUIT\r\n", _QUIT_TIMEOUT)
            except WireError:
                return
            except BaseException:
                self.abort()
                raise
        await self._wire.close(_CLOSE_TIMEOUT)


async def open_session(
    server: SubmissionServer,
    sign_in: SignIn,
    *,
    tls: ssl.SSLContext,
    timeout: float,  # noqa: ASYNC109 (of each step, not of the whole)
) -> SmtpSession:
    """Connects, demands STARTTLS with a valid certificate, and signs in.

    Raises SessionError: with the reply if the server refused, without if it broke off.
    """
    import aiosmtplib  # noqa: PLC0415 (120 ms that the app's start does without)

    smtp = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        timeout=timeout,
        start_tls=False,
        tls_context=tls,
        local_hostname="[127.0.0.1]",  # a function has no name of its own to tell
    )
    stage: Stage = "connect"
    try:
        await smtp.connect()
        stage = "starttls"
        await smtp.ehlo()
        _demand_starttls(smtp, server)
        below = smtp.transport
        await smtp.starttls()
        await smtp.ehlo()
        stage = "auth"
        if sign_in.mechanism == "XOAUTH2":
            await smtp.auth_xoauth2(sign_in.user, sign_in.secret)
        else:
            await smtp.auth_login(sign_in.user, sign_in.secret)
        wire = _take_over(smtp, below)
    except aiosmtplib.SMTPResponseException as error:
        smtp.close()
        reply = Reply(error.code, error.message)
        raise SessionError(
            f"{server.host} refused at {stage.upper()}: {reply}", stage=stage, reply=reply
        ) from None
    except ssl.SSLError as error:
        smtp.close()
        raise SessionError(
            f"TLS with {server.host}:{server.port} failed: {error.reason or type(error).__name__}.",
            stage="starttls",
            fix="Check the server's name, that the port speaks STARTTLS (587, not implicit TLS), "
            "and that its certificate is trusted (SSL_CERT_FILE).",
        ) from None
    except (OSError, aiosmtplib.SMTPException) as error:
        smtp.close()
        raise SessionError(
            f"No session with {server.host}:{server.port}: "
            f"{type(error).__name__} at {stage.upper()}.",
            stage=stage,
            fix="Check the address and that outbound traffic to it is allowed.",
        ) from None
    except BaseException:
        smtp.close()
        raise
    return SmtpSession(wire, Extensions.read(smtp.esmtp_extensions), timeout=timeout)


def _take_over(smtp: "SMTP", below: "asyncio.BaseTransport | None") -> Wire:
    """The client's connection, which it does without from now on. below: what TLS writes to."""
    if smtp.transport is None:
        raise ConnectionResetError
    return Wire(cast("asyncio.Transport", smtp.transport), cast("asyncio.WriteTransport", below))


def _demand_starttls(smtp: "SMTP", server: SubmissionServer) -> None:
    if not smtp.supports_extension("starttls"):
        raise SessionError(
            f"{server.host}:{server.port} offers no STARTTLS, and nothing is sent without it.",
            stage="starttls",
            fix="Check MAILROOM_SMTP_HOST and MAILROOM_SMTP_PORT: submission is on port 587.",
        )


def tls_context() -> ssl.SSLContext:
    """The context of every session: certificate and name are checked, TLS 1.2 at the least.

    Making one costs 30 ms: it is made once.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
