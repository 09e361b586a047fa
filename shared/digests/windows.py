"""The table `digests`: each recipient's window, its items, and the index of what is due.

All rows of a recipient of a digest are in one of 16 partitions, so that an item and what it changes
are one transaction. Under each key there is but one kind of row:

    window-<uid>-<recipient>                   the window
    due-<time>-<uid>-<recipient>               when somebody must look at it: one range query a
                                               partition finds what is due, whatever is stored
    item-<uid>-<recipient>-<window>-<item>     what gathers
    key-<uid>-<key>-<recipient>-<window>       where the items of a key are
    seen-<uid>-<recipient>-<item id>           an item that was taken once, and when that may be
    forget-<time>-<uid>-<recipient>-<item id>  forgotten

uid tells a digest from an earlier one of its name.
"""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from shared.concurrency import run_bounded
from shared.digests.item import PendingItem, item_order
from shared.digests.window import Place, Window, read_window, write_window
from shared.errors import AlreadyExistsError, ChangedError, StorageUnavailableError
from shared.messages.indexes import time_key
from shared.messages.ledger import PARTITIONS
from shared.storage.connection import StorageConnection
from shared.storage.names import DIGESTS
from shared.storage.tables import MAX_WRITES, Row, Table, Write

CHUNK = 24  # items in one transaction: four rows each, and three of the window

MOST_ITEMS = 10_000  # of a window that are looked at; more are only counted

_TRIES = 20  # against others who change the same window
_AT_ONCE = 16
_ROWS_OF_ITEM = 2


@dataclass(frozen=True, slots=True)
class Gathered:
    """The items of a window, oldest first. others: how many there are besides; rows: of all."""

    items: tuple[PendingItem, ...] = field(repr=False)
    others: int
    rows: tuple[Row, ...] = field(repr=False)


