"""How composed mail is read back: by both of the standard library's readers."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email import policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.message import Message as OldMessage
from email.parser import BytesParser
from email.utils import collapse_rfc2231_value, getaddresses
from typing import Any, cast

from shared.composing import ComposedMail, compose
from shared.messages.model import Message

MESSAGE_ID = "<7d1f0c2e@contoso.test>"
DATE = datetime(2026, 11, 23, 6, 31, 5, tzinfo=UTC)

_FOLD = re.compile(r"\r\n(?=[ \t])")


class Mail:
    """A composed mail and its two readings."""

    def __init__(self, composed: ComposedMail) -> None:
        self.composed = composed
        self.content = composed.content
        self.new: EmailMessage = BytesParser(policy=policy.default).parsebytes(self.content)
        self.old: OldMessage = BytesParser(policy=policy.compat32).parsebytes(self.content)

    @property
    def header(self) -> bytes:
        return self.content.partition(b"\r\n\r\n")[0]

    def raw(self, name: str) -> str:
        return _FOLD.sub("", str(self.old[name]))

    def text(self, name: str) -> str:
        """An unstructured field as the old reader decodes it."""
        return decode(self.raw(name))

    def addresses(self, name: str) -> list[tuple[str, str]]:
        """An address field as the old reader decodes it: (display name, address)."""
        raw = dict(header_fields(self.content))[name] if self.composed.smtputf8 else self.raw(name)
        return [(decode(shown), email) for shown, email in getaddresses([raw])]

    def leaves(self) -> list[EmailMessage]:
        return [part for part in self.new.walk() if not part.is_multipart()]

    def old_file_names(self) -> list[str]:
        names = []
        for part in self.old.walk():
            found = part.get_param("filename", None, "content-disposition")
            if found is not None:
                names.append(collapse_rfc2231_value(found))
        return names


def decode(raw: str) -> str:
    return str(make_header(decode_header(raw)))


def header_fields(content: bytes) -> list[tuple[str, str]]:
    """The unfolded fields of the header, read without the standard library's parser."""
    header = _FOLD.sub("", content.partition(b"\r\n\r\n")[0].decode())
    fields = [line.partition(":") for line in header.split("\r\n")]
    return [(name, value.strip()) for name, _, value in fields]


def tree(part: OldMessage) -> Any:
    """The structure as nested lists of media types."""
    if part.is_multipart():
        children = cast("list[OldMessage]", part.get_payload())
        return [part.get_content_subtype(), *map(tree, children)]
    return part.get_content_type()


def check_wire(mail: ComposedMail) -> None:
    """What holds for every mail: line ends, lengths, octets."""
    content = mail.content
    assert content.endswith(b"\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", content)
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert mail.size == len(content)
    body = content.partition(b"\r\n\r\n")[2]
    assert body.isascii()
    if not mail.smtputf8:
        assert content.isascii()
    for line in content.partition(b"\r\n\r\n")[0].decode().split("\r\n"):
        assert line.strip()
        words = re.sub(r'"(?:[^"\\]|\\.)*"', "quoted", line).split()
        alone = 1 if line.startswith(" ") else 2
        if len(words) > alone:
            assert len(line) <= 76, line
        for word in re.findall(r"=\?utf-8\?[qb]\?[^ ?]*\?=", line):
            assert len(word) <= 75


def make(**changes: Any) -> Message:
    """A valid message; `changes` by JSON name."""
    fields: dict[str, Any] = {
        "from": {"email": "billing@example.com", "name": "Contoso Billing"},
        "to": [{"email": "ana@example.com", "name": "Ana"}],
        "subject": "Your invoice 1042",
        "text": "Hello\n",
    }
    return Message.model_validate(fields | changes)


def send(message: Message, headers: Mapping[str, str] | None = None) -> Mail:
    """Composes, checks the wire form, reads back."""
    composed = compose(message, message_id=MESSAGE_ID, date=DATE, headers=headers or {})
    check_wire(composed)
    return Mail(composed)
