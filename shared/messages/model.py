"""The shape of a message, by HTTP or as an `outbound-mail` queue message.

Only what is true of a message by itself is checked here. What depends on the settings (known
senders, size, number of recipients) is checked at acceptance.
"""

import base64
import binascii
import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shared.messages.event import Event
from shared.messages.fields import (
    Address,
    Line,
    Model,
    Text,
    https_address,
    one_line,
    time_text,
    utc,
)
from shared.setting_values import LANGUAGE_TAG, is_time_zone

__all__ = ["Address", "Attachment", "Event", "Message", "TemplateUse", "Text"]

MAX_ADDRESSES = 1000  # Exchange Online's RecipientLimits can be set to 1–1000
MAX_REPLY_TO = 10
MAX_ATTACHMENTS = 100
MAX_HEADERS = 50
MAX_TAGS = 20

_HEADER_NAME = re.compile(r"[!-9;-~]{1,76}")  # RFC 5322 section 3.6.8: ftext
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")
_CONTENT_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,200}")

# Mailroom writes these itself, or they are written on the way: a caller's copy would contradict
# them (RFC 5322 section 3.6, RFC 2045, RFC 2369, RFC 8058, Exchange's own headers).
_RESERVED_HEADERS = frozenset(
    [
        "from",
        "sender",
        "to",
        "cc",
        "bcc",
        "reply-to",
        "subject",
        "date",
        "message-id",
        "return-path",
        "received",
        "dkim-signature",
        "authentication-results",
        "arc-seal",
        "arc-message-signature",
        "arc-authentication-results",
        "mime-version",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "list-id",
        "delivered-to",
        "disposition-notification-to",
        "return-receipt-to",
        "apparently-to",
        "envelope-to",
    ]
)
_RESERVED_PREFIXES = (
    "content-", "resent-", "x-ms-", "x-microsoft-", "x-mailroom-", "x-forefront-",
)  # fmt: skip


def _file_name(value: str) -> str:
    value = one_line(value)
    if not value or value in {".", ".."} or re.search(r'[/\\:*?"<>|]', value):
        raise PydanticCustomError(
            "file_name", 'It is not a plain file name (no path, none of \\ / : * ? " < > |).'
        )
    return value


def _header_name(value: str) -> str:
    if not _HEADER_NAME.fullmatch(value):
        raise PydanticCustomError("header_name", "It is not a header field name (RFC 5322).")
    if value.lower() in _RESERVED_HEADERS or value.lower().startswith(_RESERVED_PREFIXES):
        raise PydanticCustomError("reserved_header", "This header field is Mailroom's to write.")
    return value


def _content_type(value: str) -> str:
    if not _CONTENT_TYPE.fullmatch(value) or value.lower().startswith(("multipart/", "message/")):
        raise PydanticCustomError(
            "content_type", "It is not a media type such as application/pdf (no parameters)."
        )
    return value.lower()


def _content_id(value: str) -> str:
    value = value.removeprefix("cid:").strip("<>")
    if not _CONTENT_ID.fullmatch(value):
        raise PydanticCustomError("inline_id", "It is not a Content-ID (ASCII, no blanks).")
    return value


