"""The values that messages and events are made of: lines, texts, addresses, times."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

# C0 and C1 controls, line and paragraph separators, and the two bidirectional overrides that
# disguise text (Unicode TR 36; the other such controls are ordinary Arabic and Hebrew typing).
_UNSAFE_IN_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202d\u202e]")
_UNSAFE_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_TIME = re.compile(  # RFC 3339, with the blanks and shorter forms that pydantic reads
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?([Zz]|[+-]\d\d(:?\d\d)?)?", re.ASCII
)


def one_line(value: str) -> str:
    if _UNSAFE_IN_LINE.search(value) or _SURROGATE.search(value):
        raise PydanticCustomError(
            "unsafe_line", "It holds a line break, a control character or a bidirectional override."
        )
    return value.strip()


def _text(value: str) -> str:
    if _UNSAFE_IN_TEXT.search(value) or _SURROGATE.search(value):
        raise PydanticCustomError("unsafe_text", "It holds a control character.")
    return value


def _email(value: str) -> str:
    # email-validator costs 90 ms to import: the app's start does without it.
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415

    if len(value) > 320 or _UNSAFE_IN_LINE.search(value):  # noqa: PLR2004 (RFC 3696 errata: 64+1+255)
        raise PydanticCustomError(
            "email", "It is not an e-mail address (too long or holding control characters)."
        )
    try:
        checked = validate_email(
            value,
            check_deliverability=False,
            allow_quoted_local=True,
            test_environment=True,  # the local stack's .test
        )
    except EmailNotValidError as error:
        reason = str(error)
        raise PydanticCustomError(
            "email", "It is not an e-mail address: {reason}", {"reason": reason}
        ) from None
    if len(checked.local_part.encode()) > 64:  # noqa: PLR2004 (RFC 5321 section 4.5.3.1.1)
        raise PydanticCustomError(
            "email", "It is not an e-mail address: more than 64 octets stand before the @-sign."
        )
    # The domain in its A-label form is understood by every server (RFC 5890).
    return f"{checked.local_part}@{checked.ascii_domain.lower()}"


def https_address(value: str) -> str:
    """An https address as a server is asked for it: no user, no port but 443, no fragment."""
    try:
        parts = urlsplit(value)
        usable = (
            value.isascii()
            and value.isprintable()
            and not re.search(r'[\s"<>\\^`{|}]', value)
            and parts.scheme.lower() == "https"
            and bool(parts.hostname)
            and "@" not in parts.netloc
            and parts.port in {None, 443}
            and not parts.fragment
        )
    except ValueError:
        usable = False
    if not usable:
        raise PydanticCustomError(
            "https_address",
            "It is not an https:// address without user, password, fragment and a port of its own.",
        )
    return value


def time_text(value: Any) -> Any:
    # Numbers, and strings of digits, would be read as seconds or milliseconds, by their size.
    if isinstance(value, str) and not _TIME.fullmatch(value):
        raise PydanticCustomError("datetime_parsing", "It is not a date and time (RFC 3339).")
    if not isinstance(value, str | datetime):
        raise PydanticCustomError("datetime_type", "It is not a string with a date and time.")
    return value


def utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("datetime_parsing", "It lies outside of all calendars.") from None


Line = AfterValidator(one_line)
Text = Annotated[str, AfterValidator(_text)]
Email = Annotated[
    str,
    Field(json_schema_extra={"format": "email"}, examples=["ana@example.com"]),
    AfterValidator(_email),
]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, strict=True)


class Address(Model):
    """One mailbox: an address, with its IDN domain as A-labels, and a display name."""

    email: Email
    name: Annotated[str, Field(max_length=200), Line] = ""
