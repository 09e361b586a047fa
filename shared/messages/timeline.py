"""The table `timeline`: what became of a message after it was handed over (bounces, complaints …).

What its attempts brought is in its record. Entries have keys that follow from what they tell, so
that an entry written twice stands once.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from shared.messages.record import TimelineEntry
from shared.storage.connection import StorageConnection
from shared.storage.tables import MAX_WRITES, Row, Table, Write

_MAX_RECIPIENTS = 80  # in one entry: a string property holds 32 K characters

_MOST = 10_000  # entries of one message


class Timeline:
    """Reads and writes the timelines of messages."""

    def __init__(self, storage: StorageConnection) -> None:
        self._table = Table(storage, "timeline")

    async def note(self, message_id: str, key: str, entry: TimelineEntry) -> None:
        """Writes one entry; the same key again writes it again, without harm."""
        for number, part in enumerate(_split(entry)):
            row = Row(message_id, f"e-{key}-{number:03d}", _values(part))
            await self._table.write(Write("put", row))

    async def has(self, message_id: str, key: str) -> bool:
        """Whether there is an entry under this key."""
        return await self._table.read(message_id, f"e-{key}-000") is not None

    async def delete(self, message_id: str) -> None:
        """Deletes all entries of a message."""
        while True:
            rows = [row async for row in self._table.query(message_id, "", "~", limit=MAX_WRITES)]
            if rows:
                await self._table.write(*(Write("delete", Row(message_id, r.key)) for r in rows))
            if len(rows) < MAX_WRITES:
                return

    async def rewrite(
        self, message_id: str, edit: Callable[[TimelineEntry], TimelineEntry]
    ) -> None:
        """Exchanges each entry of a message for what `edit` makes of it."""
        async for row in self._table.query(message_id, "", "~", limit=_MOST):
            entry = _entry(row)
            if (edited := edit(entry)) != entry:
                await self._table.write(Write("put", Row(message_id, row.key, _values(edited))))

    async def read(self, message_id: str, *, limit: int = 1000) -> list[TimelineEntry]:
        """All entries of a message, oldest first."""
        rows = [row async for row in self._table.query(message_id, "", "~", limit=limit)]
        entries = [_entry(row) for row in rows]
        return sorted(entries, key=lambda entry: entry.at)


def _split(entry: TimelineEntry) -> list[TimelineEntry]:
    everyone = entry.recipients
    return [
        replace(entry, recipients=everyone[i : i + _MAX_RECIPIENTS])
        for i in range(0, max(len(everyone), 1), _MAX_RECIPIENTS)
    ]


def _values(entry: TimelineEntry) -> dict[str, str | int]:
    return {
        "type": entry.type,
        "at": entry.at.isoformat(),
        "attempt": entry.attempt,
        "recipients": json.dumps(entry.recipients, ensure_ascii=False),
        "code": entry.code,
        "reply": entry.reply,
        "detail": entry.detail,
        "mailbox": entry.mailbox,
    }


def _entry(row: Row) -> TimelineEntry:
    values = row.values
    return TimelineEntry(
        type=values["type"],
        at=datetime.fromisoformat(values["at"]),
        attempt=values["attempt"],
        recipients=tuple(json.loads(values["recipients"])),
        code=values["code"],
        reply=values["reply"],
        detail=values["detail"],
        mailbox=values["mailbox"],
    )
