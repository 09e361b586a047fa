"""The table `links`: each link's row, and beside it in one transaction the rows to find it by."""

import heapq
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.concurrency import run_bounded
from shared.links.link import Link
from shared.messages.indexes import time_key
from shared.messages.ledger import PARTITIONS, partition_of
from shared.storage.connection import StorageConnection
from shared.storage.names import LINKS
from shared.storage.tables import Row, Table, Write

_STATE = (
    "message_id", "number", "blob", "file_name", "media_type", "size", "created_at", "expires_at",
    "max_downloads", "own_file", "downloads", "seal", "tries", "views", "revoked_at",
)  # fmt: skip
_TIMES = frozenset(["created_at", "expires_at", "revoked_at"])
_FAR = datetime(9000, 1, 1, tzinfo=UTC)


class LinkRegister:
    """Reads and writes links. Every change of a stored link demands its ETag.

    kept: how long after its end a link is remembered.
    """

    def __init__(self, storage: StorageConnection, *, kept: timedelta) -> None:
        self._table = Table(storage, LINKS)
        self._kept = kept

    async def add(self, link: Link) -> Link:
        """Stores a new link. Raises AlreadyExistsError."""
        partition = link.id[0]
        writes = [Write("insert", Row(partition, f"link-{link.id}", _values(link)))]
        writes += (Write("put", Row(partition, key, {"link": link.id})) for key in self._keys(link))
        return replace(link, etag=await self._table.write(*writes))

    def _keys(self, link: Link) -> tuple[str, ...]:
        return (
            _made_key(link),
            f"message-{link.message_id}-{link.number:03d}",
            f"forget-{time_key(link.expires_at + self._kept)}-{link.id}",
        )

    async def get(self, link_id: str) -> Link | None:
        row = await self._table.read(link_id[0], f"link-{link_id}")
        return _link(link_id, row) if row else None

    async def change(self, old: Link, **changes: Any) -> Link:
        """Stores changes of a link, if nobody has changed it since. Raises ChangedError."""
        new = replace(old, **changes)
        row = Row(old.id[0], f"link-{old.id}", _values(new), old.etag)
        return replace(new, etag=await self._table.write(Write("merge", row)))

    async def of_message(self, message_id: str) -> list[Link]:
        """The links of a message, in the order of its attachments."""
        low = f"message-{message_id}-"
        rows = self._table.query(partition_of(message_id), low, low + "~")
        links = await self._read([row.values["link"] async for row in rows])
        # The id of another message may begin with this one's and a hyphen.
        return [link for link in links if link.message_id == message_id]

    async def newest(self, *, after: str, limit: int) -> tuple[list[Link], str]:
        """A page of all links, newest first, and the cursor of the next page, "" after the last.

        after: the cursor of this page, "" for the first.
        """
        low = f"made-{after}~" if after else "made-"

        async def first(partition: str) -> list[str]:
            rows = self._table.query(partition, low, "made-~", limit=limit + 1)
            return [row.key async for row in rows]

        found = await run_bounded(first, PARTITIONS, at_once=len(PARTITIONS))
        keys = list(heapq.merge(*found))
        page = keys[:limit]
        links = await self._read([key.rpartition("-")[2] for key in page])
        return links, page[-1].removeprefix("made-") if len(keys) > limit else ""

    async def _read(self, ids: list[str]) -> list[Link]:
        return [link for link in await run_bounded(self.get, ids, at_once=16) if link is not None]

    async def forgettable(self, partition: str, now: datetime, *, limit: int) -> list[str]:
        """Ids of links of a partition that need not be remembered any more."""
        rows = self._table.query(partition, "forget-", f"forget-{time_key(now)}", limit=limit)
        return [row.values["link"] async for row in rows]

    async def remove(self, link: Link) -> None:
        """Deletes a link and what it is found by. Raises ChangedError."""
        partition = link.id[0]
        writes = [Write("delete", Row(partition, f"link-{link.id}", etag=link.etag))]
        writes += (Write("delete", Row(partition, key)) for key in self._keys(link))
        await self._table.write(*writes)


def _made_key(link: Link) -> str:
    # Tables sort upwards only: the newest has the smallest key.
    return f"made-{int((_FAR - link.created_at).total_seconds()):012d}-{link.id}"


def _values(link: Link) -> Mapping[str, Any]:
    # An absent time is stored as "": a merge leaves out what is None, and so would keep the old.
    return {
        name: value.isoformat() if isinstance(value, datetime) else ("" if value is None else value)
        for name in _STATE
        for value in (getattr(link, name),)
    }


def _link(link_id: str, row: Row) -> Link:
    values = {
        name: (_time(row.values[name]) if name in _TIMES else row.values[name]) for name in _STATE
    }
    return Link(id=link_id, etag=row.etag, **values)  # type: ignore[arg-type]


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
