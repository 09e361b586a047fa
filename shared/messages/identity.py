"""The names of a message: its id, its Message-ID, the hash of its content."""

import base64
import hashlib
import json
import re
import secrets
import uuid
from typing import Any

from shared.errors import FieldProblem, InvalidMessageError
from shared.messages.model import Message
from shared.messages.parsing import message_json

_NAMESPACE = uuid.UUID("5f0f9c1e-7a34-5d0e-9a52-0d1c1d3f6b8a")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,99}")
_REFERENCE = re.compile(rb'\{"recorded":"([A-Za-z0-9][A-Za-z0-9._:@+=-]{0,99})"\}')
# Whether there is a tag is told by the last label, which no id can bring with it.
_OWN_MESSAGE_ID = re.compile(
    r"<(?P<local>[^<>@\s]{1,200}?)(?:\.(?P<tag>[a-z2-7]{16})\.t-|\.)mailroom(?P<base32>32)?@[^<>@\s]+>"
)
_MAX_ENVID = 100
_DOT_ATOM = re.compile(r"[A-Za-z0-9_+=-]+(?:\.[A-Za-z0-9_+=-]+)*")


def new_message_id() -> str:
    """A message id that nothing else has; ids sort by the time they were made (RFC 9562)."""
    import time  # noqa: PLC0415 (one caller, and the app's start does without it)

    stamp = int(time.time() * 1000) & ((1 << 48) - 1)
    value = (stamp << 80) | (uuid.uuid4().int & ((1 << 80) - 1))
    value = (value & ~(0xF << 76) & ~(0x3 << 62)) | (0x7 << 76) | (0x2 << 62)
    return uuid.UUID(int=value).hex


def keyed_message_id(caller: str, key: str) -> str:
    """The id of the message that `caller` sent by HTTP with this Idempotency-Key."""
    return uuid.uuid5(_NAMESPACE, f"{caller}\x00{key}").hex


def is_message_id(text: str) -> bool:
    """Whether `text` has the form of a message's id, so that it may be looked up."""
    return _ID.fullmatch(text) is not None


def read_idempotency_key(header: str | None) -> str | None:
    """The Idempotency-Key header's value, bare or as a quoted string, 1 to 200 characters.

    https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
    """
    if header is None:
        return None
    key = header.strip()
    if len(key) > 1 and key.startswith('"') and key.endswith('"'):
        key = key[1:-1]
    if not re.fullmatch(r"[\x21-\x7e]{1,200}", key):
        raise InvalidMessageError(
            [
                FieldProblem(
                    "Idempotency-Key",
                    "The header is empty, too long, or has characters other than visible ASCII.",
                    "Send 1 to 200 visible ASCII characters, such as a UUID.",
                )
            ],
            status=400,
        )
    return key


def new_tag() -> str:
    """What makes a Message-ID one that nobody can guess: 80 random bits."""
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()


def message_id_header(message_id: str, sender: str, *, tag: str = "") -> str:
    """The Message-ID (RFC 5322 section 3.6.4) of a message, with its angle brackets.

    sender: the From address, whose domain it takes. tag: of `new_tag`; the record keeps the whole,
    so that every retry carries the same.
    """
    local, kind = message_id, "mailroom"
    if not _DOT_ATOM.fullmatch(local):
        # A caller's id may hold an @ or a colon: written in base32, it is a dot-atom whatever it
        # was, and can be read back.
        local = base64.b32encode(message_id.encode()).decode().lower().rstrip("=")
        kind = "mailroom32"
    return f"<{local}.{f'{tag}.t-' if tag else ''}{kind}@{sender.rpartition('@')[2]}>"


def read_message_id_header(header: str) -> str | None:
    """The id of the message that has this Message-ID, if it can be one of `message_id_header`'s.

    Anybody can write such a header: compare it with the record's.
    """
    found = _OWN_MESSAGE_ID.fullmatch(header.strip())
    if found is None:
        return None
    local = found["local"]
    if found["base32"]:
        try:
            local = base64.b32decode(local.upper() + "=" * (-len(local) % 8)).decode()
        except ValueError:
            return None
    return local if is_message_id(local) else None


def has_tag(header: str) -> bool:
    """Whether a Message-ID of ours has a tag: who knows it has seen the mail."""
    found = _OWN_MESSAGE_ID.fullmatch(header)
    return found is not None and bool(found["tag"])


def envelope_id(message_id: str, header: str) -> str:
    """For ENVID (RFC 3461 section 4.4): the id with the Message-ID's tag, "" where it is too long.

    header: the Message-ID.
    """
    found = _OWN_MESSAGE_ID.fullmatch(header)
    tag = f".{found['tag']}" if found and found["tag"] else ""
    written = f"{message_id}{tag}"
    # What xtext escapes takes three octets.
    return written if len(written) + 2 * len(re.findall("[+=]", written)) <= _MAX_ENVID else ""


def read_envelope_id(text: str) -> tuple[str, ...]:
    """The ids of the messages that can have this ENVID."""
    ids = (text, text.rpartition(".")[0])
    return tuple(one for one in ids if is_message_id(one))


def queue_reference(message_id: str) -> str:
    """The queue message that stands for a recorded message."""
    return f'{{"recorded":"{message_id}"}}'


def read_queue_reference(body: bytes) -> str | None:
    """The id in a queue message that `queue_reference` made, None if it is something else."""
    found = _REFERENCE.fullmatch(body)
    return found.group(1).decode() if found else None


def content_hash(message: Message) -> str:
    """SHA-256 of the canonical JSON, in hex: tells a repeated message from another one, whatever
    the order of its members."""
    ordered: dict[str, Any] = {
        "headers": dict(sorted(message.headers.items())),
        "tags": dict(sorted(message.tags.items())),
    }
    if message.template is not None:
        data = json.loads(json.dumps(message.template.data, sort_keys=True))
        ordered["template"] = message.template.model_copy(update={"data": data})
    return hashlib.sha256(message_json(message.model_copy(update=ordered))).hexdigest()
