"""`/api/messages/batch`: up to 500 messages in one request."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.api.answers import Answer, answer, json_answer
from shared.api.requests import check_headers
from shared.api.views import AcceptedView, accepted_values
from shared.callers.caller import calling_application
from shared.errors import FieldProblem
from shared.messages.identity import read_idempotency_key
from shared.messages.mailing import BatchAnswer, Mailing


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class AcceptedEntry(AcceptedView):
    """A message of a batch that was accepted."""

    index: int = Field(description="Its place in `messages`, from 0.")


class FaultView(_View):
    """One fault of a message, and its fix."""

    pointer: str = Field(description="RFC 6901, into the body that was posted.")
    detail: str
    fix: str


class RefusedEntry(_View):
    """A message of a permissive batch that was not accepted."""

    index: int
    errors: list[FaultView]


class BatchView(_View):
    """The answer to a batch."""

    accepted: list[AcceptedEntry]
    errors: list[RefusedEntry] = Field(description="Empty where the batch is strict.")


class BatchApi:
    """Takes batches. Header names are expected in lower case."""

    def __init__(self, *, mailing: Mailing, body_limit: int) -> None:
        self._mailing = mailing
        self._body_limit = body_limit

    async def post(self, body: bytes, headers: Mapping[str, str], url: str) -> Answer:
        """202 with what became of each message, or a problem. `url` is the request's own."""
        return await answer(lambda: self._post(body, headers, url))

    async def _post(self, body: bytes, headers: Mapping[str, str], url: str) -> Answer:
        check_headers(headers, len(body), self._body_limit)
        key = read_idempotency_key(headers.get("idempotency-key"))
        taken = await self._mailing.accept(body, key=key, caller=calling_application())
        base = url.partition("?")[0].rstrip("/").rpartition("/")[0]
        fields = {"Idempotency-Replayed": "true"} if taken.repeated else {}
        return json_answer(202, _view(taken, base), headers=fields)


def _view(taken: BatchAnswer, base: str) -> dict[str, Any]:
    view = BatchView(
        accepted=[
            AcceptedEntry.model_validate(
                {"index": index, **accepted_values(accepted, f"{base}/{accepted.id}")}
            )
            for index, accepted in taken.accepted.items()
        ],
        errors=[
            RefusedEntry(index=index, errors=_faults(problems))
            for index, problems in taken.faults.items()
        ],
    )
    return view.model_dump(exclude_defaults=True)


def _faults(problems: Sequence[FieldProblem]) -> list[FaultView]:
    return [FaultView(pointer=p.field, detail=p.detail, fix=p.fix) for p in problems]
