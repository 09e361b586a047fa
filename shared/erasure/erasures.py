"""The table `erasures`: what is being erased, and how far that is.

No index leads from an address to its messages: it would cost a transaction for each recipient of
each message, to serve a question that is asked a few times a month. An erasure reads the ledger
instead, a thousand messages a transaction, in slices that a timer calls; after a crash the next
slice goes on where the last one was noted. Of the address only its salted hash is kept at the end.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from shared.concurrency import run_bounded
from shared.erasure.messages import MessageErasure, is_address
from shared.errors import NotFoundError
from shared.messages.ledger import PARTITIONS, Ledger
from shared.storage.connection import StorageConnection
from shared.storage.names import ERASURES
from shared.storage.tables import Row, Table, Write
from shared.suppression import Suppressions, normalise

_PARTITION = "erasure"
_OPEN = "open"  # keys of those that are under way begin with it
_PAGE = 1000  # messages at a time
_TIME_LIMIT = timedelta(minutes=4)  # of one run; the timer's next one goes on
_AT_ONCE = 8
_MOST_WAITING = 500  # messages that have not ended; with more of them the scan begins again


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """digest: the salted hash of the address. cursors: by partition of the ledger, the last id
    seen; a partition that is through has "~". waiting: ids of messages that have not ended."""

    id: str
    digest: str
    by: str
    why: str
    requested_at: datetime
    finished_at: datetime | None = None
    scanned: int = 0
    erased: int = 0
    cursors: Mapping[str, str] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()
    address: str = field(default="", repr=False)


class Erasures:
    """Begins them, and does the timer's work."""

    def __init__(
        self,
        storage: StorageConnection,
        *,
        ledger: Ledger,
        messages: MessageErasure,
        suppressions: Suppressions,
        clock: Callable[[], datetime],
    ) -> None:
        self._table = Table(storage, ERASURES)
        self._ledger = ledger
        self._messages = messages
        self._suppressions = suppressions
        self._clock = clock

    async def begin(self, address: str, *, by: str, why: str) -> Erasure:
        """Erases the address's preferences at once; its messages follow. Raises AddressError."""
        erasure = Erasure(
            id=secrets.token_hex(16), digest=await self._suppressions.digest(address), by=by,
            why=why, requested_at=self._clock(), address=normalise(address),
        )  # fmt: skip
        await self._save(erasure)
        await self._suppressions.erase(erasure.address)
        return erasure

    async def get(self, erasure_id: str) -> Erasure:
        """Raises NotFoundError."""
        for key in (f"{_OPEN}-{erasure_id}", erasure_id):
            row = await self._table.read(_PARTITION, key)
            if row is not None:
                return _read(row)
        raise NotFoundError("No such erasure.", fix="The answer to DELETE names its id.")

    async def run(self) -> None:
        """Goes on with what is under way, for four minutes at most."""
        started = self._clock()
        rows = self._table.query(_PARTITION, f"{_OPEN}-", f"{_OPEN}-~", limit=100)
        for erasure in [_read(row) async for row in rows]:
            await self._suppressions.erase(erasure.address)
            await self._proceed(erasure, started + _TIME_LIMIT)

    async def _proceed(self, erasure: Erasure, end: datetime) -> None:
        left = await self._erase(erasure, erasure.waiting)
        done = len(erasure.waiting) - len(left)
        erasure = replace(erasure, waiting=left, erased=erasure.erased + done)
        while self._clock() < end and len(erasure.waiting) < _MOST_WAITING:
            partitions = [p for p in PARTITIONS if erasure.cursors.get(p) != "~"]
            if not partitions:
                break
            erasure = await self._scan(erasure, partitions)
            await self._save(erasure)
        if all(erasure.cursors.get(p) == "~" for p in PARTITIONS) and not erasure.waiting:
            await self._finish(erasure)
        else:
            await self._save(erasure)

    async def _scan(self, erasure: Erasure, partitions: list[str]) -> Erasure:
        """Reads a page of each partition."""
        cursors = dict(erasure.cursors)
        pages = await run_bounded(
            lambda p: self._ledger.recipients(p, after=cursors.get(p, ""), limit=_PAGE),
            partitions, at_once=_AT_ONCE,
        )  # fmt: skip
        hits = [
            message_id
            for page in pages
            for message_id, accepted_at, recipients in page
            if accepted_at <= erasure.requested_at
            and any(is_address(recipient, erasure.address) for recipient in recipients)
        ]
        for partition, page in zip(partitions, pages, strict=True):
            cursors[partition] = page[-1][0] if len(page) == _PAGE else "~"
        waiting = await self._erase(erasure, hits)
        return replace(
            erasure, cursors=cursors, waiting=(*erasure.waiting, *waiting),
            scanned=erasure.scanned + sum(map(len, pages)),
            erased=erasure.erased + len(hits) - len(waiting),
        )  # fmt: skip

    async def _erase(self, erasure: Erasure, ids: "tuple[str, ...] | list[str]") -> tuple[str, ...]:
        """Those that are still to be erased."""
        stand_in = f"{erasure.digest[:16]}@erased.invalid"
        done = await run_bounded(
            lambda i: self._messages.erase(i, erasure.address, stand_in), ids, at_once=_AT_ONCE
        )
        return tuple(i for i, erased in zip(ids, done, strict=True) if not erased)

    async def _save(self, erasure: Erasure) -> None:
        key = f"{_OPEN}-{erasure.id}"
        await self._table.write(Write("put", Row(_PARTITION, key, _values(erasure))))

    async def _finish(self, erasure: Erasure) -> None:
        ended = replace(erasure, address="", cursors={}, finished_at=self._clock())
        await self._table.write(
            Write("put", Row(_PARTITION, erasure.id, _values(ended))),
            Write("delete", Row(_PARTITION, f"{_OPEN}-{erasure.id}")),
        )


def _values(erasure: Erasure) -> dict[str, Any]:
    values = {
        **asdict(erasure),
        "requested_at": erasure.requested_at.isoformat(),
        "finished_at": erasure.finished_at.isoformat() if erasure.finished_at else "",
    }
    return {"erasure": json.dumps(values, ensure_ascii=False)}


def _read(row: Row) -> Erasure:
    values = json.loads(row.values["erasure"])
    finished = values["finished_at"]
    return Erasure(
        **{
            **values,
            "waiting": tuple(values["waiting"]),
            "requested_at": datetime.fromisoformat(values["requested_at"]),
            "finished_at": datetime.fromisoformat(finished) if finished else None,
        }
    )
