"""Office 365 on one machine: the submission port and the inbox page."""

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from aiohttp import web

from .arrivals import bring
from .connection import Connection
from .counters import Counters
from .exchange import Exchange, utc_now
from .faults import FaultPlan
from .inbox import make_application
from .mail import KeptMessage, MailStore
from .returns import Returns
from .tenant import RECIPIENT_RULES, Limits, Mailbox, RecipientRule, Tenant
from .tokens import TokenKeys


class Authority(Protocol):
    """Whoever issues the server's certificate."""

    def server_context(self) -> ssl.SSLContext:
        """Return a TLS context with a certificate for localhost."""
        ...


class Office365Server:
    """SMTP submission with STARTTLS and XOAUTH2 as smtp.office365.com does it, and an inbox.

    `token_keys`: the public keys of the token issuer (a JWKS document, an RSA public key or its
    PEM), or a function, async or not, that returns them; it is called at every AUTH. `rtt`
    (seconds) holds back every flight of replies as a network would. `clock` and `sleep` run the
    limits; time-outs of sockets run on the event loop's time. `keep="ids"` keeps Message-IDs and
    counters only; `folder` keeps bodies in files there instead of in memory. With `returns`
    accepted mail is answered: reports arrive in the mailboxes that it was given.
    """

    def __init__(
        self,
        authority: Authority,
        token_keys: TokenKeys,
        *,
        mailboxes: Iterable[Mailbox] = (),
        limits: Limits | None = None,
        tenant: Tenant | None = None,
        recipient_rules: tuple[RecipientRule, ...] = RECIPIENT_RULES,
        host: str = "127.0.0.1",
        port: int = 0,
        inbox_port: int = 0,
        rtt: float = 0.0,
        keep: Literal["messages", "ids"] = "messages",
        max_messages: int = 10_000,
        max_bytes: int = 512 * 1024 * 1024,
        folder: Path | None = None,
        returns: Returns | None = None,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.host = host
        self.smtp_port = port
        self.inbox_port = inbox_port
        self.rtt = rtt
        self.exchange = Exchange(
            token_keys,
            mailboxes=mailboxes,
            limits=limits or Limits(),
            tenant=tenant or Tenant(),
            recipient_rules=recipient_rules,
            store=MailStore(keep, max_messages=max_messages, max_bytes=max_bytes, folder=folder),
            clock=clock,
            sleep=sleep,
            rng=rng,
        )
        self._returns = returns
        if returns is not None:
            self.exchange.on_kept = self._save_and_answer
        self._authority = authority
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._runner: web.AppRunner | None = None

    @property
    def inbox_url(self) -> str:
        """Where the inbox page and its API are, without a final slash."""
        return f"http://{self.host}:{self.inbox_port}"

    @property
    def messages(self) -> tuple[KeptMessage, ...]:
        """The kept messages, oldest first."""
        return tuple(self.exchange.store)

    @property
    def counters(self) -> Counters:
        """What was counted so far."""
        return self.exchange.counters

    @property
    def faults(self) -> FaultPlan:
        """The faults that are switched on."""
        return self.exchange.faults

    @property
    def limits(self) -> Limits:
        """The limits in force; assign others to change them."""
        return self.exchange.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self.exchange.limits = limits

    async def start(self) -> None:
        """Bind both ports; afterwards `smtp_port` and `inbox_url` are true."""
        if self._server is not None:
            raise RuntimeError("the server runs already: stop() it first")
        tls = self._authority.server_context()
        tls.minimum_version = max(tls.minimum_version, ssl.TLSVersion.TLSv1_2)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self.exchange, tls, self._connections, self.rtt),
            self.host,
            self.smtp_port,
            backlog=1024,
        )
        self.smtp_port = self._server.sockets[0].getsockname()[1]
        try:
            returned = self._returns.mailboxes if self._returns else None
            self._runner = web.AppRunner(
                make_application(self.exchange, returned), access_log=None, shutdown_timeout=1.0
            )
            await self._runner.setup()
            await web.TCPSite(self._runner, self.host, self.inbox_port).start()
            self.inbox_port = self._runner.addresses[0][1]
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close ports and connections. Kept mail stays readable; a second call does nothing."""
        server, self._server = self._server, None
        runner, self._runner = self._runner, None
        if server is not None:
            server.close()
        for connection in tuple(self._connections):
            connection.abort()
        if self._returns is not None:
            await self._returns.stop()
        if runner is not None:
            await runner.cleanup()
        if server is not None:
            await server.wait_closed()

    def _save_and_answer(self, message: KeptMessage) -> None:
        returns, mailbox = self._returns, self.exchange.mailbox(message.mailbox)
        assert returns is not None
        if mailbox is not None and mailbox.keeps_copies:
            returns.mailboxes.save_sent(message.mailbox, message.copy)
        returns.answer(message)
        bring(message, returns.mailboxes, self.exchange.clock())

    async def wait_for(
        self, predicate: Callable[[KeptMessage], bool], seconds: float = 10.0
    ) -> KeptMessage:
        """Return the first kept message that fits, waiting for it; TimeoutError if none came."""
        return await self.exchange.store.wait_for(predicate, seconds)
