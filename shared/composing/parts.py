"""The MIME structure of a message: its bodies, inline images and attachments as a tree of parts.

    mixed(alternative(text, related(html, images…), calendar), attachments…)

with each level left out where it would hold one part only.
"""

import html as markup
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal
from urllib.parse import unquote

from shared.composing.cache import PartsCache
from shared.composing.fields import check_line, fold
from shared.composing.transfer import (
    BOUNDARY_START,
    TransferEncoding,
    canonical,
    choose_encoding,
    encoded_length,
    write_encoded,
)
from shared.composing.words import ascii_file_name, parameter
from shared.errors import ComposeError
from shared.messages.model import Attachment, Message

if TYPE_CHECKING:
    from shared.calendar import Invitation

_CONTENT_TYPE = re.compile(
    r"(?!multipart/|message/)[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}"
)
_CONTENT_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,200}")
_CID_URL = re.compile(r'cid:([^\s"<>)]+)', re.IGNORECASE)
_DELIMITERS = len("\r\n--\r\n")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One body or file. fields: its Content-* lines, each with CRLF. data: not yet encoded."""

    fields: bytes
    data: bytes
    encoding: TransferEncoding


@dataclass(frozen=True, slots=True)
class Multipart:
    """Several parts under one boundary, which is the subtype's own within a message."""

    subtype: Literal["mixed", "alternative", "related"]
    parts: tuple["Part", ...]


type Part = Leaf | Multipart


def build_parts(message: Message) -> Part:
    """The tree of the message's parts; empty text and HTML count as absent.

    A file with an inline_id that the HTML does not mention is an ordinary attachment: beside the
    HTML it would be in no reader's list of files and on no reader's screen.
    """
    inline: list[Part] = []
    attached: list[Part] = []
    mentioned = _mentioned_ids(message)
    for attachment in message.attachments:
        if attachment.inline_id is not None and _is_mentioned(attachment.inline_id, mentioned):
            inline.append(_file_part(attachment, attachment.inline_id))
        else:
            attached.append(_file_part(attachment, None))
    bodies: list[Part] = []
    if message.text or not message.html:
        bodies.append(_text_part("plain", message.text or ""))
    if message.html:
        bodies.append(_join("related", [_text_part("html", message.html), *inline]))
    if (invitation := _invitation(message)) is not None:
        bodies.append(_calendar_part(invitation))
        attached.append(_calendar_file(invitation))
    return _join("mixed", [_join("alternative", bodies), *attached])


def write_part(part: Part, stem: str, out: BinaryIO, cache: PartsCache | None = None) -> None:
    """Write the part's fields and its content; `stem` makes the boundaries.

    cache: where contents may be found that were encoded before.
    """
    if isinstance(part, Leaf):
        out.write(part.fields)
        out.write(b"\r\n")
        if cache is None:
            write_encoded(part.data, part.encoding, out)
        else:
            out.write(cache.encode(part.data, part.encoding))
        return
    boundary = _boundary(part, stem)
    out.write(_multipart_field(part, boundary))
    delimiter = f"\r\n--{boundary}\r\n".encode()
    for child in part.parts:
        out.write(delimiter)
        write_part(child, stem, out, cache)
    out.write(f"\r\n--{boundary}--\r\n".encode())


def part_length(part: Part, stem: str) -> int:
    """Octets that `write_part` writes at most."""
    if isinstance(part, Leaf):
        return len(part.fields) + len("\r\n") + encoded_length(part.data, part.encoding)
    boundary = _boundary(part, stem)
    return (
        len(_multipart_field(part, boundary))
        + sum(part_length(child, stem) for child in part.parts)
        + (len(part.parts) + 1) * (len(boundary) + _DELIMITERS)
        + len("--")
    )


def _join(subtype: Literal["mixed", "alternative", "related"], parts: list[Part]) -> Part:
    return parts[0] if len(parts) == 1 else Multipart(subtype, tuple(parts))


def _boundary(part: Multipart, stem: str) -> str:
    return f"{BOUNDARY_START}{stem}_{part.subtype}"


