"""Takes items: checks them, and puts each into the windows of its recipients."""

import base64
import hashlib
import json
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import batched

from shared.callers.caller import check_sender
from shared.concurrency import run_bounded
from shared.delivery.outbound import decode_body
from shared.digests.definition import Digest
from shared.digests.definitions import Definitions
from shared.digests.item import Item, PendingItem, Recipient, read_items
from shared.digests.recipients import Reader, Readers
from shared.digests.schedule import LookBackSchedule, next_due, with_cadence
from shared.digests.window import Place, Window, place_of
from shared.digests.windows import CHUNK, Windows
from shared.errors import InvalidMessageError, NotFoundError
from shared.messages.identity import new_message_id
from shared.storage.queues import Queue

logger = logging.getLogger(__name__)

_AT_ONCE = 16  # recipients
_MAX_ORIGINAL = 40 * 1024  # bytes that go to the poison queue with the reason


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a call's items, counted for each recipient.

    due: recipients whose window is due already.
    """

    accepted: int
    repeated: int
    unwanted: int
    due: tuple[Place, ...] = ()


@dataclass(slots=True)
class _Recipient:
    """One recipient of a call, and what is there for them."""

    who: Recipient
    items: list[PendingItem] = field(default_factory=list)


class ItemIntake:
    """What HTTP and the queue call."""

    def __init__(
        self,
        *,
        definitions: Definitions,
        windows: Windows,
        readers: Readers,
        poison: Queue,
        clock: Callable[[], datetime],
    ) -> None:
        self._definitions = definitions
        self._windows = windows
        self._readers = readers
        self._poison = poison
        self._clock = clock

    async def post(self, name: str, body: bytes, *, key: str = "") -> Taken:
        """Takes the items of a request. May be repeated: items with an id, and those of a call
        with the same key, are taken once.

        Raises InvalidMessageError, NotFoundError, StorageUnavailableError.
        """
        request = read_items(body)
        digest = await self._definitions.get(name)
        check_sender(digest.definition.sender.email)
        # Another body under the same key holds other items: none of them is swallowed.
        own = f"{key} {hashlib.sha256(body).hexdigest()[:32]}" if key else uuid.uuid4().hex
        return await self._take(digest, request.items, own)

    async def handle(self, body: bytes, *, queue_id: str) -> Taken | None:
        """Takes the items of a queue message; what cannot be taken goes to the poison queue, with
        the reason, and is None. Storage that is away leaves it on the queue for another time."""
        content = decode_body(body)
        try:
            request = read_items(content, queued=True)
            digest = await self._definitions.get(request.digest)
        except (InvalidMessageError, NotFoundError) as error:
            await self._refuse(content, error)
            return None
        return await self._take(digest, request.items, f"queue {queue_id}")

    async def _refuse(self, body: bytes, error: InvalidMessageError | NotFoundError) -> None:
        problems = error.problems if isinstance(error, InvalidMessageError) else ()
        refusal = {
            "reason": error.detail[:2000],
            "fix": error.fix,
            "problems": [
                {"pointer": p.field, "detail": p.detail, "fix": p.fix} for p in problems[:10]
            ],
            "original": base64.b64encode(body[:_MAX_ORIGINAL]).decode(),
        }
        await self._poison.send(json.dumps(refusal))
        logger.warning("items of a digest refused: %s", error.detail)

    async def _take(self, digest: Digest, items: Sequence[Item], key: str) -> Taken:
        now = self._clock()
        recipients: dict[Place, _Recipient] = {}
        for index, item in enumerate(items):
            pending = _pending(digest, item, f"{key} {index}", index, now)
            for who in item.to:
                place = place_of(digest.uid, who.email)
                recipients.setdefault(place, _Recipient(who)).items.append(pending)
                recipients[place].who = _merged(recipients[place].who, who)
        counts: Counter[str] = Counter()
        due: list[Place] = []

        async def take(place: Place) -> None:
            recipient = recipients[place]
            opening = _Opening(digest, recipient, self._readers, now)
            if (await opening.reader()).cadence == "none":
                counts["unwanted"] += len(recipient.items)
                return
            until = now + timedelta(days=digest.definition.retention_days)
            for chunk in batched(recipient.items, CHUNK, strict=False):
                urgent = any(item.urgent for item in chunk)
                new = await self._windows.add(
                    place, chunk, opening.of_urgent if urgent else opening.of_ordinary,
                    keep=digest.definition.on_same_key == "keep", remembered_until=until,
                )  # fmt: skip
                counts["accepted"] += new
                counts["repeated"] += len(chunk) - new
            if opening.is_due:
                due.append(place)

        await run_bounded(take, recipients, at_once=_AT_ONCE)
        return Taken(counts["accepted"], counts["repeated"], counts["unwanted"], tuple(due))


class _Opening:
    """The windows of one recipient as a call's items come into them."""

    def __init__(
        self, digest: Digest, recipient: _Recipient, readers: Readers, now: datetime
    ) -> None:
        self._digest = digest
        self._recipient = recipient
        self._readers = readers
        self._now = now
        self._found: Reader | None = None
        self.is_due = False

    async def reader(self) -> Reader:
        if self._found is None:
            self._found = await self._readers.find(self._digest, self._known(None))
        return self._found

    async def of_ordinary(self, old: Window | None) -> Window:
        return await self._opened(old, urgent=False)

    async def of_urgent(self, old: Window | None) -> Window:
        return await self._opened(old, urgent=True)

    def _known(self, old: Window | None) -> Window:
        """The window with what the call tells of its recipient."""
        who, digest = self._recipient.who, self._digest
        window = old or Window(digest=digest.name, uid=digest.uid, email=who.email)
        return replace(
            window, name=who.name or window.name, language=who.language or window.language,
            time_zone=who.time_zone or window.time_zone, cadence=who.cadence or window.cadence,
        )  # fmt: skip

    async def _opened(self, old: Window | None, *, urgent: bool) -> Window:
        window, now = self._known(old), self._now
        if not window.open:
            due = await self._due(window)
            window = replace(window, open=new_message_id(), opened_at=now, due=due)
        if urgent:
            window = replace(window, due=now, urgent=True)
        self.is_due = window.due is not None and window.due <= now
        return window

    async def _due(self, window: Window) -> datetime:
        definition, now = self._digest.definition, self._now
        reader = await self._readers.find(self._digest, window)
        schedule = with_cadence(definition.schedule, reader.cadence, definition.at)
        quiet_until = window.quiet_until if isinstance(schedule, LookBackSchedule) else None
        due = next_due(schedule, now, reader.time_zone, quiet_until=quiet_until)
        latest = now + timedelta(minutes=definition.maximum_wait_minutes)
        return min(due, latest)


def _merged(known: Recipient, told: Recipient) -> Recipient:
    """What two mentions of one recipient tell; the later one wins."""
    values = {k: v for k, v in told.model_dump().items() if v and k != "email"}
    return known.model_copy(update=values) if values else known


def _pending(digest: Digest, item: Item, own_id: str, index: int, now: datetime) -> PendingItem:
    by = digest.definition.dedupe_by
    value = item.data.get(by) if by else None
    key = item.key or (str(value) if isinstance(value, str | int) else "")
    # What came in one call keeps its order.
    occurred_at = item.occurred_at or now + timedelta(microseconds=index)
    return PendingItem(
        id=item.id or f" {own_id}", key=key, data=item.data, subject=item.subject,
        occurred_at=occurred_at, added_at=now, urgent=item.urgent,
    )  # fmt: skip
