"""Reading mailboxes by IMAP: UIDVALIDITY and the last UID say how far."""

import asyncio
import logging
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Sequence,
)
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from functools import partial

from shared.accounts import AccessToken
from shared.errors import InboxUnavailableError
from shared.inbox.arrivals import Place
from shared.inbox.imap import (
    TIMEOUT,
    Folder,
    FolderMissingError,
    ImapConnection,
    ImapMail,
    SessionEndedError,
    SignInError,
    TokenExpiredError,
)
from shared.inbox.mail import FetchedMail
from shared.inbox.source import Position, SignIn, Step

logger = logging.getLogger(__name__)

_WINDOW = 20_000  # UIDs in one SEARCH: imaplib takes no line over a megabyte
_SIZES_AT_ONCE = 200
_AT_ONCE = 10  # mails in one FETCH
_OCTETS_AT_ONCE = 8 * 1024 * 1024


class ImapSource:
    """A server with IMAP over TLS and XOAUTH2. `writes`: mail will be marked or moved. timeout:
    seconds for each answer."""

    kind = "imap"

    def __init__(
        self,
        host: str,
        port: int,
        *,
        sign_in: SignIn,
        size_limit: int,
        writes: bool,
        timeout: float = TIMEOUT,
    ) -> None:
        self._host = host
        self._port = port
        self._sign_in = sign_in
        self._size_limit = size_limit
        self._writes = writes
        self._timeout = timeout

    @asynccontextmanager
    async def open(self, mailbox: str) -> AsyncIterator["ImapMailbox"]:
        async def connect(rejected: AccessToken | None) -> tuple[ImapConnection, AccessToken]:
            for last_try in (rejected is not None, True):
                token = await self._sign_in(mailbox, rejected)
                try:
                    connection = await asyncio.to_thread(
                        ImapConnection, self._host, self._port, mailbox, token.value,
                        timeout=self._timeout,
                    )  # fmt: skip
                except (TokenExpiredError, SignInError):
                    if last_try:
                        raise
                    rejected = token
                else:
                    return connection, token
            raise AssertionError  # the loop returns or raises

        opened = ImapMailbox(mailbox, connect, size_limit=self._size_limit, writes=self._writes)
        try:
            yield opened
        finally:
            await opened.aclose()


