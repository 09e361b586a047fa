"""Digests' definitions, in the table `digests`: those of today by name, ended ones by uid."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from shared.digests.definition import Definition, Digest
from shared.errors import AlreadyExistsError, ChangedError, NotFoundError, PreconditionError
from shared.storage.connection import StorageConnection
from shared.storage.names import DIGESTS
from shared.storage.tables import Row, Table, Write

_PARTITION = "definitions"
_KEPT = timedelta(days=100)  # an ended one: longer than any of its windows takes


class Definitions:
    def __init__(self, storage: StorageConnection, *, clock: Callable[[], datetime]) -> None:
        self._table = Table(storage, DIGESTS)
        self._clock = clock

    async def put(
        self, name: str, definition: Definition, *, match: str = "", new: bool = False
    ) -> tuple[Digest, bool]:
        """Stores it; whether it is a new one. Windows that are open keep their due times.

        match: the ETag that it must have; new: there must be none. Raises PreconditionError.
        """
        now = self._clock()
        found = await self.find(name)
        if (new and found) or (match and (found is None or match not in {"*", found.etag})):
            raise PreconditionError("The digest is not as you saw it.", fix="Read it again.")
        if found is None:
            digest = Digest(
                name=name, uid=secrets.token_hex(8), definition=definition, created_at=now,
                changed_at=now,
            )  # fmt: skip
        else:
            digest = replace(found, definition=definition, changed_at=now)
        row = Row(_PARTITION, f"name-{name}", _values(digest), found.etag if found else "")
        try:
            etag = await self._table.write(Write("merge" if found else "insert", row))
        except (AlreadyExistsError, ChangedError) as error:
            raise PreconditionError(
                "Somebody else has just changed the digest.", fix="Read it again."
            ) from error
        return replace(digest, etag=etag), found is None

    async def find(self, name: str) -> Digest | None:
        row = await self._table.read(_PARTITION, f"name-{name}")
        return _read(name, row) if row else None

    async def get(self, name: str) -> Digest:
        """Raises NotFoundError."""
        found = await self.find(name)
        if found is None:
            raise NotFoundError(
                "There is no such digest.", fix="Define it: PUT /api/digests/{digest}."
            )
        return found

    async def of_window(self, name: str, uid: str) -> Digest | None:
        """The definition that a window belongs to; None if what was pending is to be dropped."""
        found = await self.find(name)
        if found is not None and found.uid == uid:
            return found
        row = await self._table.read(_PARTITION, f"ended-{uid}")
        return _read(name, row) if row else None

    async def page(self, *, after: str, limit: int) -> tuple[list[Digest], str]:
        """Digests by name behind `after`, and the last one's name if there are more."""
        low = f"name-{after}\x20" if after else "name-"
        rows = self._table.query(_PARTITION, low, "name-~", limit=limit + 1)
        found = [_read(row.key.removeprefix("name-"), row) async for row in rows]
        return found[:limit], found[limit - 1].name if len(found) > limit else ""

    async def end(self, digest: Digest, *, send: bool) -> None:
        """Deletes it; what is pending is sent when it is due, or dropped. Raises ChangedError."""
        writes = [Write("delete", Row(_PARTITION, f"name-{digest.name}", etag=digest.etag))]
        if send:
            ended = replace(digest, ended_at=self._clock())
            writes.append(Write("put", Row(_PARTITION, f"ended-{digest.uid}", _values(ended))))
        await self._table.write(*writes)

    async def forget(self, now: datetime) -> int:
        """Deletes ended ones that no window can belong to any more."""
        rows = self._table.query(_PARTITION, "ended-", "ended-~")
        count = 0
        async for row in rows:
            digest = _read("", row)
            if digest.ended_at is not None and digest.ended_at + _KEPT < now:
                await self._table.write(Write("delete", Row(_PARTITION, row.key)))
                count += 1
        return count


def _values(digest: Digest) -> dict[str, str]:
    return {
        "uid": digest.uid,
        "definition": digest.definition.model_dump_json(by_alias=True, exclude_defaults=True),
        "created_at": digest.created_at.isoformat(),
        "changed_at": digest.changed_at.isoformat(),
        "ended_at": digest.ended_at.isoformat() if digest.ended_at else "",
    }


def _read(name: str, row: Row) -> Digest:
    values = row.values
    return Digest(
        name=name, uid=values["uid"],
        definition=Definition.model_validate_json(values["definition"], by_alias=True),
        created_at=datetime.fromisoformat(values["created_at"]),
        changed_at=datetime.fromisoformat(values["changed_at"]),
        ended_at=datetime.fromisoformat(values["ended_at"]) if values["ended_at"] else None,
        etag=row.etag,
    )  # fmt: skip
