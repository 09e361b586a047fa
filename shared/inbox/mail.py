"""A mail of a sender's mailbox, and what those say who take it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedMail:
    """One mail as it lies in the mailbox.

    key: names it within the mailbox for good (IMAP: folder, UIDVALIDITY and UID; Graph: the
    immutable id). content: its octets (RFC 5322), cut at the reader's limit; `cut` tells so.
    """

    mailbox: str
    folder: str
    key: str
    received_at: datetime
    content: bytes = field(repr=False)
    cut: bool = False


class Intake(Protocol):
    """Who takes fetched mail. Called at least once for each."""

    async def take(self, mail: FetchedMail) -> bool:
        """Does what follows from the mail, durably, before it returns. True: the mail was for
        Mailroom, and may be marked or moved as the settings say; False: it is somebody else's.
        Raises StorageUnavailableError where it is to be handed over again."""
        ...
