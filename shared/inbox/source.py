"""Where returned mail is read: what a source of it can do, IMAP or Microsoft Graph."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from shared.accounts import AccessToken
from shared.inbox.mail import FetchedMail

# A token for a mailbox; the second value is one that was refused just now.
type SignIn = Callable[[str, AccessToken | None], Awaitable[AccessToken]]

# How far a folder is read, as JSON; only the source that made it understands it.
type Position = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One step through a folder.

    position: where to go on once `mail` has been handed over. mail: None where there is nothing
    to hand over, but the position has changed.
    """

    position: Position
    mail: FetchedMail | None = None


class OpenMailbox(Protocol):
    """A mailbox that is being read. Everything raises InboxError or CredentialError."""

    def read(
        self, folder: str, position: Position | None, *, since: datetime
    ) -> AsyncGenerator[Step]:
        """The mail that arrived after `position`, oldest first, without changing anything.

        since: where there is no position, or the mailbox does not know it any more, mail that was
        received before is left out.
        """
        ...

    async def mark_read(self, mail: FetchedMail) -> None: ...

    async def move(self, mail: FetchedMail, folder: str) -> None:
        """Moves the mail to a folder, which is made if it is missing."""
        ...


class MailSource(Protocol):
    """A way to the mailboxes. `kind` tells apart whose positions are whose."""

    @property
    def kind(self) -> str: ...

    def open(self, mailbox: str) -> AbstractAsyncContextManager[OpenMailbox]: ...
