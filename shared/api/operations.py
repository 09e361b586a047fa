"""What people do about messages that are under way or have ended: cancel, resolve, replay."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.api.answers import Answer, answer, json_answer
from shared.api.requests import ReplayRequest, ResolveRequest, read_request
from shared.api.views import view_message
from shared.delivery.replay import Replay, ReplayFilter, ReplayItem
from shared.delivery.resolution import Resolution
from shared.messages.cancellation import Cancellation
from shared.messages.record import MessageRecord
from shared.messages.timeline import Timeline


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class ReplayedView(_View):
    """One message that the filter found."""

    id: str
    status: Literal["failed", "unknown"] = Field(description="What it was before.")
    reason: str
    codes: list[str] = Field(description="Status codes of its recipients.")
    finished_at: datetime
    mailbox: str
    category: str
    outcome: Literal["would be replayed", "replayed", "skipped"]
    detail: str = Field(description="Why it was skipped, or as what it was replayed.")


class ReplayView(_View):
    """A page of messages."""

    dry_run: bool
    messages: list[ReplayedView]
    cursor: str | None = Field(description="For the next page; null after the last.")


class OperationsApi:
    """Header names are expected in lower case."""

    def __init__(
        self,
        *,
        cancellation: Cancellation,
        resolution: Resolution,
        replay: Replay,
        timeline: Timeline,
    ) -> None:
        self._cancellation = cancellation
        self._resolution = resolution
        self._replay = replay
        self._timeline = timeline

    async def cancel(self, message_id: str) -> Answer:
        """200 with the message's view, 409 where it is too late, or 404."""
        return await answer(lambda: self._cancel(message_id))

    async def _cancel(self, message_id: str) -> Answer:
        return await self._shown(await self._cancellation.cancel(message_id))

    async def resolve(self, message_id: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """200 with the message's view, 409 where it is not `unknown`, or 404."""
        return await answer(lambda: self._resolve(message_id, body, headers))

    async def _resolve(self, message_id: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        wanted = read_request(ResolveRequest, body, headers)
        record = await self._resolution.resolve(message_id, wanted.verdict, note=wanted.note)
        return await self._shown(record)

    async def replay(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """200 with a page of what would be, or was, put back."""
        return await answer(lambda: self._page(body, headers))

    async def _page(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        wanted = read_request(ReplayRequest, body, headers)
        page = await self._replay.run(
            ReplayFilter(
                statuses=tuple(dict.fromkeys(wanted.status)), reason=wanted.reason,
                since=wanted.since, until=wanted.until, mailbox=wanted.mailbox,
                category=wanted.category,
            ),
            limit=wanted.limit, dry_run=wanted.dry_run, cursor=wanted.cursor,
        )  # fmt: skip
        view = ReplayView(
            dry_run=wanted.dry_run,
            messages=[_replayed(item) for item in page.items],
            cursor=page.cursor or None,
        )
        return json_answer(200, view.model_dump(mode="json"))

    async def _shown(self, record: MessageRecord) -> Answer:
        return json_answer(200, view_message(record, await self._timeline.read(record.id)))


def _replayed(item: ReplayItem) -> ReplayedView:
    entry = item.entry
    return ReplayedView.model_validate(
        {
            "id": entry.message_id,
            "status": entry.status,
            "reason": entry.detail,
            "codes": list(entry.codes),
            "finished_at": entry.finished_at,
            "mailbox": entry.mailbox,
            "category": entry.category,
            "outcome": item.outcome,
            "detail": item.detail,
        }
    )
