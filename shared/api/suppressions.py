"""`/api/suppressions`: what is against sending to an address, set, lifted, listed, imported."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from shared.api.answers import Answer, answer, json_answer
from shared.api.recipients import read_address
from shared.api.requests import read_query, read_request
from shared.errors import FieldProblem, InvalidMessageError, NotFoundError
from shared.messages.fields import Line
from shared.suppression import (
    BULK,
    EVERYTHING,
    Entry,
    Removal,
    Suppression,
    Suppressions,
    is_topic,
    topic_of,
)
from shared.suppression.importing import SuppressionImport
from shared.suppression.lines import COLUMNS, write_line
from shared.suppression.listing import SuppressionQuery, list_suppressed, reason_of

CSV = "text/csv; charset=utf-8"
CURSOR = "X-Mailroom-Cursor"

_Reason = Literal["", "bounced", "complained", "unsubscribed", "manual", "soft_bounced"]


def _scope(value: str) -> str:
    if value not in {"", EVERYTHING, BULK} and not is_topic(topic_of(value)):
        raise ValueError("It is not everything, bulk, or topic: with a topic's name.")
    return value


_Scope = Annotated[str, Field(max_length=80), AfterValidator(_scope)]
_Text = Annotated[str, Field(min_length=1, max_length=500), Line]
_Person = Annotated[str, Field(min_length=1, max_length=200), Line]
_Cursor = Annotated[str, Field(max_length=100, pattern=r"^([0-9a-f]{2}:[0-9a-f]{64})?$")]


class SuppressionRequest(BaseModel):
    """A suppression that somebody sets."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    scope: Annotated[_Scope, Field(min_length=1)] = Field(
        default=EVERYTHING, description="everything, bulk, or topic: and a topic's name."
    )
    reason: Literal["bounced", "complained", "unsubscribed", "manual"] = "manual"
    by: _Person = Field(description="Who sets it.")
    detail: Annotated[str, Field(max_length=500), Line] = ""
    message_id: Annotated[str, Field(max_length=200), Line] = ""
    until: Annotated[AwareDatetime, Field(strict=False)] | None = Field(
        default=None, description="When it ends by itself."
    )


class RemovalQuery(BaseModel):
    """The query of DELETE: what to remove, who does it and why. It is kept with the address."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    scope: _Scope = Field(default="", description="Only suppressions of this scope.")
    by: _Person
    why: _Text


class ExportQuery(BaseModel):
    """The query of an export: which addresses."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    reason: _Reason = ""
    scope: _Scope = ""
    since: AwareDatetime | None = Field(
        default=None, description="Suppressed at this time or later."
    )
    domain: Annotated[str, Field(max_length=255)] = Field(
        default="", description="Of the addresses."
    )
    ended: bool = Field(default=True, description="Whether what has ended counts.")
    limit: Annotated[int, Field(ge=1, le=5000)] = 1000
    cursor: _Cursor = Field(default="", description="That of the page before.")


