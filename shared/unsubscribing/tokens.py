"""Tokens of unsubscribe links: who, which topic, by which message.

A token is sealed rather than signed: a signature would leave the address for everybody to read who
sees the link, and a reference to a row would end when the row is deleted, but a link must work in
an old mail. It has no expiry. `1` and the seal in base64url: some 90 characters.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Protocol

from shared.accounts.signing import UNSUBSCRIBE

MAX_TOKEN = 900  # characters
TOKEN = re.compile(rf"1[A-Za-z0-9_-]{{40,{MAX_TOKEN}}}")

_VERSION = "1"
_HEX_ID = re.compile(r"[0-9a-f]{32}")
_BARE_ID = 0  # in the place of an id's length: 16 octets that were 32 hexadecimal digits


class Seals(Protocol):
    """Seals with the newest key (None where none can be had), opens with all that are enabled."""

    async def seal(self, purpose: str, content: bytes) -> bytes | None: ...

    async def unseal(self, purpose: str, sealed: bytes) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Somebody who got a message of a topic."""

    address: str = field(repr=False)
    topic: str
    message_id: str


class Tokens:
    """Makes and reads them."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals

    async def make(self, subscriber: Subscriber) -> str:
        """The token, the same for the same subscriber; "" where no key can be had."""
        sealed = await self._seals.seal(UNSUBSCRIBE, _pack(subscriber))
        return _VERSION + _text(sealed) if sealed else ""

    async def read(self, token: str) -> Subscriber | None:
        """Whom a token names; None for what is forged, cut, or of somebody else.

        Raises CredentialUnavailableError where that cannot be told now.
        """
        if len(token) > MAX_TOKEN or not TOKEN.fullmatch(token):
            return None
        text = token.removeprefix(_VERSION)
        try:
            sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except binascii.Error:
            return None
        if _text(sealed) != text:  # bits that decoding leaves out
            return None
        content = await self._seals.unseal(UNSUBSCRIBE, sealed)
        return _unpack(content) if content else None


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _pack(subscriber: Subscriber) -> bytes:
    message_id, topic = subscriber.message_id, subscriber.topic.encode()
    if _HEX_ID.fullmatch(message_id):
        named = bytes([_BARE_ID]) + bytes.fromhex(message_id)
    else:
        named = bytes([len(message_id.encode())]) + message_id.encode()
    return named + bytes([len(topic)]) + topic + subscriber.address.encode()


def _unpack(content: bytes) -> Subscriber | None:
    """None for what no version of ours has packed: it can only be another use of the key."""
    length = content[0]
    start = 1 + (length or 16)
    name = content[1:start]
    end = start + 1 + (content[start] if len(content) > start else 0)
    try:
        return Subscriber(
            address=content[end:].decode(),
            topic=content[start + 1 : end].decode(),
            message_id=name.decode() if length else name.hex(),
        )
    except UnicodeDecodeError:
        return None
