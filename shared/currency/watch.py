"""The daily look at the submission service: what has changed is logged, and kept as events."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from shared.currency.changes import Change, Memory, compare
from shared.currency.observation import Facts, observe_server, observe_token
from shared.delivery.opening import SessionOpening
from shared.delivery.session import SessionError, tls_context
from shared.delivery.submission import submission_server
from shared.errors import AlreadyExistsError, ChangedError, CredentialError
from shared.events import Event, event_id, event_json
from shared.settings import Settings
from shared.storage.connection import StorageConnection
from shared.storage.names import SETTINGS
from shared.storage.tables import Row, Table, Write, pack, unpack

logger = logging.getLogger(__name__)

CHANGED = "mailroom.service.changed"

_KEPT = 100  # events
_SOURCE = "mailroom/watch_service"


class ServiceWatch:
    """Table `settings`, partition `service`, a row for each server that was ever looked at: what
    was seen (`Memory`), and the last 100 events."""

    def __init__(
        self,
        settings: Settings,
        storage: StorageConnection,
        opening: SessionOpening,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._server = submission_server(settings)
        self._key = f"{self._server.host}:{self._server.port}"
        self._opening = opening
        self._table = Table(storage, SETTINGS)
        self._clock = clock

    async def run(self) -> Sequence[Change]:
        """Looks at the service and returns what has changed since the last look.

        Its connection is one beside the pool's, and signed in for one round trip: where the mailbox
        has all of its connections open just then, the service refuses one of them for a moment.

        A service that does not answer, or no token, is not a change: it is logged, and the next
        day's look compares with the same. Changes are logged before they are stored: a crash in
        between tells of them again, rather than never.
        """
        try:
            facts = await self._look()
        except (SessionError, CredentialError) as error:
            logger.warning("service not looked at: %s", error)
            return ()
        now = self._clock().astimezone(UTC)
        row = await self._read()
        memory, events = _stored(row)
        memory, changes = compare(memory, facts, now.date())
        for change in changes:
            _tell(change)
        events = [*(self._event(change, now) for change in changes), *events][:_KEPT]
        await self._store(row, memory, events)
        return changes

    async def recent(self) -> list[Mapping[str, Any]]:
        """The last events, newest first, as CloudEvents in JSON."""
        return _stored(await self._read())[1]

    async def _look(self) -> Facts:
        sign_in = await self._opening.sign_in(self._settings.mailboxes[0], None)
        seen = await observe_server(
            self._server, sign_in, tls=await asyncio.to_thread(tls_context),
            timeout=self._settings.smtp_timeout,
        )  # fmt: skip
        return {**seen, **observe_token(sign_in.secret)} if sign_in.token else seen

    def _event(self, change: Change, now: datetime) -> Mapping[str, Any]:
        host = self._server.host
        day = now.date().isoformat()
        event = Event(
            type=CHANGED,
            id=event_id(CHANGED, host, change.fact, change.old, change.new, day),
            subject=host,
            time=now,
            source=_SOURCE,
            data=asdict(change),
        )
        return dict(json.loads(event_json(event)))

    async def _read(self) -> Row | None:
        return await self._table.read("service", self._key)

    async def _store(
        self, row: Row | None, memory: Memory, events: Sequence[Mapping[str, Any]]
    ) -> None:
        whole = json.dumps({"memory": asdict(memory), "events": events}).encode()
        key = ("service", self._key)
        try:
            if row is None:
                await self._table.write(Write("insert", Row(*key, pack("Seen", whole))))
            else:
                await self._table.write(Write("merge", Row(*key, pack("Seen", whole), row.etag)))
        except (AlreadyExistsError, ChangedError):
            logger.info("another instance looked at the service too")


def _stored(row: Row | None) -> tuple[Memory, list[Mapping[str, Any]]]:
    if row is None:
        return Memory(), []
    value = json.loads(unpack("Seen", row.values))
    return Memory(**value["memory"]), value["events"]


def _tell(change: Change) -> None:
    if change.alert:
        logger.warning(
            "service changed: %s was '%s', is '%s'. %s",
            change.fact, change.old, change.new, change.meaning,
        )  # fmt: skip
    else:
        logger.info(
            "service noted: %s was '%s', is '%s'. %s",
            change.fact, change.old, change.new, change.meaning,
        )  # fmt: skip
