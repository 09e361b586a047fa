"""`/api/delivery-tests`: a probe is asked for, followed, and compared with earlier ones."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from shared.api.answers import Answer, answer, json_answer
from shared.api.requests import read_query, read_request
from shared.delivery_tests.delivery_tests import DeliveryTests
from shared.delivery_tests.report import DeliveryTest, TestStatus
from shared.errors import NotFoundError
from shared.messages.identity import read_idempotency_key

_ID = re.compile("[0-9a-f]{32}")


class DeliveryTestRequest(BaseModel):
    """Where the probe goes, and from whom. An empty body asks for the usual."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    to: Annotated[str, Field(max_length=320)] = Field(
        default="", description="Else the first of MAILROOM_DELIVERY_TEST_MAILBOXES."
    )
    sender: Annotated[str, Field(max_length=320)] = Field(
        default="", alias="from", description="Else the first who may send."
    )


class DeliveryTestsQuery(BaseModel):
    """Which page of the trend."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    limit: Annotated[int, Field(ge=1, le=100)] = 30
    cursor: Annotated[str, Field(pattern=r"^(?:[0-9a-f]{32})?$")] = Field(
        default="", description="That of the page before."
    )


class DeliveryTestView(DeliveryTest):
    """A delivery test; `finished` says that nothing more will change."""

    status_url: str
    finished: bool


class TrendView(BaseModel):
    """The gist of a test."""

    model_config = ConfigDict(frozen=True)

    id: str
    status: TestStatus
    to: str
    sender: str
    daily: bool
    asked_at: datetime
    queued_seconds: float | None
    seconds: float | None = Field(description="From handing over to arrival.")
    folder: str
    spf: str
    dkim: str
    dmarc: str
    unsubscribe_covered: bool | None
    spam_score: float | None
    observations: int


class DeliveryTestsView(BaseModel):
    """A page of tests, newest first."""

    model_config = ConfigDict(frozen=True)

    tests: list[TrendView]
    cursor: str | None = Field(description="For the next page; null after the last.")


class DeliveryTestsApi:
    def __init__(self, tests: DeliveryTests) -> None:
        self._tests = tests

    async def post(self, body: bytes, headers: Mapping[str, str], url: str) -> Answer:
        """202 with the test and its status_url, or a problem. `url` is the request's own."""
        return await answer(lambda: self._post(body, headers, url))

    async def _post(self, body: bytes, headers: Mapping[str, str], url: str) -> Answer:
        wanted = read_request(DeliveryTestRequest, body or b"{}", headers)
        key = read_idempotency_key(headers.get("idempotency-key"))
        test, repeated = await self._tests.begin(to=wanted.to, sender=wanted.sender, key=key)
        status_url = f"{url.partition('?')[0].rstrip('/')}/{test.id}"
        fields = {"Location": status_url}
        if repeated:
            fields["Idempotency-Replayed"] = "true"
        return json_answer(202, _view(test, status_url), headers=fields)

    async def get(self, test_id: str) -> Answer:
        """200 with the test, after a look into the mailbox where it is open; 404."""
        return await answer(lambda: self._get(test_id))

    async def _get(self, test_id: str) -> Answer:
        if not _ID.fullmatch(test_id):
            raise NotFoundError("No such test.", fix="GET /api/delivery-tests lists them.")
        test = await self._tests.get(test_id)
        return json_answer(200, _view(test, f"/api/delivery-tests/{test.id}"))

    async def list(self, query: Mapping[str, str]) -> Answer:
        """200 with a page of the trend."""
        return await answer(lambda: self._list(query))

    async def _list(self, query: Mapping[str, str]) -> Answer:
        wanted = read_query(DeliveryTestsQuery, query)
        tests, following = await self._tests.newest(after=wanted.cursor, limit=wanted.limit)
        view = DeliveryTestsView(tests=[_gist(test) for test in tests], cursor=following or None)
        return json_answer(200, view.model_dump(mode="json"))


def _view(test: DeliveryTest, status_url: str) -> dict[str, object]:
    view = DeliveryTestView(**dict(test), status_url=status_url, finished=test.ended)
    return view.model_dump(mode="json")


def _gist(test: DeliveryTest) -> TrendView:
    arrival = test.arrival
    spam = arrival.spam if arrival else None
    return TrendView(
        id=test.id, status=test.status, to=test.to, sender=test.sender, daily=test.daily,
        asked_at=test.asked_at, queued_seconds=test.queued_seconds,
        seconds=arrival.seconds if arrival else None,
        folder=arrival.folder if arrival else "",
        spf=arrival.spf if arrival else "",
        dkim=arrival.dkim if arrival else "",
        dmarc=arrival.dmarc if arrival else "",
        unsubscribe_covered=arrival.unsubscribe_covered if arrival else None,
        spam_score=spam.score if spam else None,
        observations=len(test.observations),
    )  # fmt: skip
