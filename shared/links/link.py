"""A secure link: a file that stays with Mailroom, and how long and how often it can be fetched."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from shared.messages.ledger import partition_of

MAX_TRIES = 5
"""Wrong codes after which a link is locked for good."""

LinkState = Literal["active", "expired", "used_up", "locked", "revoked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What is known of a link. `etag` is that of the stored row, "" before it is stored.

    seal: proves the one-time code without telling it; "" where none is asked for. own_file: whether
    the blob is this link's alone. views: page views, counted as far as they are noted.
    """

    id: str
    message_id: str
    number: int  # which attachment of the message
    blob: str
    file_name: str
    media_type: str
    size: int
    created_at: datetime
    expires_at: datetime
    max_downloads: int
    own_file: bool = True
    downloads: int = 0
    seal: str = field(default="", repr=False)
    tries: int = 0
    views: int = 0
    revoked_at: datetime | None = None
    etag: str = field(default="", compare=False)

    def state(self, now: datetime) -> LinkState:
        if self.revoked_at is not None:
            return "revoked"
        if now >= self.expires_at:
            return "expired"
        if self.downloads >= self.max_downloads:
            return "used_up"
        return "locked" if self.seal and self.tries >= MAX_TRIES else "active"


def link_id(message_id: str, number: int) -> str:
    """The id of the link to a message's attachment: the same at each repetition of the message.

    Its first character is the partition that the message's rows are in. The id is no secret: what
    opens the page is its signature.
    """
    digest = hashlib.sha256(f"link\x00{message_id}\x00{number}".encode()).hexdigest()
    return partition_of(message_id) + digest[:23]
