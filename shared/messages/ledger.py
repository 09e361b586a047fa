"""The table `messages`: each message's record, and the indexes of what is due, ended, expiring.

A message has one row, and in the same partition an index row whose key begins with the time at
which somebody must look at it again: until it is final, to send it, afterwards to delete what need
not be kept. They are written in one transaction, so no message can be forgotten: finding what is
due costs one range query a partition, whatever the number of messages stored.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.concurrency import run_bounded
from shared.findings import Finding
from shared.messages.indexes import (
    EndedEntry,
    HeldEntry,
    IndexEntry,
    index_rows,
    read_ended,
    read_entry,
    read_held,
    server_id_key,
    time_key,
)
from shared.messages.record import Hold, MessageRecord, RecipientRecord, TimelineEntry
from shared.storage.connection import StorageConnection
from shared.storage.tables import Row, Table, Write, pack, unpack

PARTITIONS = tuple("0123456789abcdef")  # each takes 2,000 entities a second

_MAX_HISTORY = 256 * 1024  # of the 1 MiB that a row may have
_RECIPIENT_CHUNKS = 17  # a row has 1 MiB
_STATE = (
    "status", "accepted_at", "source", "content_hash", "sender", "message_id", "category", "topic",
    "priority", "send_at", "not_before", "due", "checks", "poisoned", "attempt", "owner",
    "lease_until", "mailbox", "server_id", "restarted_at", "finished_at", "expires_at", "detail",
    "fix", "template",
)  # fmt: skip
_TIMES = frozenset(
    ["accepted_at", "send_at", "not_before", "due", "lease_until", "restarted_at", "finished_at",
     "expires_at"]
)  # fmt: skip
_NOTHING: Mapping[str, Any] = {}


class Ledger:
    """Reads and writes message records. Every change of a stored record demands its ETag.

    content_kept: how long after its final status a message's content is kept.
    """

    def __init__(
        self, storage: StorageConnection, *, content_kept: timedelta = timedelta(days=30)
    ) -> None:
        self._table = Table(storage, "messages")
        self._content_kept = content_kept

    async def add(self, record: MessageRecord, content: Mapping[str, Any]) -> MessageRecord:
        """Stores a new record with the properties that hold its content.

        Raises AlreadyExistsError if the id is taken.
        """
        record = self._dated(record, None)
        partition = partition_of(record.id)
        row = Row(partition, _key(record.id), {**_values(record), **content})
        writes = [Write("insert", row)]
        writes += (Write("put", Row(partition, k, v)) for k, v in index_rows(record).items())
        return replace(record, etag=await self._table.write(*writes))

    async def get(self, message_id: str) -> MessageRecord | None:
        found = await self._read(message_id)
        return found[0] if found else None

    async def get_with_content(
        self, message_id: str
    ) -> tuple[MessageRecord, Mapping[str, Any]] | None:
        """The record and its row's properties, in which the content's are."""
        return await self._read(message_id)

    async def _read(self, message_id: str) -> tuple[MessageRecord, Mapping[str, Any]] | None:
        row = await self._table.read(partition_of(message_id), _key(message_id))
        return (_record(message_id, row), row.values) if row else None

    async def change(
        self, old: MessageRecord, new: MessageRecord, *, also: Mapping[str, Any] = _NOTHING
    ) -> MessageRecord:
        """Stores `new` in place of `old`, if nobody has changed it since `old` was read.

        A final record is due no more, unless it is unknown, and expires; one that is held is not
        due either. also: further properties of the row, such as those that hold its content.
        Raises ChangedError.
        """
        new = self._dated(new, old)
        partition = partition_of(old.id)
        before, after = index_rows(old), index_rows(new)
        row = Row(partition, _key(old.id), {**_values(new), **also}, old.etag)
        writes = [Write("merge", row)]
        writes += (
            Write("put", Row(partition, key, values))
            for key, values in after.items() if key not in before
        )  # fmt: skip
        writes += (Write("delete", Row(partition, key)) for key in before if key not in after)
        return replace(new, etag=await self._table.write(*writes))

    def _dated(self, record: MessageRecord, old: MessageRecord | None) -> MessageRecord:
        """The record with the times that follow from its status."""
        if not record.final:
            due = None if record.status == "held" else record.due
            return replace(record, expires_at=None, due=due)
        ended_now = old is None or old.expires_at is None or old.finished_at != record.finished_at
        if ended_now and record.finished_at is not None:
            record = replace(record, expires_at=record.finished_at + self._content_kept)
        return record if record.status == "unknown" else replace(record, due=None)

    async def remove(self, record: MessageRecord) -> None:
        """Deletes a record with its content in the row. Raises ChangedError if it was changed."""
        partition = partition_of(record.id)
        writes = [Write("delete", Row(partition, _key(record.id), etag=record.etag))]
        writes += (Write("delete", Row(partition, key)) for key in index_rows(record))
        await self._table.write(*writes)

    async def extend_lease(self, record: MessageRecord, until: datetime) -> None:
        """Moves the end of a lease; the ETag changes. Raises ChangedError if the row is gone."""
        row = Row(partition_of(record.id), _key(record.id), {"lease_until": until.isoformat()})
        await self._table.write(Write("merge", row))

    async def due(self, partition: str, now: datetime, *, limit: int) -> list[IndexEntry]:
        """What of a partition was due at `now`, oldest first, `limit` entries at most."""
        high = f"due-{time_key(now)}-~"
        rows = self._table.query(partition, "due-", high, limit=limit)
        return [read_entry(row) async for row in rows]

    async def expiring(self, partition: str, now: datetime, *, limit: int) -> list[IndexEntry]:
        """What of a partition had expired at `now`, oldest first, `limit` entries at most."""
        high = f"expire-{time_key(now)}-~"
        rows = self._table.query(partition, "expire-", high, limit=limit)
        return [read_entry(row) async for row in rows]

    async def finished_between(
        self, start: datetime, end: datetime, *, most: int
    ) -> list[str] | None:
        """The ids of messages that ended in this time and still have their content; None if a
        partition has more than `most` of them. One range query a partition."""
        low, high = (time_key(time + self._content_kept) for time in (start, end))

        async def find(partition: str) -> list[str]:
            rows = self._table.query(partition, f"expire-{low}", f"expire-{high}~", limit=most + 1)
            return [read_entry(row).message_id async for row in rows]

        found = await run_bounded(find, PARTITIONS, at_once=len(PARTITIONS))
        if any(len(ids) > most for ids in found):
            return None
        return [message_id for ids in found for message_id in ids]

    async def ended(
        self,
        partition: str,
        status: str,
        *,
        since: datetime | None,
        until: datetime,
        after: str,
        limit: int,
    ) -> list[EndedEntry]:
        """Messages that ended with this status before `until`, oldest first.

        since: not before this time. after: the key of the last entry seen, "" to begin with.
        """  # fmt: skip
        prefix = f"ended-{status}-"
        low = max(after, prefix + (time_key(since) if since else ""))
        rows = self._table.query(partition, low, prefix + time_key(until), limit=limit + 1)
        return [read_ended(row) async for row in rows if row.key != after][:limit]

    async def find_by_server_id(self, server_id: str) -> str | None:
        """The id of the message that the server gave this Message-ID, where it is not ours.

        The row stands in the message's own partition, so that writing it costs no transaction:
        this asks all of them.
        """
        key = server_id_key(server_id)
        rows = await run_bounded(
            lambda partition: self._table.read(partition, key),
            PARTITIONS, at_once=len(PARTITIONS),
        )  # fmt: skip
        return next((str(row.values["message_id"]) for row in rows if row), None)

    async def held(
        self,
        partition: str,
        *,
        since: datetime | None = None,
        until: datetime,
        after: str = "",
        limit: int,
    ) -> list[HeldEntry]:
        """Messages of a partition that are held since before `until`, longest first.

        since: not before this time. after: the key of the last entry seen, "" to begin with.
        """  # fmt: skip
        low = max(after, "held-" + (time_key(since) if since else ""))
        rows = self._table.query(partition, low, f"held-{time_key(until)}", limit=limit + 1)
        return [read_held(row) async for row in rows if row.key != after][:limit]

    async def recipients(
        self, partition: str, *, after: str, limit: int
    ) -> list[tuple[str, datetime, list[str]]]:
        """Id, time of acceptance and recipients' addresses of a partition's messages, in the order
        of their ids; after: the last id seen, "" to begin with. Nothing else is read of them."""
        low, chunks = _key(after), [f"recipients{number}" for number in range(_RECIPIENT_CHUNKS)]
        rows = self._table.query(
            partition, low, "message-~", limit=limit + 1,
            select=["accepted_at", "recipientsParts", *chunks],
        )  # fmt: skip
        found = [
            (
                row.key.removeprefix("message-"),
                datetime.fromisoformat(row.values["accepted_at"]),
                [str(entry[0]) for entry in _recipients(row)],
            )
            async for row in rows
        ]
        return [entry for entry in found if entry[0] != after][:limit]

    async def forget(self, entry: IndexEntry) -> None:
        """Removes an index entry that no record accounts for."""
        await self._table.write(Write("delete", Row(entry.partition, entry.key)))

    async def ping(self) -> None:
        """Reads a row that need not exist: the table service answers, or an error is raised."""
        await self._table.read(PARTITIONS[0], "ping")


def partition_of(message_id: str) -> str:
    """The partition of a message's rows."""
    return hashlib.sha256(message_id.encode()).hexdigest()[0]