def _multipart_field(part: Multipart, boundary: str) -> bytes:
    # RFC 2387 section 3.1: related names the type of its root, which is the first part.
    root = ['type="text/html";'] if part.subtype == "related" else []
    return fold("Content-Type", [f"multipart/{part.subtype};", *root, f'boundary="{boundary}"'])


def _text_part(subtype: Literal["plain", "html"], text: str) -> Leaf:
    try:
        data = canonical(text)
    except UnicodeEncodeError:
        raise ComposeError(
            f"The {subtype} body holds half a surrogate pair.", fix="Send whole characters."
        ) from None
    charset = "us-ascii" if data.isascii() else "utf-8"
    encoding = choose_encoding(data)
    fields = (
        f"Content-Type: text/{subtype}; charset={charset}\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n"
    )
    return Leaf(fields.encode(), data, encoding)


def _invitation(message: Message) -> "Invitation | None":
    if message.event is None:
        return None
    from shared.calendar import write_invitation  # noqa: PLC0415 (most mail is none)

    return write_invitation(message)


def _calendar_part(invitation: "Invitation") -> Leaf:
    """What mail programs with a calendar show in place of the bodies: the best alternative."""
    encoding = choose_encoding(invitation.content)
    content_type = ["text/calendar;", f"method={invitation.method};", "charset=utf-8"]
    fields = fold("Content-Type", content_type)
    return Leaf(fields + _encoding_field(encoding), invitation.content, encoding)


def _calendar_file(invitation: "Invitation") -> Leaf:
    """The same once more as a file, as Google's calendar sends it.

    Programs that know no calendar part can open it. Outlook looks for invitations in the first
    part of multipart/mixed alone (MS-STANOICAL V0343), and lists this one as a file.
    """
    fields = [
        fold("Content-Type", ["application/ics;", *parameter("name", "invite.ics")]),
        _encoding_field("base64"),
        fold("Content-Disposition", ["attachment;", *parameter("filename", "invite.ics")]),
    ]
    return Leaf(b"".join(fields), invitation.content, "base64")


def _encoding_field(encoding: TransferEncoding) -> bytes:
    return f"Content-Transfer-Encoding: {encoding}\r\n".encode()


def _file_part(attachment: Attachment, content_id: str | None) -> Leaf:
    name, media_type = attachment.name, attachment.content_type
    if attachment.content is None or attachment.deliver == "link":
        raise ComposeError(
            "An attachment is still to be fetched, or to be replaced by a link.",
            fix="This Mailroom does not do that here: send its content, as an attachment.",
        )
    check_line("An attachment's name", name)
    if not _CONTENT_TYPE.fullmatch(media_type):
        raise ComposeError(
            "An attachment's content type is not one that can be attached.",
            fix="Give a media type such as application/pdf, without parameters.",
        )
    if content_id is not None and not _CONTENT_ID.fullmatch(content_id):
        raise ComposeError(
            "An attachment's inline_id is not a Content-ID.", fix="Use ASCII without blanks."
        )
    # Exchange reads the name here only where Content-Disposition has none (MS-OXCMAIL
    # 2.2.3.4.1.1). Outlook's own MIME reader (POP, IMAP) does not know RFC 2231: plain ASCII
    # here gives it a name with the right extension.
    fallback = parameter("name", ascii_file_name(name))
    disposition = "attachment" if content_id is None else "inline"
    fields = [
        fold("Content-Type", [f"{media_type};", *fallback]),
        b"Content-Transfer-Encoding: base64\r\n",
        fold("Content-Disposition", [f"{disposition};", *parameter("filename", name)]),
    ]
    if content_id is not None:
        fields.append(fold("Content-ID", [f"<{content_id}>"]))
    return Leaf(b"".join(fields), attachment.content, "base64")


def _mentioned_ids(message: Message) -> frozenset[str]:
    if not message.html or not any(a.inline_id is not None for a in message.attachments):
        return frozenset()
    return frozenset(map(unquote, _CID_URL.findall(markup.unescape(message.html))))


def _is_mentioned(inline_id: str, mentioned: frozenset[str]) -> bool:
    # An apostrophe may be part of an id or the end of a quoted attribute.
    return inline_id in mentioned or any(m.startswith(f"{inline_id}'") for m in mentioned)
