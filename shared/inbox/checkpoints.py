"""How far each mailbox is read, and who reads it: one instance at a time.

Table `settings`, partition `returned-mail:<mailbox>`: the row `lease` (who, until when; when to
try again), and for each folder a row with its position. Both are written in one transaction, so
that a reader who has lost the lease cannot move a position.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from shared.errors import AlreadyExistsError, ChangedError
from shared.inbox.source import Position
from shared.storage.tables import Row, Write, pack, unpack

# Longer than a run takes; every checkpoint renews it. A holder that died keeps it no longer.
LEASE = timedelta(seconds=120)

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Rows(Protocol):
    """What is needed of a table."""

    def read(
        self, partition: str, key: str, *, select: Sequence[str] | None = None
    ) -> Awaitable[Row | None]: ...

    def write(self, *writes: Write) -> Awaitable[str]: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a folder is read. failing: the key of the mail that comes next and could not be
    handled; failures: how often that was tried."""

    position: Position | None = None
    failing: str = ""
    failures: int = 0


class Checkpoints:
    """The rows of one process. `holder` names it."""

    def __init__(self, table: Rows, *, holder: str, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._holder = holder
        self._clock = clock

    async def acquire(self, mailbox: str) -> "Hold | None":
        """The mailbox's lease; None while another holds it, or before it is time to try again."""
        partition = f"returned-mail:{mailbox.lower()}"
        now = self._clock()
        row = await self._table.read(partition, "lease")
        if row is not None and max(row.values["Until"], row.values["NotBefore"]) > now:
            return None
        values = {"Holder": self._holder, "Until": now + LEASE, "NotBefore": _NEVER}
        how = Write("insert", Row(partition, "lease", {**values, "Problem": ""}))
        if row is not None:
            how = Write("merge", Row(partition, "lease", values, row.etag))
        try:
            etag = await self._table.write(how)
        except (AlreadyExistsError, ChangedError):
            return None
        return Hold(self._table, partition, etag, self._clock)


class Hold:
    """The right to read a mailbox, until `release` or a lease without a checkpoint."""

    def __init__(
        self, table: Rows, partition: str, etag: str, clock: Callable[[], datetime]
    ) -> None:
        self._table = table
        self._partition = partition
        self._etag = etag
        self._clock = clock

    async def progress(self, kind: str, folder: str) -> Progress:
        row = await self._table.read(self._partition, _folder_key(kind, folder))
        if row is None:
            return Progress()
        position = json.loads(unpack("Position", row.values))
        return Progress(position, row.values["Failing"], row.values["Failures"])

    async def save(self, kind: str, folder: str, progress: Progress) -> None:
        """Raises ChangedError where the lease was lost: another reads the mailbox by now."""
        lease = Row(self._partition, "lease", {"Until": self._clock() + LEASE}, self._etag)
        values = {
            "Folder": folder,
            "Failing": progress.failing,
            "Failures": progress.failures,
            **pack("Position", json.dumps(progress.position).encode()),
        }
        row = Row(self._partition, _folder_key(kind, folder), values)
        self._etag = await self._table.write(Write("merge", lease), Write("put", row))

    async def release(self, *, pause: timedelta = timedelta(0), problem: str = "") -> None:
        """Lets the next run in, after a pause where there is a problem."""
        values = {"Until": _NEVER, "NotBefore": self._clock() + pause, "Problem": problem[:1000]}
        lease = Row(self._partition, "lease", values, self._etag)
        self._etag = await self._table.write(Write("merge", lease))


def _folder_key(kind: str, folder: str) -> str:
    """A folder may be named with characters that no row key can have."""
    return f"{kind}:{hashlib.sha256(folder.encode()).hexdigest()[:32]}"