def _base64(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("base64", "It is not a base64 string.")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise PydanticCustomError("base64", "It is not valid base64 (RFC 4648).") from None


def _language(value: str) -> str:
    if not LANGUAGE_TAG.fullmatch(value):
        raise PydanticCustomError("language", "It is not a language tag such as en or de-AT.")
    return value


def _time_zone(value: str) -> str:
    if not is_time_zone(value):
        raise PydanticCustomError("time_zone", "It is not an IANA time zone such as Europe/Vienna.")
    return value


LanguageTag = Annotated[str, Field(max_length=35, examples=["de-AT"]), AfterValidator(_language)]
TimeZone = Annotated[
    str, Field(max_length=60, examples=["Europe/Vienna"]), AfterValidator(_time_zone)
]
Tag = Annotated[str, Field(max_length=200), Line]
Base64 = Annotated[
    bytes,
    BeforeValidator(_base64),
    PlainSerializer(lambda value: base64.b64encode(value).decode("ascii"), when_used="json"),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]


OCTET_STREAM = "application/octet-stream"
"""The media type of what has no other: a declaration that says nothing."""


class Attachment(Model):
    """A file that goes along; with `inline_id` the HTML shows it as `cid:<inline_id>`.

    Either its content, or the address that Mailroom fetches it from at acceptance. With `deliver`
    = `link` the file stays with Mailroom, and the mail carries a link to it: for `expires_in_days`
    and `max_downloads` (the settings' defaults otherwise), with a `code` in a mail of its own.
    """

    name: Annotated[
        str,
        Field(max_length=200, description="With `url` it may be left to the response."),
        AfterValidator(_file_name),
    ] = ""
    content_type: Annotated[str, AfterValidator(_content_type)] = OCTET_STREAM
    content: Base64 | None = Field(default=None, repr=False)
    url: Annotated[str, Field(max_length=4000), AfterValidator(https_address)] | None = Field(
        default=None,
        repr=False,
        description="https; its host must be one of MAILROOM_ATTACHMENT_HOSTS.",
    )
    inline_id: Annotated[str, AfterValidator(_content_id)] | None = None
    deliver: Literal["attachment", "link"] = "attachment"
    expires_in_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    max_downloads: Annotated[int, Field(ge=1, le=10_000)] | None = None
    code: bool = False

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if (self.content is None) == (self.url is None):
            raise PydanticCustomError("one_source", "It has neither content nor url, or both.")
        if self.url is None and not self.name:
            raise PydanticCustomError("no_name", "It has no name.")
        if self.deliver == "link" and self.inline_id is not None:
            raise PydanticCustomError("linked_image", "An inline image cannot be a link.")
        if self.deliver != "link" and (
            self.expires_in_days is not None or self.max_downloads is not None or self.code
        ):
            raise PydanticCustomError(
                "no_link", "It has options of a link, but is not delivered as one."
            )
        return self


class TemplateUse(Model):
    """The template that makes subject and bodies, and the data it is filled with."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    data: dict[str, Any] = Field(default_factory=dict, repr=False)
    language: LanguageTag | None = Field(
        default=None, description="The recipient's language (BCP 47), for texts and formats."
    )
    time_zone: TimeZone | None = Field(
        default=None, description="The recipient's time zone (IANA), for dates and times."
    )


Addresses = Annotated[tuple[Address, ...], Field(max_length=MAX_ADDRESSES, strict=False)]


class Message(Model):
    """A message as a caller gives it. `sender` is the JSON field `from`."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,99}$")] | None = Field(
        default=None,
        description="Caller's idempotency key, for queue messages; HTTP has a header.",
    )
    sender: Address = Field(alias="from")
    to: Addresses = ()
    cc: Addresses = ()
    bcc: Addresses = ()
    reply_to: Annotated[tuple[Address, ...], Field(max_length=MAX_REPLY_TO, strict=False)] = ()
    subject: Annotated[str, Field(max_length=500), Line] = ""
    text: Text | None = Field(default=None, repr=False)
    html: Text | None = Field(default=None, repr=False)
    template: TemplateUse | None = None
    attachments: Annotated[
        tuple[Attachment, ...], Field(max_length=MAX_ATTACHMENTS, strict=False)
    ] = ()
    event: Event | None = None
    headers: Annotated[
        dict[
            Annotated[str, AfterValidator(_header_name)],
            Annotated[str, Field(max_length=2000), Line],
        ],
        Field(max_length=MAX_HEADERS),
    ] = Field(default_factory=dict)
    category: Literal["transactional", "bulk"] = "transactional"
    topic: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")] | None = None
    unsubscribe: bool = Field(
        default=False,
        description="Whether a transactional message can be unsubscribed from, as bulk mail always "
        "can: it needs a topic, and has one recipient.",
    )
    priority: Literal["high", "normal", "low"] = "normal"
    send_at: (
        Annotated[
            AwareDatetime, Field(strict=False), BeforeValidator(time_text), AfterValidator(utc)
        ]
        | None
    ) = None
    tags: Annotated[dict[Tag, Tag], Field(max_length=MAX_TAGS)] = Field(default_factory=dict)

    @property
    def listed(self) -> bool:
        """Whether it can be unsubscribed from, and is not sent to those who have."""
        return self.category == "bulk" or self.unsubscribe

    @property
    def recipients(self) -> tuple[Address, ...]:
        """Everyone the envelope names, in order, each address once."""
        seen: dict[str, Address] = {}
        for address in (*self.to, *self.cc, *self.bcc):
            seen.setdefault(address.email.lower(), address)
        return tuple(seen.values())

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if not self.recipients:
            raise PydanticCustomError("no_recipient", "It has no recipient.")
        if self.template is None and not (self.text or self.html):
            raise PydanticCustomError("no_content", "It has no content.")
        if self.template is not None and (self.text is not None or self.html is not None):
            raise PydanticCustomError("two_contents", "It has a template and a body of its own.")
        if self.template is None and not self.subject:
            raise PydanticCustomError("no_subject", "It has no subject.")
        if self.listed:
            self._check_listed("bulk" if self.category == "bulk" else "unsubscribe")
        inline = [a.inline_id for a in self.attachments if a.inline_id]
        if len(inline) != len(set(inline)):
            raise PydanticCustomError("inline_ids", "Two attachments have the same inline_id.")
        if len({name.lower() for name in self.headers}) != len(self.headers):
            raise PydanticCustomError("header_twice", "A header field is given twice.")
        return self

    def _check_listed(self, why: str) -> None:
        what = "bulk message" if why == "bulk" else "message that can be unsubscribed from"
        if self.topic is None:
            raise PydanticCustomError(f"{why}_topic", f"A {what} needs a topic.")
        if len(self.recipients) != 1:
            raise PydanticCustomError(
                f"{why}_recipients",
                f"A {what} has just one recipient.",
            )

    def send_time(self, now: datetime) -> datetime:
        """When it may go out at the earliest."""
        return max(self.send_at, now) if self.send_at else now
