"""Looking in Sent Items for what may have been sent.

Exchange saves a copy of what is submitted by SMTP AUTH, unless the mailbox has
MessageCopyForSMTPClientSubmissionEnabled $false (Set-Mailbox).
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class CountsSent(Protocol):
    """A mailbox that is open."""

    async def count_sent(self, message_id: str) -> int:
        """How many copies with this Message-ID (with its brackets) are in Sent Items."""
        ...


class SentSource(Protocol):
    """A way to the mailboxes, IMAP or Microsoft Graph."""

    def open(self, mailbox: str) -> AbstractAsyncContextManager[CountsSent]: ...


class SentItems:
    """The Sent Items of the mailboxes that a source can open."""

    def __init__(self, source: SentSource) -> None:
        self._source = source

    async def copies(self, mailbox: str, message_ids: Sequence[str]) -> Mapping[str, int]:
        """How many copies there are, by Message-ID. Raises InboxError or CredentialError."""
        async with self._source.open(mailbox) as opened:
            return {message_id: await opened.count_sent(message_id) for message_id in message_ids}
