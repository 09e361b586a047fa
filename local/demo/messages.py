"""The messages that the demo sends, and what they look like at their destination."""

import struct
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from local.office365.mail import KeptMessage

FINAL = {"sent", "failed", "unknown", "suppressed", "cancelled"}

Json = dict[str, Any]


@dataclass(slots=True)
class Step:
    """One message of the demo: how it was given, and what is expected of it."""

    title: str
    way: str
    message: Json
    expected: str = "sent"
    id: str = ""
    view: Json = field(default_factory=dict)

    @property
    def status(self) -> str:
        return str(self.view.get("status", "…"))


def message(subject: str, **fields: Any) -> Json:
    return {
        "from": {"email": "billing@contoso.test", "name": "Contoso Bílling"},
        "to": [{"email": "ana@example.com", "name": "Ána Example"}],
        "subject": subject,
        **fields,
    }


def parse(kept: KeptMessage) -> EmailMessage:
    return message_from_bytes(kept.content, policy=policy.default)


def matches(mail: EmailMessage, given: Json) -> bool:
    body = mail.get_body(("plain",))
    text = str(body.get_content()) if body is not None else ""
    same_text = text.replace("\r\n", "\n").strip() == given["text"].strip()
    return same_text and bool(mail["Subject"] == given["subject"])


def seconds(begin: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


def png(size: int = 48) -> bytes:
    """A blue square."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    rows = b"".join(b"\0" + b"\x1f\x6f\xeb" * size for _ in range(size))
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
