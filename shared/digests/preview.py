"""What a recipient would get now, without sending it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.digests.content import compose_digest, fresh_items
from shared.digests.definitions import Definitions
from shared.digests.recipients import Readers
from shared.digests.sending import PageLinks
from shared.digests.window import place_of
from shared.digests.windows import Windows
from shared.errors import NotFoundError
from shared.messages.identity import new_message_id
from shared.messages.model import Message


@dataclass(frozen=True, slots=True)
class DigestPreview:
    """A digest's mail. due: when it goes; None: it is being sent. problem: why it could not be."""

    message: Message = field(repr=False)
    due: datetime | None
    total: int
    language: str
    time_zone: str
    problem: str


class Rendering(Protocol):
    """Fills a message's template (shared.preparation)."""

    async def render(self, message: Message) -> tuple[Message, str]: ...


class DigestPreviews:
    def __init__(
        self,
        *,
        definitions: Definitions,
        windows: Windows,
        readers: Readers,
        rendering: Rendering,
        links: PageLinks,
        clock: Callable[[], datetime],
    ) -> None:
        self._definitions = definitions
        self._windows = windows
        self._readers = readers
        self._rendering = rendering
        self._links = links
        self._clock = clock

    async def make(self, name: str, recipient: str) -> DigestPreview:
        """Raises NotFoundError where nothing is pending, AddressError, and InvalidMessageError
        where the template cannot be filled."""
        digest, now = await self._definitions.get(name), self._clock()
        place = place_of(digest.uid, recipient)
        window = await self._windows.read(place)
        gathering = window.open or window.closing if window else ""
        if window is None or not gathering:
            raise _nothing()
        gathered = await self._windows.gathered(
            place, gathering, newest=digest.definition.cap_keeps == "last"
        )
        fresh = fresh_items(gathered.items, digest.definition, now)
        if not fresh:
            raise _nothing()
        reader = await self._readers.find(digest, window)
        since = window.opened_at or window.closing_opened_at or now
        message_id = new_message_id()
        message = compose_digest(
            digest, window, reader, fresh, others=gathered.others, message_id=message_id,
            since=since, until=now,
            cadence_url=await self._links.url(message_id, window.email, digest.topic),
        )  # fmt: skip
        rendered, _ = await self._rendering.render(message)
        return DigestPreview(
            rendered, window.due, len(fresh) + gathered.others, reader.language, reader.time_zone,
            window.problem,
        )  # fmt: skip


def _nothing() -> NotFoundError:
    return NotFoundError("Nothing is pending for this recipient.", fix="Add items first.")
