"""A source whose mailboxes are lists: for tests of the run, which no server can slow down."""

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime

from shared.inbox.mail import FetchedMail
from shared.inbox.source import Position, Step
from tests.inbox.world import mail


class ListSource:
    """`failures`: what opening a mailbox raises. `fault` is called at every step of reading."""

    kind = "list"

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.failures: dict[str, Exception] = {}
        self.opened: Counter[str] = Counter()
        self.asked_since: list[datetime] = []
        self.put_away: list[str] = []
        self.fault: Callable[[str], None] = lambda _: None
        self._mails: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        self._clock = clock

    def fill(self, mailbox: str, folder: str, numbers: Iterable[int]) -> None:
        self._mails[mailbox, folder].extend(numbers)

    @asynccontextmanager
    async def open(self, mailbox: str) -> AsyncIterator["ListMailbox"]:
        self.opened[mailbox] += 1
        if mailbox in self.failures:
            raise self.failures[mailbox]
        self.fault("open")
        yield ListMailbox(self, mailbox)
        self.fault("close")


class ListMailbox:
    def __init__(self, source: ListSource, mailbox: str) -> None:
        self._source = source
        self._mailbox = mailbox

    async def read(
        self, folder: str, position: Position | None, *, since: datetime
    ) -> AsyncGenerator[Step]:
        if position is None:
            self._source.asked_since.append(since)
        start = int(position["next"]) if position else 0
        mails = self._source._mails[self._mailbox, folder]
        for index in range(start, len(mails)):
            self._source.fault("step")
            fetched = FetchedMail(
                mailbox=self._mailbox,
                folder=folder,
                key=f"{folder}/{index}",
                received_at=self._source._clock(),
                content=mail(mails[index]),
            )
            yield Step({"next": index + 1}, fetched)

    async def mark_read(self, mail: FetchedMail) -> None:
        self._source.fault("mark")
        self._source.put_away.append(mail.key)

    async def move(self, mail: FetchedMail, folder: str) -> None:
        self._source.fault("move")
        self._source.put_away.append(mail.key)
