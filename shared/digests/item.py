"""What applications add to digests: by HTTP, and on the queue `digest-items`."""

import json
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from shared.digests.definition import NAME
from shared.digests.schedule import Cadence
from shared.errors import FieldProblem, InvalidMessageError
from shared.messages.fields import Address, Line, Model, time_text, utc
from shared.messages.model import LanguageTag, TimeZone
from shared.messages.parsing import MAX_PROBLEMS, finite_number, list_problems

MAX_ITEMS = 500  # in a call
MAX_PAIRS = 1000  # items times recipients, in a call
MAX_DATA = 8 * 1024  # bytes of an item's data as JSON
MAX_RECIPIENTS = 100  # of an item
_MOST_MEMBERS = 20


def _bounded(value: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except (ValueError, RecursionError):
        raise PydanticCustomError("item_data", "It cannot be written as JSON in UTF-8.") from None
    if size > MAX_DATA:
        raise PydanticCustomError("item_data", f"It has {size} bytes; {MAX_DATA} are allowed.")
    return value


class Recipient(Address):
    """Who gets it; what is not given here, the recipient's preferences or the digest tell."""

    language: LanguageTag | None = None
    time_zone: TimeZone | None = None
    cadence: Cadence | None = None


class Item(Model):
    """One event."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,99}$")] | None = Field(
        default=None, description="An item of this id is taken once for each recipient."
    )
    key: Annotated[str, Field(min_length=1, max_length=200), Line] | None = Field(
        default=None, description="Items of one key replace each other; DELETE takes it away."
    )
    to: Annotated[
        tuple[Recipient, ...], Field(min_length=1, max_length=MAX_RECIPIENTS, strict=False)
    ]
    data: Annotated[dict[str, Any], AfterValidator(_bounded)] = Field(
        default_factory=dict, repr=False, description="What the template shows of it."
    )
    subject: Annotated[str, Field(max_length=500), Line] = Field(
        default="", description="Of the mail, if this is its one item."
    )
    occurred_at: (
        Annotated[
            AwareDatetime, Field(strict=False), BeforeValidator(time_text), AfterValidator(utc)
        ]
        | None
    ) = None
    urgent: bool = Field(default=False, description="What has gathered goes now.")


@dataclass(frozen=True, slots=True)
class ItemsRequest:
    """The items of one call. digest: its name, where the body tells it."""

    items: tuple[Item, ...] = field(repr=False)
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingItem:
    """An item as it waits for one recipient. id is never "", key is where it has none."""

    id: str
    key: str = ""
    data: dict[str, Any] = field(repr=False)
    subject: str = field(default="", repr=False)
    occurred_at: datetime
    added_at: datetime
    urgent: bool = False


def item_order(item: PendingItem) -> tuple[datetime, datetime, str]:
    """By when it occurred; always the same for the same items."""
    return item.occurred_at, item.added_at, item.id


def read_items(body: bytes, *, queued: bool = False) -> ItemsRequest:
    """Reads `{"items": […]}`; on the queue it names its `digest` as well.

    Raises InvalidMessageError: status 400 where the body is no JSON at all, else 422.
    """
    try:
        document = json.loads(
            body.decode(), parse_constant=finite_number, parse_float=finite_number
        )
    except InvalidMessageError:
        raise
    except (ValueError, RecursionError):
        raise _refusal("", "It is not JSON.", "Send one object in UTF-8.", status=400) from None
    members = {"items", "digest"} if queued else {"items"}
    if not isinstance(document, dict) or document.keys() != members:
        names = " and ".join(sorted(members))
        raise _refusal("", f"It is not an object of {names}.", f"Send {names}, nothing else.")
    items, digest = document["items"], document.get("digest", "")
    if not isinstance(items, list) or not 0 < len(items) <= MAX_ITEMS:
        fix = "Send more calls if there are more."
        raise _refusal("/items", f"It is not an array of 1 to {MAX_ITEMS} items.", fix)
    if queued and not (isinstance(digest, str) and is_digest_name(digest)):
        raise _refusal("/digest", "It is not a digest's name.", "Name a digest that is defined.")
    return ItemsRequest(_read_all(items), digest)


def is_digest_name(text: str) -> bool:
    """Whether a digest can have this name (`$` of the pattern would let a line end pass)."""
    return re.fullmatch(NAME.removeprefix("^").removesuffix("$"), text) is not None


def _read_all(values: list[Any]) -> tuple[Item, ...]:
    items: list[Item] = []
    problems: list[FieldProblem] = []
    for index, value in enumerate(values):
        if len(problems) >= MAX_PROBLEMS:
            break
        place = f"/items/{index}"
        if not _is_modest(value):
            fix = "/api/openapi.json describes it."
            problems.append(FieldProblem(place, "It is not an object such as an item is.", fix))
            continue
        try:
            items.append(Item.model_validate_json(json.dumps(value)))
        except ValidationError as error:
            problems += (replace(p, field=place + p.field) for p in list_problems(error))
    pairs = sum(len(item.to) for item in items)
    if pairs > MAX_PAIRS:
        detail = f"The items have {pairs} recipients in all; {MAX_PAIRS} are allowed in a call."
        problems.append(FieldProblem("/items", detail, "Send several calls."))
    if problems:
        raise InvalidMessageError(problems[:MAX_PROBLEMS])
    return tuple(items)


def _is_modest(value: object) -> bool:
    """Whether it has so few members that each fault of it may be looked for."""
    if not isinstance(value, dict) or len(value) > _MOST_MEMBERS:
        return False
    to = value.get("to")
    return not isinstance(to, list) or (
        len(to) <= MAX_RECIPIENTS
        and all(not isinstance(one, dict) or len(one) <= _MOST_MEMBERS for one in to)
    )


def _refusal(field: str, detail: str, fix: str, *, status: int = 422) -> InvalidMessageError:
    return InvalidMessageError([FieldProblem(field, detail, fix)], status=status)
