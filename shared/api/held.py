"""`/api/held`: messages that wait for somebody to release or refuse them."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from shared.api.answers import Answer, answer, json_answer
from shared.api.requests import HeldQuery, RefuseRequest, ReleaseRequest, read_query, read_request
from shared.api.views import FindingView, view_findings, view_message
from shared.messages.holding import HeldFilter, Holding
from shared.messages.indexes import HeldEntry
from shared.messages.record import MessageRecord
from shared.messages.timeline import Timeline


class HeldMessageView(BaseModel):
    """One message that is held."""

    model_config = ConfigDict(frozen=True)

    id: str
    sender: str = Field(serialization_alias="from")
    category: str
    recipients: int = Field(description="How many it has.")
    held_at: datetime
    lapses_at: datetime = Field(description="It fails then, if nobody decides (timer, by night).")
    rules: list[str]
    findings: list[FindingView]


class HeldView(BaseModel):
    """A page of held messages, the longest held first."""

    model_config = ConfigDict(frozen=True)

    messages: list[HeldMessageView]
    cursor: str | None = Field(description="For the next page; null after the last.")


class HeldApi:
    """Header names are expected in lower case."""

    def __init__(self, *, holding: Holding, timeline: Timeline) -> None:
        self._holding = holding
        self._timeline = timeline

    async def get(self, query: Mapping[str, str]) -> Answer:
        """200 with a page of what is held."""
        return await answer(lambda: self._page(query))

    async def _page(self, query: Mapping[str, str]) -> Answer:
        wanted = read_query(HeldQuery, query)
        page = await self._holding.page(
            HeldFilter(
                sender=wanted.sender, category=wanted.category, rule=wanted.rule,
                since=wanted.since, until=wanted.until,
            ),
            limit=wanted.limit, cursor=wanted.cursor,
        )  # fmt: skip
        view = HeldView(messages=[self._view(e) for e in page.entries], cursor=page.cursor or None)
        return json_answer(200, view.model_dump(mode="json", by_alias=True))

    async def release(self, message_id: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """200 with the message's view, 409 where it is decided otherwise, or 404."""
        return await answer(lambda: self._release(message_id, body, headers))

    async def _release(self, message_id: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        wanted = read_request(ReleaseRequest, body, headers)
        record = await self._holding.release(
            message_id, by=wanted.by, why=wanted.why, redact=wanted.form == "redacted"
        )
        return await self._shown(record)

    async def refuse(self, message_id: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """200 with the message's view, 409 where it is decided otherwise, or 404."""
        return await answer(lambda: self._refuse(message_id, body, headers))

    async def _refuse(self, message_id: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        wanted = read_request(RefuseRequest, body, headers)
        return await self._shown(
            await self._holding.refuse(message_id, by=wanted.by, why=wanted.why)
        )

    async def _shown(self, record: MessageRecord) -> Answer:
        return json_answer(200, view_message(record, await self._timeline.read(record.id)))

    def _view(self, entry: HeldEntry) -> HeldMessageView:
        return HeldMessageView(
            id=entry.message_id,
            sender=entry.sender,
            category=entry.category,
            recipients=entry.recipients,
            held_at=entry.held_at,
            lapses_at=self._holding.lapses_at(entry),
            rules=list(entry.rules),
            findings=view_findings(entry.findings),
        )