class Windows:
    """Reads and writes windows. Every change of a stored one demands its ETag."""

    def __init__(self, storage: StorageConnection) -> None:
        self._table = Table(storage, DIGESTS)

    async def read(self, place: Place) -> Window | None:
        row = await self._table.read(place.partition, _window_key(place))
        return read_window(row.values["window"], row.etag) if row else None

    async def change(self, old: Window, new: Window) -> Window:
        """Stores `new` in place of `old`. Raises ChangedError if somebody changed it since."""
        return replace(new, etag=await self._table.write(*_window_writes(old, new)))

    async def add(
        self,
        place: Place,
        items: Sequence[PendingItem],
        advance: Callable[[Window | None], Awaitable[Window]],
        *,
        keep: bool,
        remembered_until: datetime,
    ) -> int:
        """Puts items into the open window; returns how many had not been there before.

        advance: the window, one that is open, after items came; asked again at each try. keep: of
        the same key the first item stays. CHUNK items at most.
        """
        left = _folded(items, keep=keep)
        for number in range(_TRIES):
            old = await self.read(place)
            new = await advance(old)
            stored = await self._not_there(place, new, left) if keep else left
            writes = _window_writes(old, new)
            for item in left:
                writes += _seen_writes(place, item, remembered_until)
                if item in stored:
                    writes += _item_writes(place, new.open, item)
            try:
                await self._table.write(*writes)
            except AlreadyExistsError:
                left = await self._unseen(place, left)
                if not left:
                    return 0
            except ChangedError:
                await asyncio.sleep(secrets.randbelow(20) * number / 1000)
            else:
                return len(left)
        raise StorageUnavailableError("A recipient's window is being changed all the time.")

    async def _unseen(self, place: Place, items: Sequence[PendingItem]) -> list[PendingItem]:
        """Those that had not been taken before."""

        async def find(item: PendingItem) -> bool:
            key = _seen_key(place, item)
            return await self._table.read(place.partition, key, select=["RowKey"]) is None

        found = await run_bounded(find, items, at_once=_AT_ONCE)
        return [item for item, unseen in zip(items, found, strict=True) if unseen]

    async def _not_there(
        self, place: Place, window: Window, items: Sequence[PendingItem]
    ) -> list[PendingItem]:
        """Those whose key no item of the window has."""

        async def find(item: PendingItem) -> bool:
            key = _item_key(place, window.open, item)
            return await self._table.read(place.partition, key, select=["RowKey"]) is None

        found = await run_bounded(find, items, at_once=_AT_ONCE)
        return [item for item, there in zip(items, found, strict=True) if there]

    async def gathered(self, place: Place, window: str, *, newest: bool) -> Gathered:
        """What has gathered in a window: the newest or the oldest items, if they are very many."""
        low = f"item-{place.uid}-{place.recipient}-{window}-"
        items: list[PendingItem] = []
        rows: list[Row] = []
        async for row in self._table.query(place.partition, low, f"{low}~", limit=10**9):
            item = _read_item(row)
            items.append(item)
            rows += _item_rows(place, window, item)
            if len(items) == 2 * MOST_ITEMS:
                items.sort(key=item_order, reverse=newest)
                del items[MOST_ITEMS:]
        items.sort(key=item_order, reverse=newest)
        kept = sorted(items[:MOST_ITEMS], key=item_order)
        total = sum(row.key.startswith("item-") for row in rows)
        return Gathered(tuple(kept), total - len(kept), tuple(rows))

    async def close(
        self, closing: Window, gathered: Gathered, closed: Callable[[Window], Window]
    ) -> bool:
        """Deletes a closing window's items, and stores what `closed` makes of the window as it is
        by now; False where somebody else has taken it over."""
        place, rows = closing.place, list(gathered.rows)
        most = MAX_WRITES - 4  # the window's own
        try:
            while len(rows) > most:
                batch, rows = rows[:most], rows[most:]
                await self._table.write(*(Write("delete", row) for row in batch))
            for _ in range(_TRIES):
                now = await self.read(place)
                if now is None or now.claim != closing.claim:
                    return False
                writes = _window_writes(now, closed(now))
                writes += (Write("delete", row) for row in rows)
                try:
                    await self._table.write(*writes)
                except ChangedError:
                    continue  # an item came: it stands in the next window
                return True
        except ChangedError:
            pass  # somebody else is deleting them
        return False

    async def due(self, partition: str, now: datetime, *, limit: int) -> list[tuple[str, Place]]:
        """What of a partition was due at `now`, oldest first: (time, place)."""
        rows = self._table.query(partition, "due-", f"due-{time_key(now)}-~", limit=limit)
        keys = [row.key.split("-") async for row in rows]
        return [(time, Place(uid, recipient)) for _, time, uid, recipient in keys]

    async def is_pending(self, uid: str) -> bool:
        """Whether any recipient's window of a digest is open or closing."""

        async def look(partition: str) -> bool:
            low = f"window-{uid}-"
            async for row in self._table.query(partition, low, f"{low}~", limit=100_000):
                window = read_window(row.values["window"], row.etag)
                if window.open or window.closing:
                    return True
            return False

        return any(await run_bounded(look, PARTITIONS, at_once=_AT_ONCE))

    async def remove_key(self, uid: str, key: str, recipient: str = "") -> tuple[int, int]:
        """Takes the items of a key away, of one recipient or of all: (removed, those too late)."""
        digest = _digest("k", key)

        async def remove(partition: str) -> tuple[int, int]:
            low = f"key-{uid}-{digest}-{recipient}"
            rows = self._table.query(partition, low, f"{low}~", limit=100_000)
            found = [row.key.split("-") async for row in rows]
            gone = [
                await self._remove_item(Place(uid, person), window, digest)
                for _, _, _, person, window in found
            ]
            return gone.count(True), gone.count(False)

        counts = await run_bounded(remove, PARTITIONS, at_once=_AT_ONCE)
        return sum(count[0] for count in counts), sum(count[1] for count in counts)

    async def _remove_item(self, place: Place, window: str, item: str) -> bool:
        """Whether it was taken out of a window that is still open."""
        rows = _rows_of(place, window, item, keyed=True)
        for _ in range(_TRIES):
            now = await self.read(place)
            if now is None or now.open != window:
                return False
            try:
                # Written as it is: who claims the window at the same time is told by its ETag.
                await self._table.write(
                    *_window_writes(now, now), *(Write("delete", row) for row in rows)
                )
            except ChangedError:
                if (
                    await self._table.read(rows[0].partition, rows[0].key, select=["RowKey"])
                    is None
                ):
                    return True  # another call has removed it
                continue
            return True
        raise StorageUnavailableError("A recipient's window is being changed all the time.")

    async def forget(self, partition: str, now: datetime, *, limit: int) -> int:
        """Forgets ids of items that need not be remembered any more; returns how many."""
        rows = self._table.query(partition, "forget-", f"forget-{time_key(now)}-~", limit=limit)
        keys = [row.key async for row in rows]
        step = MAX_WRITES // _ROWS_OF_ITEM
        for start in range(0, len(keys), step):
            writes = []
            for key in keys[start : start + step]:
                seen = "seen-" + key.split("-", 2)[2]
                writes += [Write("delete", Row(partition, name)) for name in (key, seen)]
            try:
                await self._table.write(*writes)
            except ChangedError:
                return start  # another instance is at it
        return len(keys)


