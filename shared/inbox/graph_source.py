"""Reading mailboxes by Microsoft Graph: first the backlog, oldest first, then what delta tells.

A delta query gives its mails in no order and, with a filter, 5,000 at most; so the backlog is
listed by time, and delta takes over an hour before now. Both overlap in nothing: the one ends
where the other's filter begins.

learn.microsoft.com/graph/api/message-delta, learn.microsoft.com/graph/delta-query-messages,
learn.microsoft.com/graph/api/user-list-messages
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.concurrency import run_bounded
from shared.errors import InboxError
from shared.inbox.arrivals import Place
from shared.inbox.graph import GraphMailClient, ItemMissingError, ResyncError
from shared.inbox.mail import FetchedMail
from shared.inbox.source import Position, SignIn, Step

logger = logging.getLogger(__name__)

# https://learn.microsoft.com/en-us/graph/api/resources/mailfolder: these have no language.
_WELL_KNOWN = {"inbox": "inbox", "junk email": "junkemail", "junkemail": "junkemail"}

ARRIVAL_FOLDERS: Mapping[Place, str] = {"inbox": "inbox", "junk": "junkemail"}

_PAGE = 50
_ROUND = 200  # mails of a delta round that are put in order at once
_FETCHED_AT_ONCE = 4
_AHEAD = 8  # mails that are fetched before they are handed over
_OVERLAP = timedelta(hours=1)  # more than clocks differ
_AGAIN = timedelta(days=1)  # before the last round that is known to be complete
_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class _Item:
    """A mail in a list or a delta page."""

    id: str
    received_at: datetime

    @property
    def mark(self) -> str:
        return hashlib.sha256(self.id.encode()).hexdigest()[:16]


class GraphSource:
    """Microsoft Graph at an address; `sign_in` gives its tokens."""

    kind = "graph"

    def __init__(
        self,
        base: str,
        *,
        sign_in: SignIn,
        size_limit: int,
        clock: Callable[[], datetime],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._base = base
        self._sign_in = sign_in
        self._size_limit = size_limit
        self._clock = clock
        self._pause = pause

    @asynccontextmanager
    async def open(self, mailbox: str) -> AsyncIterator["GraphMailbox"]:
        from aiohttp import ClientSession, ClientTimeout  # noqa: PLC0415 - 320 ms at import

        async with ClientSession(timeout=ClientTimeout(total=_TIMEOUT)) as session:
            client = GraphMailClient(
                session, self._base, mailbox, sign_in=self._sign_in, pause=self._pause
            )
            yield GraphMailbox(client, mailbox, size_limit=self._size_limit, clock=self._clock)


class GraphMailbox:
    """One mailbox. A position is `{"from", "seen"}` in the backlog, then `{"link", "seen"}`.

    from: when the last mail handed over was received; link: the delta request to make next;
    seen: marks of the mails handed over that either will show again; until: when the last
    complete round began.
    """

    def __init__(
        self,
        client: GraphMailClient,
        mailbox: str,
        *,
        size_limit: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._mailbox = mailbox
        self._size_limit = size_limit
        self._clock = clock
        self._folders: dict[str, str] = {}

    async def read(
        self, folder: str, position: Position | None, *, since: datetime
    ) -> AsyncGenerator[Step]:
        folder_id = await self._folder(folder)
        if folder_id is None:
            logger.info("The mailbox %s has no folder %s.", self._mailbox, folder)
            return
        if position is not None and "link" in position:
            try:
                async for step in self._changes(folder, position):
                    yield step
            except ResyncError as error:
                logger.warning("%s It is looked through again.", error)
                if "until" in position:
                    since = max(since, datetime.fromisoformat(position["until"]) - _AGAIN)
                position = None
            else:
                return
        position = position or {"from": _iso(since), "seen": []}
        upper = self._clock() - _OVERLAP
        async for step in self._backlog(folder, folder_id, position, upper):
            yield step
        link = self._client.url(
            "mailFolders", folder_id, "messages", "delta", changeType="created",
            _select="receivedDateTime", _filter=f"receivedDateTime ge {_iso(upper)}",
        )  # fmt: skip
        async for step in self._changes(folder, {"link": link, "seen": []}):
            yield step

    async def has_folder(self, folder: str) -> bool:
        found = await self._folder(folder)
        if found is None:
            return False
        try:
            await self._client.get(
                self._client.url("mailFolders", found, "messages", _top="1", _select="id")
            )
        except ItemMissingError:
            return False
        return True

    async def mark_read(self, mail: FetchedMail) -> None:
        url = self._client.url("messages", mail.key)
        try:
            await self._client.send("PATCH", url, {"isRead": True})
        except ItemMissingError:
            return

    async def move(self, mail: FetchedMail, folder: str) -> None:
        target = await self._folder(folder)
        if target is None:
            made = await self._client.send(
                "POST", self._client.url("mailFolders"), {"displayName": folder}
            )
            target = self._folders[folder] = str(made["id"])
        url = self._client.url("messages", mail.key, "move")
        try:
            await self._client.send("POST", url, {"destinationId": target})
        except ItemMissingError:
            return

    async def count_sent(self, message_id: str) -> int:
        quoted = message_id.replace("'", "''")
        url = self._client.url(
            "mailFolders", "sentitems", "messages",
            _filter=f"internetMessageId eq '{quoted}'", _select="id",
        )  # fmt: skip
        return len((await self._client.get(url)).get("value") or [])

    async def find(self, message_ids: Sequence[str]) -> tuple[Place, FetchedMail] | None:
        for message_id in message_ids:
            quoted = message_id.replace("'", "''")
            for place, folder in ARRIVAL_FOLDERS.items():
                url = self._client.url(
                    "mailFolders", folder, "messages", _select="receivedDateTime",
                    _filter=f"internetMessageId eq '{quoted}'",
                )  # fmt: skip
                items = _items(await self._client.get(url))[:1]
                async for _, mail in self._fetched(folder, items):
                    if mail is not None:
                        return place, mail
        return None

    async def _folder(self, name: str) -> str | None:
        """The id of a folder of the top level, or its well-known name; None without one."""
        if name.casefold() in _WELL_KNOWN:
            return _WELL_KNOWN[name.casefold()]
        if name not in self._folders:
            quoted = name.replace("'", "''")
            url = self._client.url(
                "mailFolders", _filter=f"displayName eq '{quoted}'", _select="id,displayName"
            )
            found = (await self._client.get(url)).get("value") or []
            if not found:
                return None
            self._folders[name] = str(found[0]["id"])
        return self._folders[name]

    async def _backlog(
        self, folder: str, folder_id: str, position: Position, upper: datetime
    ) -> AsyncGenerator[Step]:
        """What was received from `position` on and before `upper`, in order."""
        start, seen = datetime.fromisoformat(position["from"]), set(position["seen"])
        while items := await self._listed(folder_id, start, upper, seen):
            async for item, mail in self._fetched(folder, items):
                if item.received_at > start:
                    start, seen = item.received_at, set()
                seen.add(item.mark)
                yield Step({"from": _iso(start), "seen": sorted(seen)}, mail)

    async def _listed(
        self, folder_id: str, start: datetime, upper: datetime, seen: set[str]
    ) -> list[_Item]:
        """The next mails by time. Asked anew each time: a later page would slip by those that
        were moved away meanwhile."""
        if start >= upper:
            return []
        link: str | None = self._client.url(
            "mailFolders", folder_id, "messages", _select="receivedDateTime", _top=str(_PAGE),
            _filter=f"receivedDateTime ge {_iso(start)} and receivedDateTime lt {_iso(upper)}",
            _orderby="receivedDateTime",
        )  # fmt: skip
        while link:
            page = await self._client.get(link)
            items = [item for item in _items(page) if item.mark not in seen]
            if items:
                return items
            link = page.get("@odata.nextLink")
        return []

    async def _changes(self, folder: str, position: Position) -> AsyncGenerator[Step]:
        """The rest of a delta round, from the position's link to the end."""
        link, seen = position["link"], set(position["seen"])
        until = {"until": position["until"]} if "until" in position else {}
        began = _iso(self._clock())
        while True:
            items, following, complete = await self._round(link)
            fresh = [item for item in items if item.mark not in seen]
            async for item, mail in self._fetched(folder, fresh):
                seen.add(item.mark)
                yield Step({"link": link, "seen": sorted(seen), **until}, mail)
            if complete:
                until = {"until": began}
            link, seen = following, set()
            yield Step({"link": link, "seen": [], **until})
            if complete:
                return

    async def _round(self, link: str) -> tuple[list[_Item], str, bool]:
        """Some pages' mails, oldest first; the link that follows, and whether it is the next
        round's."""
        found: dict[str, _Item] = {}
        while True:
            page = await self._client.get(link, page_size=_PAGE)
            found |= {item.id: item for item in _items(page)}
            if "@odata.deltaLink" in page:
                link, complete = str(page["@odata.deltaLink"]), True
            elif "@odata.nextLink" in page:
                link, complete = str(page["@odata.nextLink"]), False
            else:
                raise ResyncError("Microsoft Graph's delta page has no link.")
            if complete or len(found) >= _ROUND:
                items = sorted(found.values(), key=lambda item: item.received_at)
                return items, link, complete

    async def _fetched(
        self, folder: str, items: Sequence[_Item]
    ) -> AsyncGenerator[tuple[_Item, FetchedMail | None]]:
        """The mails in the order of the items; None for one that has gone meanwhile."""

        async def fetch(item: _Item) -> FetchedMail | None:
            url = self._client.url("messages", item.id, "$value")
            try:
                content = await self._client.content(url, self._size_limit)
            except ItemMissingError:
                return None
            limit = self._size_limit
            return FetchedMail(
                mailbox=self._mailbox,
                folder=folder,
                key=item.id,
                received_at=item.received_at,
                content=content[:limit],
                cut=len(content) > limit,
            )

        for start in range(0, len(items), _AHEAD):
            part = items[start : start + _AHEAD]
            mails = await run_bounded(fetch, part, at_once=_FETCHED_AT_ONCE)
            for item, mail in zip(part, mails, strict=True):
                yield item, mail


def _items(page: Mapping[str, Any]) -> list[_Item]:
    """The mails of a page; removed ones, and what has no date, are left out."""
    items = []
    for value in page.get("value") or []:
        if "@removed" in value or "receivedDateTime" not in value:
            continue
        try:
            received_at = datetime.fromisoformat(value["receivedDateTime"]).astimezone(UTC)
        except (TypeError, ValueError):
            raise InboxError("Microsoft Graph's answer has a date that is none.") from None
        items.append(_Item(str(value["id"]), received_at.replace(microsecond=0)))
    return items


def _iso(moment: datetime) -> str:
    """As Graph's filters want it: to the second, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
