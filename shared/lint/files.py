"""Mails in files, as messages to be linted: HTML, a mail as it is sent, or the API's JSON."""

import email
import email.policy
from collections.abc import Iterator
from email.message import EmailMessage, MIMEPart
from email.utils import getaddresses
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared.errors import MailroomError
from shared.messages.model import Address, Attachment, Message
from shared.messages.parsing import parse_message

_SOMEBODY = Address(email="somebody@mailroom.test")
_KEPT_HEADERS = ("In-Reply-To", "References", "Content-Language")


class UnreadableFileError(MailroomError, ValueError):
    """The file holds no mail that can be read."""


def read_file(path: Path, *, category: str | None = None) -> Message:
    """The mail in a `.html`, `.eml` or `.json` file; `category` replaces its own.

    Raises UnreadableFileError, InvalidMessageError for JSON that is no message, and OSError.
    """
    match path.suffix.lower():
        case ".html" | ".htm":
            message = draft(html=_text(path), subject=path.stem)
        case ".eml":
            message = read_mail(path.read_bytes())
        case ".json":
            message = parse_message(path.read_bytes())
            if message.template is not None:
                raise UnreadableFileError(
                    "A template has no text before it is rendered.",
                    fix="Lint the template's preview.",
                )
        case _:
            raise UnreadableFileError(
                f"{path.name} is of no known kind.", fix="Give a .html, .eml or .json file."
            )
    if category is None:
        return message
    return message.model_copy(update={"category": category})


def draft(**content: Any) -> Message:
    """A message of which only the content is known, between stand-ins."""
    return Message.model_construct(**{"sender": _SOMEBODY, "to": (_SOMEBODY,), **content})


def read_mail(content: bytes) -> Message:
    """A mail as it is sent (RFC 5322). What would be no valid message is read as far as it goes."""
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    senders = _addresses(mail, "From")
    return draft(
        sender=senders[0] if senders else _SOMEBODY,
        to=_addresses(mail, "To") or (_SOMEBODY,),
        reply_to=_addresses(mail, "Reply-To"),
        subject=" ".join(str(mail.get("Subject", "")).split()),
        html=_content(html),
        text=_content(text),
        attachments=tuple(_attachments(mail, {html, text})),
        headers={name: str(mail[name]) for name in _KEPT_HEADERS if name in mail},
        category="bulk" if "List-Unsubscribe" in mail else "transactional",
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableFileError(f"{path.name} is not UTF-8.", fix="Save it as UTF-8.") from None


def _addresses(mail: EmailMessage, name: str) -> tuple[Address, ...]:
    found = []
    for _, address in getaddresses([str(value) for value in mail.get_all(name, [])]):
        try:
            found.append(Address(email=address))
        except ValidationError:
            continue
    return tuple(found)


def _content(part: MIMEPart | None) -> str | None:
    if part is None:
        return None
    try:
        return str(part.get_content())
    except (LookupError, ValueError):  # a charset that there is not, a broken encoding
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def _attachments(mail: EmailMessage, bodies: set[MIMEPart | None]) -> Iterator[Attachment]:
    for number, part in enumerate(mail.walk()):
        if part in bodies or part.is_multipart():
            continue
        payload = part.get_payload(decode=True)
        identity = str(part.get("Content-ID", "")).strip().strip("<>")
        yield Attachment.model_construct(
            name=str(part.get_filename() or f"part {number}")[:200],
            content_type=part.get_content_type(),
            content=payload if isinstance(payload, bytes) else b"",
            inline_id=identity or None,
        )