class SuppressionsQuery(ExportQuery):
    """The query of a list: which addresses."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class SuppressionView(_View):
    """One suppression. A lease of soft bounces has the reason soft_bounced, and an end."""

    scope: str
    reason: str
    source: str = Field(description="Who said so: smtp, dsn, api, import, the recipient's page …")
    by: str
    since: datetime
    until: datetime | None
    active: bool = Field(description="Whether it has not ended.")
    message_id: str
    detail: str


class RemovalView(_View):
    """Suppressions were removed."""

    at: datetime
    by: str
    why: str
    scopes: list[str]


class SuppressedAddressView(_View):
    """An address and all that is against sending to it."""

    address: str | None = Field(description="null: it was erased; its suppressions hold.")
    suppressions: list[SuppressionView]
    rung: int = Field(description="Of the ladder of soft bounces: how many leases in a row.")
    removals: list[RemovalView]


class SuppressedPage(_View):
    """A page of addresses, in no particular order."""

    suppressions: list[SuppressedAddressView]
    cursor: str | None = Field(description="For the next page; null after the last.")


class RefusedLineView(_View):
    """A line that was not taken."""

    line: int = Field(description="The line of column names is 1.")
    why: str


class ImportView(_View):
    """What became of each line."""

    stored: int
    unchanged: int = Field(description="Lines that told what was known.")
    refused: list[RefusedLineView]
    ignored_columns: list[str]


class SuppressionsApi:
    """Header names are expected in lower case."""

    def __init__(self, suppressions: Suppressions, *, clock: Callable[[], datetime]) -> None:
        self._suppressions = suppressions
        self._import = SuppressionImport(suppressions, clock=clock)
        self._clock = clock

    async def get(self, address: str) -> Answer:
        """200, or 404 where nothing is against sending."""
        return await answer(lambda: self._get(address))

    async def _get(self, address: str) -> Answer:
        entry = await self._suppressions.entry(read_address(address))
        if not (entry.suppressions or entry.removals):
            raise NotFoundError("Nothing is against sending to this address.", fix="Send.")
        return self._shown(200, entry)

    async def put(self, address: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """201, or 200 where the scope was suppressed for this reason already."""
        return await answer(lambda: self._put(address, body, headers))

    async def _put(self, address: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        wanted = read_request(SuppressionRequest, body, headers)
        now = self._clock()
        if wanted.until is not None and wanted.until <= now:
            problem = FieldProblem("/until", "It lies in the past.", "Give a later time, or none.")
            raise InvalidMessageError([problem])
        checked = read_address(address, strict=True)
        added = await self._suppressions.add(
            Suppression(
                address=checked, scope=wanted.scope, reason=wanted.reason, source="api",
                since=now, message_id=wanted.message_id, detail=wanted.detail,
                until=wanted.until, by=wanted.by,
            )
        )  # fmt: skip
        return self._shown(201 if added else 200, await self._suppressions.entry(checked))

    async def delete(self, address: str, query: Mapping[str, str]) -> Answer:
        """200 with what is left, or 404 where there was nothing to remove."""
        return await answer(lambda: self._delete(address, query))

    async def _delete(self, address: str, query: Mapping[str, str]) -> Answer:
        wanted = read_query(RemovalQuery, query)
        checked = read_address(address)
        removal = Removal(at=self._clock(), by=wanted.by, why=wanted.why)
        if not await self._suppressions.remove(checked, scope=wanted.scope, removal=removal):
            raise NotFoundError(
                "There is no such suppression of this address.",
                fix="GET /api/suppressions/{address} shows what there is.",
            )
        return self._shown(200, await self._suppressions.entry(checked))

    async def list(self, query: Mapping[str, str]) -> Answer:
        """200 with a page."""
        return await answer(lambda: self._list(query))

    async def _list(self, query: Mapping[str, str]) -> Answer:
        entries, cursor = await self._find(read_query(SuppressionsQuery, query))
        now = self._clock()
        page = SuppressedPage(
            suppressions=[_view(entry, now) for entry in entries], cursor=cursor or None
        )
        return json_answer(200, page.model_dump(mode="json"))

    async def export(self, query: Mapping[str, str]) -> Answer:
        """200 with a page of CSV; the header X-Mailroom-Cursor tells the next one's cursor."""
        return await answer(lambda: self._export(query))

    async def _export(self, query: Mapping[str, str]) -> Answer:
        entries, cursor = await self._find(read_query(ExportQuery, query))
        lines = [",".join(COLUMNS)]
        lines += (
            write_line(suppression, reason_of(suppression, entry))
            for entry in entries if not entry.erased
            for suppression in entry.suppressions
        )  # fmt: skip
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": 'attachment; filename="suppressions.csv"',
            "X-Content-Type-Options": "nosniff",
        }
        if cursor:
            headers[CURSOR] = cursor
        return Answer(200, "\r\n".join([*lines, ""]).encode(), CSV, headers)

    async def _find(self, wanted: ExportQuery) -> Any:
        query = SuppressionQuery(
            reason=wanted.reason, scope=wanted.scope, since=wanted.since,
            domain=_domain(wanted.domain), at=None if wanted.ended else self._clock(),
        )  # fmt: skip
        return await list_suppressed(
            self._suppressions, query, after=wanted.cursor, limit=wanted.limit
        )

    async def take(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """200 with what became of each line of CSV; 400 and 413 take none."""
        return await answer(lambda: self._take(body, headers))

    async def _take(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in {"text/csv", "text/plain", "application/csv"}:
            problem = FieldProblem("", "The body is not CSV.", "Send text/csv, in UTF-8.")
            raise InvalidMessageError([problem], status=415)
        author = headers.get("x-mailroom-author", "")[:200]
        report = await self._import.take(body, by=author if author.isprintable() else "")
        view = ImportView(
            stored=report.stored,
            unchanged=report.unchanged,
            refused=[RefusedLineView(line=r.number, why=r.why) for r in report.refused],
            ignored_columns=list(report.ignored_columns),
        )
        return json_answer(200, view.model_dump(mode="json"))

    def _shown(self, status: int, entry: Entry) -> Answer:
        return json_answer(status, _view(entry, self._clock()).model_dump(mode="json"))


def _domain(text: str) -> str:
    return read_address(f"x@{text}").partition("@")[2] if text else ""


def _view(entry: Entry, now: datetime) -> SuppressedAddressView:
    return SuppressedAddressView(
        address=entry.address or None,
        suppressions=[
            SuppressionView(
                scope=s.scope, reason=reason_of(s, entry), source=s.source, by=s.by,
                since=s.since, until=s.until, active=s.holds(now), message_id=s.message_id,
                detail=s.detail,
            )
            for s in entry.suppressions
        ],
        rung=entry.soft.level,
        removals=[
            RemovalView(at=r.at, by=r.by, why=r.why, scopes=list(r.scopes))
            for r in entry.removals
        ],
    )  # fmt: skip
