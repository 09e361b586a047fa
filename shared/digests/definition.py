"""What a digest is: from whom, about what, when, how much of it, and what it looks like."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from shared.digests.schedule import LocalTime, Minutes, Schedule
from shared.messages.fields import Address, Line, Model
from shared.messages.model import LanguageTag, TimeZone

NAME = r"^[a-z0-9][a-z0-9._-]{0,62}$"
MOST_SHOWN = 50  # items in one mail

DataField = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]


class Definition(Model):
    """A digest as an application defines it. `sender` is the JSON field `from`."""

    sender: Address = Field(alias="from")
    schedule: Schedule
    title: Annotated[str, Field(max_length=80), Line] = Field(
        default="", description="Heading of the mail, and of items that belong to no group."
    )
    template: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] = "digest"
    category: Literal["bulk", "transactional"] = "bulk"
    topic: Annotated[str, Field(pattern=NAME)] | None = Field(
        default=None, description="What recipients turn off, or get less often; its name, if null."
    )
    at: LocalTime = Field(
        default="08:00",
        description="The hour of recipients who want it daily or weekly, where the schedule has "
        "none.",
    )
    maximum_wait_minutes: Minutes = Field(
        default=31 * 24 * 60, description="No item waits longer, whatever the schedule says."
    )
    cap: Annotated[int, Field(ge=1, le=MOST_SHOWN)] = Field(
        default=20, description="How many items a mail shows; it tells how many there are."
    )
    cap_keeps: Literal["first", "last"] = Field(
        default="last", description="Which items are shown where there are more."
    )
    order: Literal["oldest-first", "newest-first"] = "oldest-first"
    group_by: DataField | None = Field(
        default=None, description="The field of the items' data that tells the group."
    )
    dedupe_by: DataField | None = Field(
        default=None, description="The field of the data that is the key of an item without one."
    )
    on_same_key: Literal["replace", "keep"] = Field(
        default="replace", description="Which item of a window stays, of those with one key."
    )
    retention_days: Annotated[int, Field(ge=1, le=90)] = Field(
        default=31,
        description="How long an item may wait before it is dropped, and its id is remembered.",
    )
    language: LanguageTag | None = Field(
        default=None, description="Of recipients of whom none is known."
    )
    time_zone: TimeZone | None = Field(
        default=None, description="Of recipients of whom none is known."
    )
    own_subject: bool = Field(
        default=True, description="A mail with one item has that item's subject, if it has one."
    )

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if self.group_by is not None and self.group_by == self.dedupe_by:
            raise PydanticCustomError(
                "same_field", "group_by and dedupe_by name one field: each group had one item."
            )
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """A stored definition.

    uid: tells it from an earlier one of this name, which was deleted. ended_at: when it was
    deleted; what was pending is sent all the same.
    """

    name: str
    uid: str
    definition: Definition
    created_at: datetime
    changed_at: datetime
    ended_at: datetime | None = None
    etag: str = ""

    @property
    def topic(self) -> str:
        return self.definition.topic or self.name