class ImapMailbox:
    """One mailbox, over one connection at a time; it is opened anew when its token expires."""

    def __init__(
        self,
        mailbox: str,
        connect: Callable[[AccessToken | None], Awaitable[tuple[ImapConnection, AccessToken]]],
        *,
        size_limit: int,
        writes: bool,
    ) -> None:
        self._mailbox = mailbox
        self._connect = connect
        self._size_limit = size_limit
        self._writes = writes
        self._connection: ImapConnection | None = None
        self._token: AccessToken | None = None
        self._folder = ""
        self._selected: Folder | None = None

    async def read(
        self, folder: str, position: Position | None, *, since: datetime
    ) -> AsyncGenerator[Step]:
        try:
            selected = await self._select(folder)
        except FolderMissingError:
            if folder.upper() == "INBOX":
                raise
            logger.info("The mailbox %s has no folder %s.", self._mailbox, folder)
            return
        place = {"uid_validity": selected.uid_validity}
        if position is not None and position["uid_validity"] == selected.uid_validity:
            last = int(position["uid"])
            day = date.fromisoformat(position["since"]) if "since" in position else None
        else:
            # A day more: SINCE goes by the server's own date.
            last, day = 0, (since - timedelta(days=1)).date()
        looking_back = {"since": day.isoformat()} if day else {}
        for low in range(last + 1, selected.uid_next, _WINDOW):
            high = min(low + _WINDOW, selected.uid_next) - 1
            uids = await self._call(partial(_search, low, high, day))
            async for mail in self._fetch(folder, selected.uid_validity, uids):
                yield Step({**place, **looking_back, "uid": _uid(mail)}, mail)
            if high + 1 == selected.uid_next:
                looking_back = {}
            yield Step({**place, **looking_back, "uid": high})

    async def has_folder(self, folder: str) -> bool:
        try:
            await self._select(folder)
        except FolderMissingError:
            return False
        return True

    async def mark_read(self, mail: FetchedMail) -> None:
        await self._call(lambda c: c.mark_read(_uid(mail)))

    async def move(self, mail: FetchedMail, folder: str) -> None:
        await self._call(lambda c: c.move(_uid(mail), folder))

    async def count_sent(self, message_id: str) -> int:
        return await self._call(lambda c: c.count_sent(message_id))

    async def find(self, message_ids: Sequence[str]) -> tuple[Place, FetchedMail] | None:
        junk = await self._call(lambda c: c.junk_folder())
        places: list[tuple[Place, str]] = [("inbox", "INBOX")]
        if junk:
            places.append(("junk", junk))
        for place, folder in places:
            selected = await self._select(folder)
            for message_id in message_ids:
                uids = await self._call(partial(_with_message_id, message_id))
                async for mail in self._fetch(folder, selected.uid_validity, uids[:1]):
                    return place, mail
        return None

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await asyncio.to_thread(connection.close)

    async def _fetch(
        self, folder: str, uid_validity: int, uids: Sequence[int]
    ) -> AsyncGenerator[FetchedMail]:
        """The mails with these UIDs, in this order, in steps that memory can bear."""
        limit = self._size_limit
        for start in range(0, len(uids), _SIZES_AT_ONCE):
            part = uids[start : start + _SIZES_AT_ONCE]
            sizes = await self._call(partial(_sizes, part))
            for chunk in _chunks({uid: min(sizes.get(uid, 0), limit) for uid in part}):
                for mail in await self._call(partial(_contents, chunk, limit)):
                    yield FetchedMail(
                        mailbox=self._mailbox,
                        folder=folder,
                        key=f"{folder}/{uid_validity}/{mail.uid}",
                        received_at=mail.received_at,
                        content=mail.content[:limit],
                        cut=len(mail.content) > limit,
                    )

    async def _select(self, folder: str) -> Folder:
        self._folder, self._selected = "", None
        readonly = not self._writes
        selected = await self._call(lambda c: c.select(folder, readonly=readonly))
        self._folder, self._selected = folder, selected
        return selected

    async def _call[T](self, ask: Callable[[ImapConnection], T]) -> T:
        """Asks in a thread. Once, a session that has broken off is replaced."""
        connection = self._connection or await self._open()
        try:
            return await asyncio.to_thread(ask, connection)
        except TokenExpiredError:
            rejected = self._token
        except SessionEndedError:
            rejected = None
        await self.aclose()
        return await asyncio.to_thread(ask, await self._open(rejected))

    async def _open(self, rejected: AccessToken | None = None) -> ImapConnection:
        """A connection, with the folder selected that was selected before."""
        connection, self._token = await self._connect(rejected)
        self._connection = connection
        before = self._selected
        if before is not None:
            readonly = not self._writes
            now = await asyncio.to_thread(connection.select, self._folder, readonly=readonly)
            if now.uid_validity != before.uid_validity:
                raise InboxUnavailableError(f"The mailbox {self._mailbox} was numbered anew.")
        return connection


def _search(low: int, high: int, since: date | None, connection: ImapConnection) -> list[int]:
    return connection.uids(low, high, since)


def _with_message_id(message_id: str, connection: ImapConnection) -> list[int]:
    return connection.with_message_id(message_id)


def _sizes(uids: Sequence[int], connection: ImapConnection) -> dict[int, int]:
    return connection.sizes(uids)


def _contents(uids: Sequence[int], limit: int, connection: ImapConnection) -> list[ImapMail]:
    return connection.fetch(uids, limit)


def _chunks(sizes: dict[int, int]) -> Iterator[list[int]]:
    """UIDs to fetch at once: a few, and a few megabytes."""
    chunk: list[int] = []
    octets = 0
    for uid, size in sizes.items():
        if chunk and (len(chunk) == _AT_ONCE or octets + size > _OCTETS_AT_ONCE):
            yield chunk
            chunk, octets = [], 0
        chunk.append(uid)
        octets += size
    if chunk:
        yield chunk


def _uid(mail: FetchedMail) -> int:
    return int(mail.key.rpartition("/")[2])
