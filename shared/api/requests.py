"""What callers send to the API: its limits, and the models of requests that are no messages."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared.errors import FieldProblem, InvalidMessageError
from shared.messages.parsing import list_problems

_SMALL = 64 * 1024  # bytes of a request that holds no message


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ResolveRequest(_Request):
    """What somebody found out, or decides, about a message that is `unknown`."""

    verdict: Literal["sent", "resend", "failed"] = Field(
        alias="as",
        description="sent: it was found in Sent Items. resend: send it again, to whom it is open. "
        "failed: it is not sent again.",
    )
    note: Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class ReplayRequest(_Request):
    """Which ended messages to put back, and whether to do it."""

    status: Annotated[list[Literal["failed", "unknown"]], Field(min_length=1, max_length=2)] = (
        Field(default=["failed"], description="unknown only where it is named.")
    )
    reason: Annotated[str, Field(max_length=200)] = Field(
        default="", description="Text that the detail holds, or a recipient's status code."
    )
    since: Annotated[AwareDatetime, Field(strict=False)] | None = Field(
        default=None, description="Ended at this time or later."
    )
    until: Annotated[AwareDatetime, Field(strict=False)] | None = Field(
        default=None, description="Ended before this time."
    )
    mailbox: Annotated[str, Field(max_length=320)] = ""
    category: Literal["", "transactional", "bulk"] = ""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    dry_run: bool = Field(default=True, description="true: only list what would be put back.")
    cursor: Annotated[str, Field(max_length=1000)] = Field(
        default="", description="That of the page before."
    )


class HeldQuery(BaseModel):
    """The query of GET /api/held: which held messages, and how many of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sender: Annotated[str, Field(max_length=320)] = Field(
        default="", alias="from", description="The From address."
    )
    category: Literal["", "transactional", "bulk"] = ""
    rule: Annotated[str, Field(max_length=60)] = Field(
        default="", description="A rule that found something in it."
    )
    since: AwareDatetime | None = Field(default=None, description="Held at this time or later.")
    until: AwareDatetime | None = Field(default=None, description="Held before this time.")
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=300)] = Field(
        default="", description="That of the page before."
    )


_Line = Annotated[
    str, Field(min_length=1, pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$")
]


class RefuseRequest(_Request):
    """Who refuses a held message, and why; both stand on its timeline."""

    by: Annotated[_Line, Field(max_length=200)]
    why: Annotated[_Line, Field(max_length=500)]


class ReleaseRequest(RefuseRequest):
    """Who releases a held message, and why; both stand on its timeline."""

    form: Literal["original", "redacted"] = Field(
        default="original",
        alias="as",
        description="original: as it was posted. redacted: with what was found masked.",
    )


def check_headers(headers: Mapping[str, str], size: int, limit: int) -> None:
    """Refuses a body that is not JSON, or too large. Header names are in lower case."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise _refusal(415, f"The body is {kind[:80]}.", "Send application/json.")
    if size > limit:
        raise _refusal(
            413, f"The body has {size} bytes; {limit} are allowed.",
            "Send less, or link to the attachments.",
        )  # fmt: skip


def read_request[R: BaseModel](model: type[R], body: bytes, headers: Mapping[str, str]) -> R:
    """The request in the body. Raises InvalidMessageError with a problem for each fault."""
    check_headers(headers, len(body), _SMALL)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        unreadable = any(fault["type"] == "json_invalid" for fault in error.errors())
        raise InvalidMessageError(list_problems(error), status=400 if unreadable else 422) from None


def read_query[R: BaseModel](model: type[R], query: Mapping[str, str]) -> R:
    """The parameters of a URL. Raises InvalidMessageError with a problem for each fault, its
    pointer being the parameter's name."""
    try:
        return model.model_validate(dict(query))
    except ValidationError as error:
        raise InvalidMessageError(list_problems(error)) from None


def _refusal(status: int, detail: str, fix: str) -> InvalidMessageError:
    return InvalidMessageError([FieldProblem("", detail, fix)], status=status)
