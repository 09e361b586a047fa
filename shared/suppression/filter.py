"""Which addresses may have a row in `suppressions`: a Bloom filter that all processes share.

Most addresses are not suppressed, and to learn so of each would cost a point read each time. The
filter tells it for nothing: what it does not know has no row. It stands in the table `suppressions`
itself, in a partition of its own: 16 shards of bits, and one small row that names the version of
each, so that looking for news costs one point read for all messages of a process.

A row's bits are set before the row is written: a crash in between costs a needless read now and
then, and hides nothing. Bits are never cleared, so versions decide, and no clock. With 100,000
addresses one in 3,000 others is read for nothing, with a million one in 7.

Bloom, B. H., "Space/time trade-offs in hash coding with allowable errors", CACM 13 (7), 1970.
"""

import asyncio
import hashlib
import secrets
import zlib
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.concurrency import run_bounded
from shared.errors import AlreadyExistsError, ChangedError
from shared.storage.tables import Row, Write, pack, unpack

PARTITION = "filter"
BELIEVED = timedelta(seconds=1.5)  # what is suppressed now must count in 2 seconds, everywhere

_VERSIONS = "versions"
_SHARDS = "0123456789abcdef"
_BYTES = 32 * 1024  # of a shard
_PROBES = 3  # bits of an address
_TRIES = 12
_PAUSE = 0.05  # seconds, doubling to 3, after a lost race

type _Place = tuple[str, tuple[int, ...]]


class FilterTable(Protocol):
    """What the filter needs of `shared.storage.tables.Table`."""

    async def read(
        self, partition: str, key: str, *, select: Sequence[str] | None = None
    ) -> Row | None: ...

    async def write(self, *writes: Write) -> str: ...

    def scan(self, low: str, high: str, *, select: Sequence[str]) -> AsyncIterator[Row]: ...


@dataclass(slots=True)
class _Shard:
    version: str
    bits: bytearray


class SuppressionFilter:
    """One process's view of the filter. It knows addresses by the keys of their rows."""

    def __init__(self, table: FilterTable) -> None:
        self._table = table
        self._shards: dict[str, _Shard] = {}
        self._asked: datetime | None = None
        self._lock = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None

    async def possible(self, keys: Collection[str], *, now: datetime) -> set[str]:
        """Those that may have a row; the others had none 1.5 seconds before `now`.

        Costs one read if nobody has asked for so long, and one for each shard that has changed.
        Raises StorageUnavailableError.
        """
        if keys:
            await self._refresh(now)
        return {key for key in keys if self._holds(_place(key))}

    async def announce(self, keys: Iterable[str]) -> None:
        """Sets the bits of keys whose rows are about to be written: one transaction for any
        number of them, none for those that are known.

        Raises ChangedError after too many lost races, StorageUnavailableError.
        """
        places = [place for key in keys if not self._holds(place := _place(key))]
        if not places:
            return
        for number in range(_TRIES):
            async with self._lock:
                versions = await self._load()
                if all(self._holds(place) for place in places):
                    return
                with suppress(AlreadyExistsError, ChangedError):
                    await self._write(versions, places)
                    return
            pause = min(3.0, _PAUSE * 2**number)
            await asyncio.sleep(pause * (0.5 + secrets.randbelow(100) / 200))
        raise ChangedError(
            "The filter of suppressed addresses is being changed all the time.",
            fix="Repeat it later.",
        )

    async def _refresh(self, now: datetime) -> None:
        """One look for all who ask meanwhile; if it fails, it fails for all of them."""
        while self._asked is None or abs(now - self._asked) > BELIEVED:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look(now))
                self._looking.add_done_callback(_note_failure)
            await asyncio.shield(self._looking)

    async def _look(self, now: datetime) -> None:
        async with self._lock:
            await self._load()
        self._asked = now

    async def _load(self) -> Row:
        """Reads what has changed; returns the row of versions, which is made where it is missing:
        from all rows of the table, for nobody writes one before the filter is there."""
        row = await self._table.read(PARTITION, _VERSIONS)
        if row is None:
            await self._build()
            row = await self._table.read(PARTITION, _VERSIONS)
            if row is None:
                raise ChangedError("The filter of suppressed addresses was deleted just now.")
        stored = {key: str(row.values[f"v{key}"]) for key in _SHARDS if row.values.get(f"v{key}")}
        known = {key: shard.version for key, shard in self._shards.items()}
        changed = [key for key, version in stored.items() if known.get(key) != version]
        found = await run_bounded(
            lambda key: self._table.read(PARTITION, key), changed, at_once=len(_SHARDS)
        )
        for key, shard in zip(changed, found, strict=True):
            bits = zlib.decompress(unpack("bits", shard.values)) if shard else bytes(_BYTES)
            self._shards[key] = _Shard(stored[key], bytearray(bits))
        return row

    async def _build(self) -> None:
        rows = self._table.scan("00", "fg", select=[])
        places = [_place(row.key) async for row in rows]
        self._shards.clear()
        try:
            await self._write(Row(PARTITION, _VERSIONS), places)
        except (AlreadyExistsError, ChangedError):
            return  # somebody else has built it

    async def _write(self, versions: Row, places: Iterable[_Place]) -> None:
        """Sets bits. Each change of a shard changes the row of versions in the same transaction:
        its ETag guards them all."""
        new: dict[str, bytearray] = {}
        for key, positions in places:
            if key not in new:
                known = self._shards.get(key)
                new[key] = bytearray(known.bits if known else _BYTES)
            _set(new[key], positions)
        tokens = {key: secrets.token_hex(6) for key in new}
        named = Row(
            PARTITION, _VERSIONS, {f"v{key}": token for key, token in tokens.items()}, versions.etag
        )
        writes = [Write("merge" if versions.etag else "insert", named)]
        for key, bits in new.items():
            values: Mapping[str, bytes | int] = pack("bits", zlib.compress(bytes(bits), 1))
            writes.append(Write("put", Row(PARTITION, key, values)))
        await self._table.write(*writes)
        for key, bits in new.items():
            self._shards[key] = _Shard(tokens[key], bits)

    def _holds(self, place: _Place) -> bool:
        shard = self._shards.get(place[0])
        return shard is not None and all(shard.bits[p >> 3] >> (p & 7) & 1 for p in place[1])


def _note_failure(task: "asyncio.Task[None]") -> None:
    """Whoever waits for it has the error; there may be nobody left."""
    if not task.cancelled():
        task.exception()


def _set(bits: bytearray, positions: Iterable[int]) -> None:
    for position in positions:
        bits[position >> 3] |= 1 << (position & 7)


def _place(key: str) -> _Place:
    """The shard of a row's key, and its bits there."""
    digest = hashlib.sha256(key.encode()).digest()
    positions = tuple(
        int.from_bytes(digest[n * 4 + 4 : n * 4 + 8]) % (_BYTES * 8) for n in range(_PROBES)
    )
    return _SHARDS[digest[0] >> 4], positions
