"""A whole mail: header, then parts."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.composing.cache import PartsCache
from shared.composing.fields import (
    address_list,
    date_field,
    message_id_field,
    own_field,
    unstructured,
)
from shared.composing.parts import build_parts, part_length, write_part
from shared.errors import ComposeError
from shared.messages.model import Message

OWN_FIELDS_RESERVE = 4096
"""Octets that the Message-ID and Mailroom's own extra fields may take together."""

_SOME_DATE = datetime(2000, 1, 1, tzinfo=UTC)  # all dates are written equally long

_NO_FIELDS: Mapping[str, str] = {}

# Written here from the message's own parts, or never written at all (bcc).
_WRITTEN_FIELDS = frozenset(
    ["date", "from", "to", "cc", "bcc", "reply-to", "subject", "message-id", "mime-version"]
)

# Application mail is made by a program, and RFC 3834 section 5 asks to say so: vacation responders
# then keep silent. Exchange documents a field of its own for that (MS-OXCMAIL 2.1.3.2.20), here
# without its values DR, NDR and All, which would suppress the bounces that Mailroom reads. A caller
# who sets Auto-Submitted himself ("no": a person wrote it) gets neither.
_AUTOMATIC_FIELDS = {
    "Auto-Submitted": "auto-generated",
    "X-Auto-Response-Suppress": "OOF, AutoReply",
}


@dataclass(frozen=True, slots=True)
class ComposedMail:
    """A mail as it goes over the wire, before dot-stuffing.

    content: octets with CRLF line ends, the last line ended; ASCII only, unless a header address
    has a non-ASCII local part (RFC 6532). smtputf8: whether an address, bcc included, has one, so
    that the envelope needs SMTPUTF8 (RFC 6531).
    """

    content: bytes = field(repr=False)
    smtputf8: bool

    @property
    def size(self) -> int:
        """Octets of the content, as SIZE= declares them (RFC 1870)."""
        return len(self.content)


def compose(
    message: Message,
    *,
    message_id: str,
    date: datetime,
    headers: Mapping[str, str] = _NO_FIELDS,
    parts: PartsCache | None = None,
) -> ComposedMail:
    """The message as standards-true MIME; the same arguments give the same octets.

    message_id: with its angle brackets. date: aware. headers: Mailroom's own extra fields, plain
    ASCII, at most OWN_FIELDS_RESERVE octets; they replace the caller's of the same name. parts:
    keeps encoded bodies and files, for messages that share them.
    Raises ComposeError for what cannot be written: line breaks in header text, an address that is
    none, an unrendered template, no body.
    """
    if message.template is not None:
        raise ComposeError("The message still has a template.", fix="Render it before composing.")
    if not (message.text or message.html):
        raise ComposeError("The message has no content.", fix="Give text or html.")
    identity = message_id_field(message_id)
    own = b"".join(own_field(name, value) for name, value in headers.items())
    if len(identity) + len(own) > OWN_FIELDS_RESERVE:
        raise ComposeError(
            f"Mailroom's own header fields take more than {OWN_FIELDS_RESERVE} octets.",
            fix="Shorten them: the size at acceptance is reckoned with that many.",
        )
    out = io.BytesIO()
    out.write(_header(message, date, identity, own, headers))
    write_part(build_parts(message), _boundary_stem(message_id), out, parts)
    addresses = (message.sender, *message.to, *message.cc, *message.bcc, *message.reply_to)
    smtputf8 = not all(address.email.isascii() for address in addresses)
    # getvalue() of a BytesIO hands over its buffer without a copy.
    return ComposedMail(out.getvalue(), smtputf8)


def encoded_size(message: Message) -> int:
    """Octets that compose() makes of the message at most, without encoding its files.

    Header fields and base64 are reckoned exactly, quoted-printable within 5 %, the Message-ID and
    Mailroom's own fields with OWN_FIELDS_RESERVE octets. The bodies of a template that is not
    rendered count for nothing. Raises ComposeError as compose() does.
    """
    return header_size(message) + content_size(message)


def header_size(message: Message) -> int:
    """What of encoded_size() does not depend on the bodies and files."""
    return OWN_FIELDS_RESERVE + len(_header(message, _SOME_DATE, b"", b"", _NO_FIELDS))


def content_size(message: Message) -> int:
    """What of encoded_size() the bodies and files make: the same for all who share them."""
    return part_length(build_parts(message), _boundary_stem(""))


def _header(
    message: Message, date: datetime, identity: bytes, own: bytes, replaced: Mapping[str, str]
) -> bytes:
    lines = [date_field(date), address_list("From", (message.sender,))]
    if message.to:
        lines.append(address_list("To", message.to))
    elif not message.cc:
        lines.append(b"To: undisclosed-recipients:;\r\n")
    if message.cc:
        lines.append(address_list("Cc", message.cc))
    if message.reply_to:
        lines.append(address_list("Reply-To", message.reply_to))
    lines += (unstructured("Subject", message.subject), identity)
    callers = _callers_fields(message, replaced)
    lines += (unstructured(name, value) for name, value in callers.items())
    lines += (own, b"MIME-Version: 1.0\r\n")
    return b"".join(lines)


def _callers_fields(message: Message, replaced: Mapping[str, str]) -> dict[str, str]:
    """The caller's extra fields and the automatic ones, without what Mailroom's own replace."""
    own = {name.lower() for name in replaced}
    callers = {name.lower() for name in message.headers}
    for name in own | callers:
        if name in _WRITTEN_FIELDS or name.startswith(("content-", "resent-")):
            raise ComposeError(
                f"The header field {name} is written by Mailroom alone.",
                fix="Leave it out of the extra header fields.",
            )
    fields = {n: v for n, v in message.headers.items() if n.lower() not in own}
    given = own | callers
    if "auto-submitted" not in given:
        fields |= {n: v for n, v in _AUTOMATIC_FIELDS.items() if n.lower() not in given}
    return fields


def _boundary_stem(message_id: str) -> str:
    return hashlib.sha256(message_id.encode()).hexdigest()[:32]
