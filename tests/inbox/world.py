"""What the tests of reading have in common: an intake that records, rows in memory, faults."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from itertools import count

from local.certificates import LocalAuthority
from local.contoso import APP_CLIENT_ID, APP_OBJECT_ID, MAILBOXES, TENANT_ID
from local.entra import App, SigningKeys, TokenIssuer
from local.graph import GraphServer
from local.mailboxes import TenantMailbox, TenantMailboxes
from shared.accounts import AccessToken
from shared.errors import AlreadyExistsError, ChangedError
from shared.inbox.checkpoints import Checkpoints
from shared.inbox.graph_source import GraphSource
from shared.inbox.mail import FetchedMail, Intake
from shared.inbox.reader import ReturnedMailReader
from shared.inbox.source import MailSource
from shared.storage.tables import Row, Write
from tests.storage.account import StoppedClock, make_settings

BILLING, ALERTS = MAILBOXES
MAILROOM = App(APP_CLIENT_ID, "Mailroom", APP_OBJECT_ID)
GRAPH = "https://graph.microsoft.com"


def mail(number: int, *, size: int = 0) -> bytes:
    """A mail with a number in its subject, and so many octets more."""
    message = EmailMessage()
    message["Subject"] = f"Mail {number}"
    message["Message-ID"] = f"<{number}@example.com>"
    message.set_content("Words.\n" + "x" * 70 * (size // 71) + "\n")
    return message.as_bytes().replace(b"\n", b"\r\n")


def number(fetched: FetchedMail) -> int:
    """Which of `mail` it is."""
    subject = fetched.content.partition(b"Subject: Mail ")[2]
    return int(subject.partition(b"\r\n")[0])


class Recorder:
    """An intake that remembers what it was given. `ours`: which mails are for Mailroom."""

    def __init__(self, ours: Callable[[FetchedMail], bool] = lambda _: True) -> None:
        self.taken: list[FetchedMail] = []
        self.before: Callable[[FetchedMail], Awaitable[None]] | None = None
        self._ours = ours

    async def take(self, mail: FetchedMail) -> bool:
        if self.before is not None:
            await self.before(mail)
        self.taken.append(mail)
        return self._ours(mail)

    @property
    def numbers(self) -> list[int]:
        return [number(mail) for mail in self.taken]

    @property
    def times(self) -> Counter[int]:
        return Counter(self.numbers)


class Parked:
    """Keeps what the intake fails at, by key."""

    def __init__(self) -> None:
        self.mails: dict[str, FetchedMail] = {}

    async def park(self, mail: FetchedMail) -> str:
        self.mails[mail.key] = mail
        return mail.key


class MemoryRows:
    """A table with ETags and transactions. `fault` is called before and after each operation."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row] = {}
        self.fault: Callable[[str], None] = lambda _: None
        self._versions = count(1)

    async def read(
        self, partition: str, key: str, *, select: Sequence[str] | None = None
    ) -> Row | None:
        self.fault("read")
        return self.rows.get((partition, key))

    async def write(self, *writes: Write) -> str:
        self.fault("write")
        rows = dict(self.rows)
        assert len({write.row.partition for write in writes}) == 1
        etags = []
        for write in writes:
            place = (write.row.partition, write.row.key)
            there = rows.get(place)
            if write.how == "insert" and there is not None:
                raise AlreadyExistsError("The row exists.")
            if write.how == "merge" and (there is None or there.etag != write.row.etag):
                raise ChangedError("The row was changed.")
            before = there.values if there is not None and write.how == "merge" else {}
            etags.append(str(next(self._versions)))
            rows[place] = Row(*place, {**before, **write.row.values}, etags[-1])
        self.rows = rows
        self.fault("written")
        return etags[0]


@dataclass
class Reading:
    """Everything that a reader needs, but its source."""

    clock: StoppedClock
    intake: Recorder = field(default_factory=Recorder)
    parked: Parked = field(default_factory=Parked)
    table: MemoryRows = field(default_factory=MemoryRows)

    def reader(
        self,
        source: MailSource,
        *,
        holder: str = "one",
        intake: Intake | None = None,
        **settings: str,
    ) -> ReturnedMailReader:
        given = {
            "MAILROOM_RETURNED_MAIL": "graph",
            "MAILROOM_RETURNED_MAILBOXES": f'["{BILLING}"]',
            "MAILROOM_RETURNED_FOLDERS": '["INBOX"]',
            **settings,
        }
        return ReturnedMailReader(
            make_settings("UseDevelopmentStorage=true", **given),
            source=source,
            intake=intake or self.intake,
            checkpoints=Checkpoints(self.table, holder=holder, clock=self.clock),
            parking=self.parked,
            clock=self.clock,
        )


class GraphWorld:
    """Graph's stand-in with Contoso's mailboxes, and the source that reads them."""

    def __init__(self, authority: LocalAuthority, keys: SigningKeys, clock: StoppedClock) -> None:
        self.clock = clock
        self.mailboxes = TenantMailboxes(MAILBOXES, clock=clock)
        self.server = GraphServer(
            authority, keys.jwks, self.mailboxes, tenant_id=TENANT_ID, clock=clock
        )
        self.server.access.assign(BILLING, APP_CLIENT_ID, "Mail.Read")
        self.issuer = TokenIssuer(keys, TENANT_ID, life=timedelta(hours=1), clock=clock)
        self.audience = GRAPH
        self.rejected: list[AccessToken] = []
        self.waits: list[float] = []

    @property
    def billing(self) -> TenantMailbox:
        found = self.mailboxes.get(BILLING)
        assert found is not None
        return found

    def source(self, *, size_limit: int = 1024 * 1024) -> GraphSource:
        return GraphSource(
            self.server.url,
            sign_in=self.sign_in,
            size_limit=size_limit,
            clock=self.clock,
            pause=self._pause,
        )

    async def sign_in(self, mailbox: str, rejected: AccessToken | None) -> AccessToken:
        if rejected is not None:
            self.rejected.append(rejected)
        issued = self.issuer.issue_to_app(MAILROOM, self.audience, [], authentication="1")
        return AccessToken(issued.value, self.clock() + timedelta(hours=1))

    async def _pause(self, seconds: float) -> None:
        self.waits.append(seconds)