def _key(message_id: str) -> str:
    return f"message-{message_id}"


def _values(record: MessageRecord) -> dict[str, Any]:
    # An absent time is stored as "": a merge leaves out what is None, and so would keep the old.
    values: dict[str, Any] = {
        name: value.isoformat() if isinstance(value, datetime) else ("" if value is None else value)
        for name in _STATE
        for value in (getattr(record, name),)
    }
    recipients = [[r.email, r.status, r.code, r.reply] for r in record.recipients]
    packed = zlib.compress(json.dumps(recipients, ensure_ascii=False).encode(), 1)
    tags = json.dumps(dict(record.tags), ensure_ascii=False).encode()
    history = _pack_history(record.history)
    findings = [asdict(finding) for finding in record.findings]
    found = json.dumps(findings, ensure_ascii=False).encode() if findings else b""
    return {
        **values, **pack("recipients", packed), **pack("tags", tags), **pack("history", history),
        **pack("findings", found), "hold": _hold_json(record.hold), "listed": record.listed,
    }  # fmt: skip


def _hold_json(hold: Hold | None) -> str:
    if hold is None:
        return ""
    times = {"at": hold.at.isoformat(), "decided_at": ""}
    if hold.decided_at is not None:
        times["decided_at"] = hold.decided_at.isoformat()
    return json.dumps({**asdict(hold), **times}, ensure_ascii=False)


