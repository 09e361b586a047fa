"""Looking for a mail in the mailbox that it was sent to."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from shared.inbox.mail import FetchedMail

type Place = Literal["inbox", "junk"]


class FindsMail(Protocol):
    """A mailbox that is open."""

    async def find(self, message_ids: Sequence[str]) -> tuple[Place, FetchedMail] | None:
        """The first mail with one of these Message-IDs (with their brackets), and whether it is
        in the inbox or in junk mail. Nothing is changed or marked."""
        ...


class ArrivalSource(Protocol):
    """A way to the mailboxes, IMAP or Microsoft Graph."""

    def open(self, mailbox: str) -> AbstractAsyncContextManager[FindsMail]: ...


class Arrivals:
    """The inboxes and junk folders of the mailboxes that a source can open."""

    def __init__(self, source: ArrivalSource) -> None:
        self._source = source

    async def find(
        self, mailbox: str, message_ids: Sequence[str]
    ) -> tuple[Place, FetchedMail] | None:
        """The mail and where it lies; None while it is in neither. Raises InboxError or
        CredentialError."""
        async with self._source.open(mailbox) as opened:
            return await opened.find(message_ids)