def _window_writes(old: Window | None, new: Window) -> list[Write]:
    """The window, and its place in the index of what is due."""
    place = new.place
    before = old.wakes_at if old else None
    after = new.wakes_at
    if old is None:
        how: Any = "insert"
    else:
        how = "merge" if after is not None else "delete"
    row = Row(place.partition, _window_key(place), {"window": write_window(new)})
    writes = [Write(how, replace(row, etag=old.etag if old else ""))]
    if before != after:
        if after is not None:
            writes.append(Write("put", Row(place.partition, _due_key(place, after))))
        if before is not None:
            writes.append(Write("delete", Row(place.partition, _due_key(place, before))))
    return writes


def _seen_writes(place: Place, item: PendingItem, until: datetime) -> list[Write]:
    key = _seen_key(place, item)
    forget = f"forget-{time_key(until)}-{key.removeprefix('seen-')}"
    return [
        Write("insert", Row(place.partition, key)),
        Write("put", Row(place.partition, forget)),
    ]


def _item_writes(place: Place, window: str, item: PendingItem) -> list[Write]:
    values = {
        "id": item.id, "key": item.key, "subject": item.subject, "urgent": item.urgent,
        "occurred_at": item.occurred_at.isoformat(), "added_at": item.added_at.isoformat(),
        "data": json.dumps(item.data, ensure_ascii=False),
    }  # fmt: skip
    first, *others = _item_rows(place, window, item)
    return [Write("put", replace(first, values=values)), *(Write("put", row) for row in others)]


def _read_item(row: Row) -> PendingItem:
    values = row.values
    return PendingItem(
        id=values["id"], key=values["key"], data=json.loads(values["data"]),
        subject=values["subject"], urgent=values["urgent"],
        occurred_at=datetime.fromisoformat(values["occurred_at"]),
        added_at=datetime.fromisoformat(values["added_at"]),
    )  # fmt: skip


def _folded(items: Sequence[PendingItem], *, keep: bool) -> list[PendingItem]:
    """Of the same id the first item; of the same key the first or the last."""
    by_id: dict[str, PendingItem] = {}
    for item in items:
        by_id.setdefault(item.id, item)
    by_key: dict[str, PendingItem] = {}
    for item in by_id.values():
        name = _item_digest(item)
        if not (keep and name in by_key):
            by_key[name] = item
    return list(by_key.values())


def _item_rows(place: Place, window: str, item: PendingItem) -> list[Row]:
    return _rows_of(place, window, _item_digest(item), keyed=bool(item.key))


def _rows_of(place: Place, window: str, item: str, *, keyed: bool) -> list[Row]:
    keys = [f"item-{place.uid}-{place.recipient}-{window}-{item}"]
    if keyed:
        keys.append(f"key-{place.uid}-{item}-{place.recipient}-{window}")
    return [Row(place.partition, key) for key in keys]


def _item_key(place: Place, window: str, item: PendingItem) -> str:
    return _item_rows(place, window, item)[0].key


def _item_digest(item: PendingItem) -> str:
    return _digest("k", item.key) if item.key else _digest("i", item.id)


def _seen_key(place: Place, item: PendingItem) -> str:
    return f"seen-{place.uid}-{place.recipient}-{_digest('i', item.id)}"


def _window_key(place: Place) -> str:
    return f"window-{place.uid}-{place.recipient}"


def _due_key(place: Place, due: datetime) -> str:
    return f"due-{time_key(due)}-{place.uid}-{place.recipient}"


def _digest(kind: str, text: str) -> str:
    return hashlib.sha256(f"{kind}{text}".encode()).hexdigest()[:32]
