"""What becomes of a link when somebody opens it: looked at, fetched, refused."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from shared.errors import ChangedError, ConflictError, NotFoundError
from shared.links.link import MAX_TRIES, Link, LinkState
from shared.links.register import LinkRegister
from shared.links.seals import Seals, Signing
from shared.messages.record import TimelineEntry
from shared.messages.timeline import Timeline
from shared.storage.blobs import Container
from shared.storage.connection import StorageConnection
from shared.storage.names import SECURE_FILES

logger = logging.getLogger(__name__)

_NOTED_VIEWS = 20  # page views of a link that its timeline tells: scanners may open it for ever
_RACES = 12  # visitors that may come between

Refusal = Literal["not_found", "expired", "used_up", "revoked", "locked"]


@dataclass(frozen=True, slots=True)
class Visit:
    """What a visitor gets: the link to look at, or why not.

    wrong_code: whether a code was given that is not the link's. content: the file, for a download.
    """

    link: Link | None = None
    refusal: Refusal | None = None
    wrong_code: bool = False
    content: bytes | None = field(default=None, repr=False)


class LinkVisits:
    """Answers visitors, and the operators who ask about links."""

    def __init__(
        self,
        *,
        storage: StorageConnection,
        register: LinkRegister,
        timeline: Timeline,
        signing: Signing,
        clock: Callable[[], datetime],
    ) -> None:
        self._files = Container(storage, SECURE_FILES)
        self._register = register
        self._timeline = timeline
        self._seals = Seals(signing)
        self._clock = clock

    async def look(self, token: str, *, address: str = "", note: bool = True) -> Visit:
        """What a token leads to. Looking costs nothing, however often it is done.

        address: the visitor's, of which only a mark of the network is kept. note: whether the look
        is told in the timeline.
        """
        visit = await self._find(token)
        link = visit.link
        if link is not None and note and link.views < _NOTED_VIEWS:
            await self._note(link, f"view-{link.views}", "link-viewed", address)
            try:
                await self._register.change(link, views=link.views + 1)
            except ChangedError:
                logger.debug("another visitor came between")
        return visit

    async def download(self, token: str, code: str, *, address: str = "") -> Visit:
        """The file, if the code is right where one is asked for.

        A download counts when it begins. A wrong code counts as a try; the last one locks the link.
        """
        for _ in range(_RACES):
            visit = await self._find(token)
            if visit.link is None:
                return visit
            try:
                return await self._take(visit.link, code, address)
            except ChangedError:
                continue  # somebody else came between: their count is counted first
        raise ConflictError("Too many visitors at once.", fix="Try again.")

    async def _find(self, token: str) -> Visit:
        identity = await self._seals.read_token(token)
        if identity is None:
            return Visit(refusal="not_found")
        link = await self._register.get(identity)
        if link is None:
            return Visit(refusal="expired")  # the signature is ours: it was one, long ago
        state: LinkState = link.state(self._clock())
        return Visit(link) if state == "active" else Visit(refusal=state)

    async def _take(self, link: Link, code: str, address: str) -> Visit:
        # The count comes before the proof, so that many guesses at once count as many.
        if link.seal:
            link = await self._register.change(link, tries=link.tries + 1)
            if not await self._seals.is_code(link.id, "".join(code.split()), link.seal):
                return await self._wrong(link, address)
        try:
            content = await self._files.read(link.blob, limit=link.size)
        except NotFoundError:
            return Visit(refusal="expired")
        changes: dict[str, Any] = {"downloads": link.downloads + 1}
        if link.seal:
            changes["tries"] = 0
        link = await self._register.change(link, **changes)
        await self._note(link, f"download-{link.downloads}", "link-downloaded", address)
        return Visit(link, content=content)

    async def _wrong(self, link: Link, address: str) -> Visit:
        locked = link.tries >= MAX_TRIES
        kind = "link-locked" if locked else "link-refused"
        await self._note(link, f"try-{link.downloads}-{link.tries}", kind, address)
        return Visit(refusal="locked") if locked else Visit(link, wrong_code=True)

    async def _note(self, link: Link, key: str, kind: str, address: str) -> None:
        network = await self._seals.network(address) if address else ""
        detail = f"{link.file_name}, network {network}" if network else link.file_name
        entry = TimelineEntry(type=kind, at=self._clock(), detail=detail)
        await self._timeline.note(link.message_id, f"link-{link.id}-{key}", entry)

    async def revoke(self, link_id: str) -> Link:
        """Ends a link, and deletes its file unless others share it. Raises NotFoundError."""
        for _ in range(_RACES):
            link = await self._register.get(link_id)
            if link is None:
                break
            try:
                if link.revoked_at is None:
                    link = await self._register.change(link, revoked_at=self._clock())
                    await self._note(link, "revoked", "link-revoked", "")
                if link.own_file:
                    await self._files.delete(link.blob)
            except ChangedError:
                continue
            return link
        raise NotFoundError("There is no such link.", fix="GET /api/links lists them.")