def _read_hold(text: str) -> Hold | None:
    if not text:
        return None
    values = json.loads(text)
    decided_at = _time(values["decided_at"])
    return Hold(**{**values, "at": datetime.fromisoformat(values["at"]), "decided_at": decided_at})


def _pack_history(history: Sequence[TimelineEntry]) -> bytes:
    """The newest entries, as many as fit."""
    for start in range(len(history)):
        entries = [{**asdict(e), "at": e.at.isoformat()} for e in history[start:]]
        packed = zlib.compress(json.dumps(entries, ensure_ascii=False).encode(), 1)
        if len(packed) <= _MAX_HISTORY:
            return packed
    return b""


def _unpack_history(packed: bytes) -> tuple[TimelineEntry, ...]:
    entries = json.loads(zlib.decompress(packed)) if packed else []
    return tuple(
        TimelineEntry(
            **{
                **entry,
                "at": datetime.fromisoformat(entry["at"]),
                "recipients": tuple(entry["recipients"]),
            }
        )
        for entry in entries
    )


def _record(message_id: str, row: Row) -> MessageRecord:
    values: dict[str, Any] = {
        name: _time(row.values.get(name)) if name in _TIMES else row.values[name] for name in _STATE
    }
    return MessageRecord(
        id=message_id,
        recipients=tuple(RecipientRecord(*entry) for entry in _recipients(row)),
        tags=json.loads(unpack("tags", row.values)),
        history=_unpack_history(unpack("history", row.values)),
        findings=tuple(
            Finding(**found) for found in json.loads(unpack("findings", row.values) or b"[]")
        ),
        hold=_read_hold(row.values.get("hold", "")),
        listed=row.values.get("listed", False),
        etag=row.etag,
        **values,
    )


def _recipients(row: Row) -> list[list[Any]]:
    entries: list[list[Any]] = json.loads(zlib.decompress(unpack("recipients", row.values)))
    return entries


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
