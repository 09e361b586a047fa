"""Kept mail made readable: header fields, text, HTML, parts. Mail is hostile: nothing here may
raise because of what a message holds, and nothing is marked safe that was not escaped.
"""

import base64
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from typing import Any
from urllib.parse import unquote

from .content import read_header
from .mail import KeptMessage

_POLICY = policy.default.clone(raise_on_defect=False)
_CONTENT_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")
_CID = re.compile(r"cid:([^\s\"'()<>]+)", re.IGNORECASE)
_HEAD = re.compile(r"<head(?:\s[^>]*)?>", re.IGNORECASE)
_PARSED_CHARACTERS = 2000
_SHOWN_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """One leaf of a message. `index` counts leaves from 0; `content` is decoded."""

    index: int
    content_type: str
    charset: str | None
    name: str | None
    content_id: str | None
    is_attachment: bool
    content: bytes

    @property
    def text(self) -> str:
        """The content as text; what cannot be decoded is replaced."""
        for charset in (self.charset, "utf-8"):
            with contextlib.suppress(LookupError, ValueError):
                return self.content.decode(charset or "utf-8", "replace")
        return self.content.decode("latin-1")

    def describe(self) -> dict[str, Any]:
        """Return a JSON object without the content."""
        return {
            "index": self.index,
            "content_type": self.content_type,
            "name": self.name,
            "content_id": self.content_id,
            "is_attachment": self.is_attachment,
            "size": len(self.content),
        }


class Reading:
    """One message taken apart."""

    def __init__(self, content: bytes) -> None:
        self.headers = read_fields(content)
        try:
            message = BytesParser(policy=_POLICY).parsebytes(content)
            self.parts = tuple(_leaves(message))
        except (MessageError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self.parts = ()  # the source can be looked at all the same

    @property
    def text(self) -> str | None:
        """The first text/plain part that is no attachment."""
        return self._first("text/plain")

    @property
    def html(self) -> str | None:
        """The first text/html part that is no attachment."""
        return self._first("text/html")

    @property
    def html_with_images(self) -> str | None:
        """The HTML with `cid:` references to the message's own images put in as data URLs."""
        html = self.html
        if html is None:
            return None
        # Links open in a tab of their own: the frame may not leave this server.
        head = _HEAD.search(html)
        start = head.end() if head else 0
        html = f'{html[:start]}<base target="_blank">{html[start:]}'
        images = {
            part.content_id: part
            for part in self.parts
            if part.content_id and part.content_type.startswith("image/")
        }

        def put_in(match: re.Match[str]) -> str:
            part = images.get(unquote(match[1]))
            if part is None:
                return match[0]
            return f"data:{part.content_type};base64,{base64.b64encode(part.content).decode()}"

        return _CID.sub(put_in, html) if images else html

    def _first(self, content_type: str) -> str | None:
        for part in self.parts:
            if part.content_type == content_type and not part.is_attachment:
                return part.text
        return None

    def describe(self) -> dict[str, Any]:
        """Return header fields, texts and parts as a JSON object."""
        text = self.text
        return {
            "headers": [list(field) for field in self.headers],
            "text": text if text is None else text[:_SHOWN_CHARACTERS],
            "html": self.html,
            "parts": [part.describe() for part in self.parts],
        }


def read_fields(content: bytes) -> tuple[tuple[str, str], ...]:
    """Return the header fields in order, decoded and unfolded."""
    message = BytesHeaderParser(policy=policy.compat32).parsebytes(read_header(content))
    return tuple((name, _decoded(name, str(value))) for name, value in message.items())


def summarise(message: KeptMessage) -> dict[str, Any]:
    """Return what the list shows of a message, as a JSON object."""
    wanted = {"subject": "", "from": "", "to": "", "date": ""}
    for name, value in read_fields(message.head):
        if name.lower() in wanted and not wanted[name.lower()]:
            wanted[name.lower()] = value
    return {
        "number": message.number,
        "message_id": message.message_id,
        "mailbox": message.mailbox,
        "sender": message.sender,
        "recipients": list(message.addresses),
        "received_at": message.received_at.isoformat(),
        "size": message.size,
        **wanted,
    }


def describe_envelope(message: KeptMessage) -> dict[str, Any]:
    """Return how the message came, as a JSON object."""
    return {
        "app_id": message.app_id,
        "original_message_id": message.original_message_id,
        "mail_parameters": message.parameters,
        "recipients": [
            {"address": one.address, "parameters": one.parameters} for one in message.recipients
        ],
        "session_id": message.session_id,
        "chunking": message.chunking,
        "pipelining": message.pipelining,
        "tls_version": message.tls_version,
        "cipher": message.cipher,
        "delay": message.delay,
        "longest_line": message.longest_line,
        "has_bare_newlines": message.has_bare_newlines,
    }


def _decoded(name: str, value: str) -> str:
    value = re.sub(r"\r?\n", "", value)
    with contextlib.suppress(MessageError, ValueError, LookupError, TypeError, AttributeError):
        if len(value) < _PARSED_CHARACTERS:
            value = str(_POLICY.header_fetch_parse(name, value))
        else:  # the full parser takes seconds for what hostile mail may hold
            value = str(make_header(decode_header(value)))
    # Octets that are no UTF-8 come as surrogates, which JSON cannot carry.
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _leaves(message: Message) -> Iterator[Part]:
    waiting: list[Message] = [message]
    index = 0
    while waiting:
        part = waiting.pop()
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            children = part.get_payload()
            assert isinstance(children, list)
            waiting.extend(child for child in reversed(children) if isinstance(child, Message))
            continue
        yield _leaf(index, part)
        index += 1


def _leaf(index: int, part: Message) -> Part:
    content_type = part.get_content_type().lower()
    content_id = str(part.get("Content-ID", "")).strip().strip("<>")
    name = part.get_filename()
    if part.is_multipart():  # message/rfc822 and its kin
        inner = part.get_payload(0)
        content = inner.as_bytes() if isinstance(inner, Message) else b""
    else:
        payload = part.get_payload(decode=True)
        content = payload if isinstance(payload, bytes) else b""
    disposition = part.get_content_disposition()
    return Part(
        index=index,
        content_type=content_type
        if _CONTENT_TYPE.fullmatch(content_type)
        else "application/octet-stream",
        charset=part.get_content_charset(),
        name=name,
        content_id=content_id or None,
        is_attachment=disposition == "attachment" or (name is not None and disposition is None),
        content=content,
    )
