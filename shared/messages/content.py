"""The content that the messages of a batch share: validated, decoded and stored once."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from shared.messages.model import MAX_ATTACHMENTS, Attachment, Message, TemplateUse, Text


class SharedContent(BaseModel):
    """Those fields of a message that are worth sharing: bodies and files."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    text: Text | None = Field(default=None, repr=False)
    html: Text | None = Field(default=None, repr=False)
    template: TemplateUse | None = None
    attachments: Annotated[
        tuple[Attachment, ...], Field(max_length=MAX_ATTACHMENTS, strict=False)
    ] = ()

    @property
    def given(self) -> frozenset[str]:
        """The fields that it has."""
        return frozenset(name for name in CONTENT_FIELDS if getattr(self, name))


CONTENT_FIELDS = frozenset(SharedContent.model_fields)


def content_json(content: SharedContent) -> bytes:
    """Its canonical JSON, read by `SharedContent.model_validate_json`."""
    return content.model_dump_json(exclude_defaults=True).encode()


def own_json(message: Message, inherited: Collection[str]) -> bytes:
    """The JSON of a message without the fields that it shares, for `assemble`."""
    return message.model_dump_json(
        by_alias=True, exclude_defaults=True, exclude=set(inherited)
    ).encode()


def assemble(
    fields: Mapping[str, Any], content: SharedContent, inherited: Collection[str]
) -> Message:
    """The message with these fields (by their JSON names) and, of the content, those inherited.

    Shared fields are neither checked nor copied again: the messages hold the same strings and
    bytes. Raises pydantic's ValidationError.
    """
    shared = {name: getattr(content, name) for name in inherited}
    # A long body would be searched for control characters in each message: one letter stands in.
    bodies = {name: body for name, body in shared.items() if isinstance(body, str)}
    values = {**fields, **shared, **dict.fromkeys(bodies, "x")}
    message = Message.model_validate(values, by_alias=True, by_name=False)
    return message.model_copy(update=bodies) if bodies else message
