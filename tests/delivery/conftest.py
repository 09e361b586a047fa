"""A submission server, sessions with it, and a whole delivery on a real storage account."""

import secrets
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bench.virtual import MemoryTable
from local.azurite import Azurite
from local.certificates import LocalAuthority
from local.contoso import APP_CLIENT_ID, MAILBOXES, contoso
from local.entra import EntraServer, SigningKeys
from local.office365 import Limits, Mailbox, Office365Server
from shared.delivery.pool import Permits, SessionPool
from shared.delivery.session import SignIn, SmtpSession, open_session, tls_context
from shared.delivery.submission import SubmissionServer
from shared.quota import Governor, QuotaLimits
from shared.storage.connection import StorageConnection
from tests.delivery.post import Post, Process, World
from tests.storage.account import StoppedClock, connect, make_settings, running_azurite

BILLING, ALERTS = MAILBOXES


@pytest.fixture(scope="session")
async def azurite() -> AsyncIterator[Azurite]:
    async with running_azurite() as azurite:
        yield azurite


@pytest.fixture(scope="session")
async def storage(azurite: Azurite) -> AsyncIterator[StorageConnection]:
    connection = connect(azurite.connection_string)
    yield connection
    await connection.aclose()


@pytest.fixture(scope="session")
def entra(authority: LocalAuthority) -> EntraServer:
    """The tenant that issues tokens; nobody needs its endpoints here."""
    return EntraServer(authority, contoso(), keys=SigningKeys())


@pytest.fixture(scope="session")
def tls() -> ssl.SSLContext:
    """Mailroom's own context: it trusts the local authority by the environment."""
    return tls_context()


@pytest.fixture
async def office(authority: LocalAuthority, entra: EntraServer) -> AsyncIterator[Office365Server]:
    """Office 365 without the limits that would slow a test down; three connections remain."""
    server = Office365Server(
        authority,
        entra.jwks,
        mailboxes=[Mailbox(address) for address in MAILBOXES],
        limits=replace(Limits.unlimited(), concurrent_connections=3),
    )
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def clock() -> StoppedClock:
    """Starts at the true time: the storage service and the mail server go by that."""
    return StoppedClock(datetime.now(UTC))


type MakeGovernor = Callable[..., Governor]


class SignIns:
    """Signs in with tokens of the local Entra. Tests may hand out others, and look at `asked`."""

    def __init__(self, entra: EntraServer, clock: StoppedClock) -> None:
        self._entra = entra
        self._clock = clock
        self.life = timedelta(minutes=60)
        self.asked: list[SignIn | None] = []
        self.next: list[str | Exception] = []

    def token(self) -> str:
        app = self._entra.directory.app(APP_CLIENT_ID)
        return self._entra.tokens.issue_to_app(
            app, "https://outlook.office365.com", ["SMTP.SendAsApp"], authentication="1"
        ).value

    async def __call__(self, mailbox: str, rejected: SignIn | None) -> SignIn:
        self.asked.append(rejected)
        given = self.next.pop(0) if self.next else self.token()
        if isinstance(given, Exception):
            raise given
        return SignIn(mailbox, given, until=self._clock() + self.life)


@pytest.fixture
def sign_ins(entra: EntraServer, clock: StoppedClock) -> SignIns:
    return SignIns(entra, clock)


type OpenSession = Callable[..., Awaitable[SmtpSession]]


@pytest.fixture
async def open_(
    office: Office365Server, sign_ins: SignIns, tls: ssl.SSLContext
) -> AsyncIterator[OpenSession]:
    """Opens a session with the server; keywords replace what it is opened with."""
    opened: list[SmtpSession] = []

    async def open_with(**changes: Any) -> SmtpSession:
        host = changes.get("host", "localhost")
        server = SubmissionServer(host, changes.get("port", office.smtp_port), "scope")
        sign_in = changes.get("sign_in") or await sign_ins(BILLING, None)
        session = await open_session(
            server, sign_in, tls=changes.get("tls", tls), timeout=changes.get("timeout", 10)
        )
        opened.append(session)
        return session

    yield open_with
    for session in opened:
        session.abort()


@pytest.fixture
def ticking(clock: StoppedClock) -> Callable[[], datetime]:
    """The stopped clock and the time that truly passes: slots come up by themselves."""
    began = time.monotonic()
    return lambda: clock.now + timedelta(seconds=time.monotonic() - began)


@pytest.fixture
def make_governor(ticking: Callable[[], datetime]) -> MakeGovernor:
    """Starts governors that share their rows, which are in memory: storage has the true time.

    Keywords replace limits; without them nothing waits for a slot.
    """
    table = MemoryTable(clock=ticking)

    def make(**limits: Any) -> Governor:
        limits = {"messages_per_minute": 6000, "external": None, "onmicrosoft": None} | limits
        return Governor(
            table.client(), QuotaLimits(**limits), holder=secrets.token_hex(8), clock=ticking
        )

    return make


class Unlimited:
    """Permits for all the sessions that somebody asks for."""

    async def allow(self, mailbox: str, sessions: int) -> int:
        return sessions

    async def keep(self, mailboxes: Collection[str]) -> list[str]:
        return []


type MakePool = Callable[..., SessionPool]


@pytest.fixture
async def make_pool(
    open_: OpenSession, sign_ins: SignIns, clock: StoppedClock
) -> AsyncIterator[MakePool]:
    pools: list[SessionPool] = []

    def make(size: int = 3, permits: Permits | None = None, **others: Any) -> SessionPool:
        async def opener(sign_in: SignIn) -> SmtpSession:
            return await open_(sign_in=sign_in)

        pool = SessionPool(
            opener, sign_ins, permits=permits or Unlimited(), size=size, clock=clock, **others
        )
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        await pool.aclose()


@pytest.fixture
def start(make_pool: MakePool, make_governor: MakeGovernor) -> Callable[[], Process]:
    """Starts a process: it has a governor and sessions of its own."""

    def make() -> Process:
        governor = make_governor()
        return Process(governor, make_pool(permits=governor))

    return make


@pytest.fixture
def world(
    storage: StorageConnection,
    office: Office365Server,
    clock: StoppedClock,
    ticking: Callable[[], datetime],
    start: Callable[[], Process],
) -> World:
    return World(storage, office, clock, ticking, start)


@pytest.fixture
async def post(azurite: Azurite, world: World) -> Post:
    """A whole Mailroom but for its accounts and triggers, on storage with nothing in it."""
    settings = make_settings(azurite.connection_string, MAILROOM_LEASE="120")
    post = Post(settings, world, prefix=secrets.token_hex(6))
    await post.clear()
    return post
