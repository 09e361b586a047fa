"""A table: point reads, range queries, and writes that are one transaction."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from shared.errors import AlreadyExistsError, ChangedError, MailroomError
from shared.storage.connection import StorageConnection, error_code, storage_errors

if TYPE_CHECKING:
    from azure.data.tables.aio import TableClient

MAX_WRITES = 100  # entities in one entity group transaction

_CHUNK = 60 * 1024  # a binary property holds 64 KiB


@dataclass(frozen=True, slots=True)
class Row:
    """One entity. `etag` is "" for one that was not read."""

    partition: str
    key: str
    values: Mapping[str, Any] = field(default_factory=dict)
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Write:
    """One step of a transaction. With an `etag` the row must be unchanged since it was read.

    insert: the row must be new. merge: the given values change, others stay. put: insert or
    replace. delete: the row goes; deleting what is gone is no error when it stands alone.
    """

    how: Literal["insert", "merge", "put", "delete"]
    row: Row


class DateObserver(Protocol):
    """Is told what time storage had when it answered, and when (by its own clock) it was asked."""

    def local_now(self) -> datetime: ...

    def observe(self, date: datetime, sent: datetime) -> None: ...


class Table:
    """One table of the storage account; it is created when found missing."""

    def __init__(self, storage: StorageConnection, name: str) -> None:
        self._storage = storage
        self._name = name
        self._client: TableClient | None = None
        self._hooks: dict[str, Any] = {}

    def observe_dates(self, observer: DateObserver) -> None:
        """From now on the observer learns the Date header of each answer (RFC 9110, 6.6.1)."""
        self._hooks = _date_hooks(observer)

    @property
    def _table(self) -> "TableClient":
        if self._client is None:
            self._client = self._storage.tables.get_table_client(self._name)
        return self._client

    async def read(
        self, partition: str, key: str, *, select: Sequence[str] | None = None
    ) -> Row | None:
        """The row, or None. `select` names the properties wanted; None: all."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

        async with storage_errors(f"reading table {self._name}"):
            try:
                entity = await self._table.get_entity(
                    partition,
                    key,
                    select=list(select) if select is not None else None,
                    **self._hooks,
                )
            except ResourceNotFoundError:
                return None
        return Row(partition, key, entity, entity.metadata["etag"] or "")

    async def query(
        self,
        partition: str,
        low: str,
        high: str,
        *,
        limit: int = 1000,
        select: Sequence[str] | None = None,
    ) -> AsyncIterator[Row]:
        """The rows of a partition with low ≤ key < high, in key order, `limit` at most. `select`
        names the properties wanted; None: all."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

        left = limit
        async with storage_errors(f"querying table {self._name}"):
            try:
                async for entity in self._table.query_entities(
                    "PartitionKey eq @partition and RowKey ge @low and RowKey lt @high",
                    parameters={"partition": partition, "low": low, "high": high},
                    results_per_page=min(limit, 1000),
                    select=["RowKey", *select] if select is not None else None,
                    **self._hooks,
                ):
                    yield Row(partition, entity["RowKey"], entity, entity.metadata["etag"] or "")
                    left -= 1
                    if left == 0:
                        return
            except ResourceNotFoundError:
                return

    async def scan(self, low: str, high: str, *, select: Sequence[str]) -> AsyncIterator[Row]:
        """The rows of all partitions low ≤ partition < high, with these properties only: one
        transaction for a thousand rows or a partition server's boundary."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

        async with storage_errors(f"reading table {self._name}"):
            try:
                async for entity in self._table.query_entities(
                    "PartitionKey ge @low and PartitionKey lt @high",
                    parameters={"low": low, "high": high},
                    select=["PartitionKey", "RowKey", *select],
                    **self._hooks,
                ):
                    yield Row(entity["PartitionKey"], entity["RowKey"], entity)
            except ResourceNotFoundError:
                return

    async def write(self, *writes: Write) -> str:
        """Does all of the writes or none; they share one partition. Returns the first row's ETag.

        Raises AlreadyExistsError for an insert of what exists, ChangedError where an ETag no
        longer fits or a row to merge is gone.
        """
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415

        async with storage_errors(f"writing table {self._name}"):
            for first_try in (True, False):
                try:
                    return await self._write_once(writes)
                except HttpResponseError as error:
                    if first_try and error_code(error) == "TableNotFound":
                        await self._storage.tables.create_table_if_not_exists(self._name)
                        continue
                    refusal = _refusal(error)
                    if refusal is not None:
                        raise refusal from error
                    raise
        raise AssertionError  # the loop returns or raises

    async def _write_once(self, writes: Sequence[Write]) -> str:
        from azure.core import MatchConditions  # noqa: PLC0415
        from azure.data.tables import UpdateMode  # noqa: PLC0415

        operations: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        for write in writes:
            row = write.row
            entity = {**row.values, "PartitionKey": row.partition, "RowKey": row.key}
            match: dict[str, Any] = {}
            if row.etag:
                match = {"etag": row.etag, "match_condition": MatchConditions.IfNotModified}
            match write.how:
                case "insert":
                    operations.append(("create", entity, {}))
                case "merge":
                    operations.append(("update", entity, {"mode": UpdateMode.MERGE, **match}))
                case "put":
                    operations.append(("upsert", entity, {"mode": UpdateMode.REPLACE}))
                case "delete":
                    keys = {"PartitionKey": row.partition, "RowKey": row.key}
                    operations.append(("delete", keys, match))
        if len(operations) > 1:
            answers = await self._table.submit_transaction(operations, **self._hooks)
            return str(answers[0].get("etag") or "")
        how, entity, options = operations[0]
        answer = await getattr(self._table, f"{how}_entity")(entity, **options, **self._hooks)
        return str((answer or {}).get("etag") or "")


def _date_hooks(observer: DateObserver) -> dict[str, Any]:
    def note_sending(request: Any) -> None:
        request.context["mailroom_sent"] = observer.local_now()

    def note_date(response: Any) -> None:
        sent = response.context.get("mailroom_sent")
        try:
            date = parsedate_to_datetime(response.http_response.headers["Date"])
        except (KeyError, TypeError, ValueError):
            return  # a proxy's answer: it tells nothing
        if sent is not None and date.tzinfo is not None:
            observer.observe(date, sent)

    return {"raw_request_hook": note_sending, "raw_response_hook": note_date}


def _refusal(error: Any) -> MailroomError | None:
    if error_code(error) == "EntityAlreadyExists":
        return AlreadyExistsError("The row exists.")
    if error.status_code in (404, 412):
        return ChangedError("The row has been changed or deleted by somebody else.")
    return None


def pack(name: str, value: bytes) -> dict[str, bytes | int]:
    """A long value as properties of a row: `name`0, `name`1 … of 60 KiB, and their number."""
    chunks = [value[i : i + _CHUNK] for i in range(0, len(value), _CHUNK)]
    return {f"{name}Parts": len(chunks), **{f"{name}{i}": c for i, c in enumerate(chunks)}}


def unpack(name: str, values: Mapping[str, Any]) -> bytes:
    """What `pack` made properties of; b"" if there is none."""
    return b"".join(values[f"{name}{i}"] for i in range(values.get(f"{name}Parts", 0)))
