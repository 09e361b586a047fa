"""The batches that were posted: what tells a repeat from another batch, and keeps shared content.

A batch has one row in the table `messages`, and an index row that says when to see whether any of
its messages still needs the content that they share. The messages' ids follow from the batch's, so
neither a list of them nor a count of references has to be kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from shared.errors import AlreadyExistsError, ConflictError
from shared.messages.identity import keyed_message_id
from shared.messages.indexes import IndexEntry, time_key
from shared.messages.ledger import partition_of
from shared.storage.connection import StorageConnection
from shared.storage.tables import Row, Table, Write


@dataclass(frozen=True, slots=True)
class Batch:
    """digest: of all that was posted. blob: of the shared content, "" if none is stored as one.

    review_at: when to see whether the blob is still needed.
    """

    id: str
    digest: str
    count: int
    blob: str
    review_at: datetime

    def message_id(self, index: int) -> str:
        """The id of the batch's message number `index`, from 0."""
        return batch_message_id(self.id, index)

    def message_ids(self) -> Iterator[str]:
        """The ids of all its messages."""
        return (self.message_id(index) for index in range(self.count))


def batch_message_id(batch_id: str, index: int) -> str:
    """The id of a batch's message number `index`, from 0."""
    return keyed_message_id("batch", f"{batch_id} {index}")


class Batches:
    """Reads and writes the batches' rows."""

    def __init__(self, storage: StorageConnection) -> None:
        self._table = Table(storage, "messages")

    async def add(self, batch: Batch) -> bool:
        """Stores a batch; False if the very same one is stored already.

        Raises ConflictError where its id stands for another batch.
        """
        partition = partition_of(batch.id)
        values = {"digest": batch.digest, "count": batch.count, "blob": batch.blob}
        row = Row(partition, f"batch-{batch.id}", values)
        review = Row(partition, _review_key(batch.review_at, batch.id))
        try:
            await self._table.write(Write("insert", row), Write("put", review))
        except AlreadyExistsError:
            earlier = await self._table.read(partition, row.key)
            if earlier is None or earlier.values["digest"] != batch.digest:
                raise ConflictError(
                    "The idempotency key stands for another batch.",
                    fix="Use a new key for a new batch; repeat a request with the very same body.",
                ) from None
            return False
        return True

    async def to_review(self, partition: str, now: datetime, *, limit: int) -> list[IndexEntry]:
        """The batches of a partition whose time for a review has come, oldest first."""
        high = f"batchreview-{time_key(now)}-~"
        rows = self._table.query(partition, "batchreview-", high, limit=limit)
        return [IndexEntry(row.key.split("-", 2)[2], partition, row.key) async for row in rows]

    async def find(self, batch_id: str, *, now: datetime) -> Batch | None:
        """A stored batch, to be reviewed now."""
        row = await self._table.read(partition_of(batch_id), f"batch-{batch_id}")
        if row is None:
            return None
        values = row.values
        return Batch(batch_id, values["digest"], values["count"], values["blob"], now)

    async def postpone(self, entry: IndexEntry, until: datetime) -> None:
        """Reviews a batch again at another time."""
        later = Row(entry.partition, _review_key(until, entry.message_id))
        await self._table.write(
            Write("put", later), Write("delete", Row(entry.partition, entry.key))
        )

    async def remove(self, entry: IndexEntry) -> None:
        """Deletes a batch's rows."""
        keys = (entry.key, f"batch-{entry.message_id}")
        await self._table.write(*(Write("delete", Row(entry.partition, key)) for key in keys))

    async def forget(self, entry: IndexEntry) -> None:
        """Removes an index entry that no batch accounts for."""
        await self._table.write(Write("delete", Row(entry.partition, entry.key)))


def _review_key(time: datetime, batch_id: str) -> str:
    return f"batchreview-{time_key(time)}-{batch_id}"
