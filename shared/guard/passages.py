"""What of a message is searched: its parts as texts, each with the place that names it."""

import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Literal

from shared.guard.markup import SEPARATOR, read_html
from shared.guard.reading import Reading, fold, lowered
from shared.messages.model import Attachment, Message

MAX_PART = 1024 * 1024  # characters, or octets of a file, of one part that are searched
MAX_WHOLE = 4 * MAX_PART  # …and of all files together

# What a passage's source is: those of the first three can be redacted.
Source = Literal["subject", "text", "html", "file", "name", "fields"]

_BINARY_TYPES = ("image/", "audio/", "video/", "font/", "application/pdf", "application/zip")
_BINARY_STARTS = (
    b"%PDF", b"PK\x03\x04", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x1f\x8b", b"MZ", b"Rar!",
    b"7z\xbc\xaf", b"\xd0\xcf\x11\xe0", b"RIFF", b"OggS", b"ID3",
)  # fmt: skip
_TEXT_CONTROLS = frozenset(b"\t\n\r\f\x1b\0")
_DELIMITERS = "\t;,|"
_MAX_LABEL = 40  # characters of a CSV column's name
_MAX_COLUMNS = 200
_PLACES = {"comments": "comment or script", "attributes": "attribute", "links": "link"}


@dataclass(frozen=True, eq=False)
class Passage:
    """A text to be searched. where: a place that a person finds again; never a value."""

    where: str
    source: Source
    reading: Reading = field(repr=False)
    links: bool = False  # whether it is made of link targets

    @cached_property
    def text(self) -> str:
        return self.reading.text

    @cached_property
    def lower(self) -> str:
        """The text in lower case, each character at its place."""
        return lowered(self.reading.text)


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of which the end was not searched."""

    where: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a message, yet to be read. key: the same for the same content at the same place."""

    key: Hashable = field(repr=False)
    read: Callable[[], Iterator[Passage | Unread]]


def parts_of(message: Message) -> Iterator[Part]:
    """All that leaves with the message and can be read. Binary files are left alone."""
    yield Part(("subject", message.subject), lambda: _plain("/subject", "subject", message.subject))
    if text := message.text:
        yield Part(("text", text), lambda: _plain("/text", "text", text))
    if html := message.html:
        yield Part(("html", html), lambda: read_markup("/html", "html", html))
    fields = [f"{name}: {value}" for name, value in message.headers.items()]
    fields += [f"{name}: {value}" for name, value in message.tags.items()]
    fields += [a.name for a in (message.sender, *message.recipients, *message.reply_to) if a.name]
    joined = SEPARATOR.join(fields)
    yield Part(("fields", joined), lambda: _plain("/headers, /tags or names", "fields", joined))
    left = MAX_WHOLE
    for number, attachment in enumerate(message.attachments):
        limit = min(left, MAX_PART)
        left -= min(limit, len(attachment.content or b""))
        yield Part(
            (
                number,
                limit,
                attachment.name,
                attachment.deliver,
                attachment.content_type,
                attachment.content,
            ),
            partial(_read_file, f"/attachments/{number}", attachment, limit),
        )


def _plain(where: str, source: Source, text: str) -> Iterator[Passage | Unread]:
    if len(text) > MAX_PART:
        yield Unread(where)
    yield Passage(where, source, fold(Reading(text[:MAX_PART])))


def read_markup(where: str, source: Source, html: str) -> Iterator[Passage | Unread]:
    """An HTML text's layers: what is seen, and what is not."""
    if len(html) > MAX_PART:
        yield Unread(where)
    for layer, reading in read_html(html[:MAX_PART]).items():
        if reading.text:
            place = f"{where}, {_PLACES[layer]}" if layer in _PLACES else where
            yield Passage(place, source, fold(reading), links=layer == "links")


def _read_file(where: str, attachment: Attachment, limit: int) -> Iterator[Passage | Unread]:
    yield Passage(f"{where}/name", "name", fold(Reading(re.sub(r"[_.]", " ", attachment.name))))
    # What is sent by secure link is not in the mail: that is what the link is for.
    text = None if attachment.deliver == "link" else _decoded(attachment, limit)
    if text is None:
        return
    if len(attachment.content or b"") > limit:
        yield Unread(where)
    kind = attachment.content_type
    name = attachment.name.lower()
    if kind in {"text/html", "application/xhtml+xml"} or name.endswith((".html", ".htm")):
        yield from read_markup(where, "file", text)
        return
    if kind == "text/csv" or name.endswith((".csv", ".tsv")):
        text = _labelled(text)
    yield Passage(where, "file", fold(Reading(text)))


def _decoded(attachment: Attachment, limit: int) -> str | None:
    """The file's text, as far as it is searched; None for a binary one."""
    content = (attachment.content or b"")[:limit]
    textual = attachment.content_type.startswith("text/")
    if not content or content.startswith(_BINARY_STARTS):
        return None
    if attachment.content_type.startswith(_BINARY_TYPES) and not textual:
        return None
    encoding = _encoding(content)
    if encoding.startswith("utf-16"):
        content = content[: len(content) // 2 * 2]
    return content.decode(encoding, errors="replace") if encoding else None


def _encoding(content: bytes) -> str:
    """The encoding of a text, as its octets show it; "" for what is no text."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    head = content[:4096]
    if zeros := head.count(0):
        if zeros * 3 < len(head):
            return ""
        return "utf-16-be" if head[::2].count(0) > zeros // 2 else "utf-16-le"
    controls = sum(octet < 32 and octet not in _TEXT_CONTROLS for octet in head)  # noqa: PLR2004
    if controls * 20 > len(head):
        return ""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        if error.start < len(content) - 4:  # else it is cut within a character
            return "cp1252"
    return "utf-8-sig"


def _labelled(text: str) -> str:
    """A table's text with each value's column before it: what a number is stands at the top."""
    head, _, rest = text.partition("\n")
    delimiter = max(_DELIMITERS, key=head.count)
    if delimiter not in head:
        return text
    labels = [label.strip(" \"'\r")[:_MAX_LABEL] for label in head.split(delimiter)]
    if len(labels) > _MAX_COLUMNS or any(label.isdigit() for label in labels):
        return text
    lines = [head]
    for line in rest.splitlines():
        values = line.split(delimiter)
        lines.append(
            SEPARATOR.join(
                f"{labels[i] if i < len(labels) else ''}: {value.strip(' "')}"
                for i, value in enumerate(values)
            )
        )
    return "\n".join(lines)
