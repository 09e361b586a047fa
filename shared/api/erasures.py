"""`DELETE /api/addresses/{address}`: a person wants to be forgotten."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from shared.api.answers import Answer, answer, json_answer
from shared.api.recipients import read_address
from shared.api.requests import read_query
from shared.erasure import Erasure, Erasures
from shared.messages.fields import Line


class ErasureQuery(BaseModel):
    """Who erases an address, and why; both are kept, beside its salted hash."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    by: Annotated[str, Field(min_length=1, max_length=200), Line]
    why: Annotated[str, Field(min_length=1, max_length=500), Line]


class ErasureView(BaseModel):
    """How far an erasure is."""

    model_config = ConfigDict(frozen=True)

    id: str
    status_url: str
    done: bool
    digest: str = Field(description="The salted hash that is kept of the address.")
    by: str
    why: str
    requested_at: datetime
    finished_at: datetime | None
    scanned: int = Field(description="Messages that were looked at.")
    erased: int = Field(description="Messages to the address; their content is deleted.")
    waiting: int = Field(description="Messages to the address that have not ended yet.")


class ErasuresApi:
    """Begins erasures and tells of them."""

    def __init__(self, erasures: Erasures) -> None:
        self._erasures = erasures

    async def delete(self, address: str, query: Mapping[str, str]) -> Answer:
        """202 with the erasure; preferences are gone by then."""
        return await answer(lambda: self._delete(address, query))

    async def _delete(self, address: str, query: Mapping[str, str]) -> Answer:
        wanted = read_query(ErasureQuery, query)
        checked = read_address(address)
        return _shown(202, await self._erasures.begin(checked, by=wanted.by, why=wanted.why))

    async def get(self, erasure_id: str) -> Answer:
        """200, or 404."""
        return await answer(lambda: self._get(erasure_id))

    async def _get(self, erasure_id: str) -> Answer:
        return _shown(200, await self._erasures.get(erasure_id))


def _shown(status: int, erasure: Erasure) -> Answer:
    view = ErasureView(
        id=erasure.id,
        status_url=f"/api/erasures/{erasure.id}",
        done=erasure.finished_at is not None,
        digest=erasure.digest,
        by=erasure.by,
        why=erasure.why,
        requested_at=erasure.requested_at,
        finished_at=erasure.finished_at,
        scanned=erasure.scanned,
        erased=erasure.erased,
        waiting=len(erasure.waiting),
    )
    return json_answer(status, view.model_dump(mode="json"))
