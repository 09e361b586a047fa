"""`/api/links`: what operators see and do of secure links. Tokens and codes are on none of it."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from shared.api.answers import Answer, answer, json_answer
from shared.errors import FieldProblem, InvalidMessageError, NotFoundError
from shared.links.link import Link, LinkState
from shared.links.register import LinkRegister
from shared.links.visits import LinkVisits
from shared.messages.identity import is_message_id

MOST_LINKS = 100

_LINK_ID = re.compile("[0-9a-f]{24}")
_CURSOR = re.compile("[0-9]{12}-[0-9a-f]{24}")


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class LinkView(_View):
    """One secure link."""

    id: str
    message_id: str
    file: str
    size: int = Field(description="In bytes.")
    status: LinkState
    created_at: datetime
    expires_at: datetime
    downloads: int
    max_downloads: int
    views: int = Field(description="Page views, counted up to 20.")
    code: bool = Field(description="Whether a one-time code is asked for.")
    wrong_codes: int = Field(description="Since the last right one; 5 lock the link.")
    revoked_at: datetime | None


class LinksView(_View):
    """A page of links, newest first."""

    links: list[LinkView]
    cursor: str | None = Field(description="For the next page; null after the last.")


class LinksApi:
    def __init__(
        self, *, register: LinkRegister, visits: LinkVisits, clock: Callable[[], datetime]
    ) -> None:
        self._register = register
        self._visits = visits
        self._clock = clock

    async def list(self, query: Mapping[str, str]) -> Answer:
        """200 with a page of links: of one `message`, or of all (`limit`, `cursor`)."""
        return await answer(lambda: self._list(query))

    async def _list(self, query: Mapping[str, str]) -> Answer:
        message_id, cursor = query.get("message", ""), query.get("cursor", "")
        limit = query.get("limit", "50")
        problems = []
        if message_id and not is_message_id(message_id):
            problems.append(FieldProblem("message", "It is no message's id.", "Give an id."))
        if not re.fullmatch("[0-9]{1,3}", limit, re.ASCII) or not 1 <= int(limit) <= MOST_LINKS:
            fix = f"Give a number from 1 to {MOST_LINKS}."
            problems.append(FieldProblem("limit", "It is no number of links.", fix))
        if cursor and not _CURSOR.fullmatch(cursor):
            problems.append(FieldProblem("cursor", "It is none.", "Give that of the page before."))
        if problems:
            raise InvalidMessageError(problems, status=400)
        following = ""
        if message_id:
            links = await self._register.of_message(message_id)
        else:
            links, following = await self._register.newest(after=cursor, limit=int(limit))
        view = LinksView(links=[self._view(link) for link in links], cursor=following or None)
        return json_answer(200, view.model_dump(mode="json"))

    async def revoke(self, link_id: str) -> Answer:
        """200 with the link, revoked now or before; 404."""
        return await answer(lambda: self._revoke(link_id))

    async def _revoke(self, link_id: str) -> Answer:
        if not _LINK_ID.fullmatch(link_id):
            raise NotFoundError("There is no such link.", fix="GET /api/links lists them.")
        link = await self._visits.revoke(link_id)
        return json_answer(200, self._view(link).model_dump(mode="json"))

    def _view(self, link: Link) -> LinkView:
        return LinkView(
            id=link.id, message_id=link.message_id, file=link.file_name, size=link.size,
            status=link.state(self._clock()), created_at=link.created_at,
            expires_at=link.expires_at, downloads=link.downloads,
            max_downloads=link.max_downloads, views=link.views, code=bool(link.seal),
            wrong_codes=link.tries, revoked_at=link.revoked_at,
        )  # fmt: skip
