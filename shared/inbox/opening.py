"""Builds the reader that the settings describe."""

import secrets
from collections.abc import Callable
from datetime import datetime

from shared.accounts import AccessToken, TokenSource
from shared.inbox.arrivals import Arrivals
from shared.inbox.checkpoints import Checkpoints
from shared.inbox.graph_source import GraphSource
from shared.inbox.imap import TIMEOUT as IMAP_TIMEOUT
from shared.inbox.imap_source import ImapSource
from shared.inbox.mail import Intake
from shared.inbox.reader import ParksMail, ReturnedMailReader
from shared.inbox.sent_items import SentItems
from shared.settings import Settings
from shared.storage.connection import StorageConnection
from shared.storage.names import SETTINGS
from shared.storage.tables import Table

# The audience of IMAP is that of SMTP; Graph has its own. A token is for one of them.
_IMAP_SCOPE = "https://outlook.office365.com/.default"


def reading_scope(settings: Settings) -> str:
    """The OAuth2 scope of the token that reads the mailboxes."""
    if settings.returned_scope:
        return settings.returned_scope
    if settings.returned_mail == "imap":
        return _IMAP_SCOPE
    return f"{settings.graph_url}/.default"


def open_source(
    settings: Settings,
    tokens: TokenSource,
    *,
    clock: Callable[[], datetime],
    only_reads: bool = False,
    timeout: float = IMAP_TIMEOUT,
) -> ImapSource | GraphSource:
    """The source that the settings name; MAILROOM_RETURNED_MAIL must not be off.

    only_reads: nothing is marked or moved, whatever the settings say of returned mail. timeout:
    seconds for each answer of IMAP, which a thread waits for: it cannot be cancelled.
    """
    scope = reading_scope(settings)

    async def sign_in(mailbox: str, rejected: AccessToken | None) -> AccessToken:
        return await tokens.token(scope, mailbox=mailbox, rejected=rejected)

    if settings.returned_mail == "imap":
        return ImapSource(
            settings.imap_host,
            settings.imap_port,
            sign_in=sign_in,
            size_limit=settings.returned_size_limit,
            writes=settings.returned_disposal != "leave" and not only_reads,
            timeout=timeout,
        )
    return GraphSource(
        settings.graph_url,
        sign_in=sign_in,
        size_limit=settings.returned_size_limit,
        clock=clock,
    )


def open_sent_items(
    settings: Settings, tokens: TokenSource, *, clock: Callable[[], datetime]
) -> SentItems:
    """The Sent Items, over the way on which returned mail is read."""
    return SentItems(open_source(settings, tokens, clock=clock))


def open_arrivals(
    settings: Settings, tokens: TokenSource, *, clock: Callable[[], datetime]
) -> Arrivals:
    """The mailboxes that delivery tests go to, over the way on which returned mail is read."""
    return Arrivals(open_source(settings, tokens, clock=clock, only_reads=True))


def open_reader(
    settings: Settings,
    tokens: TokenSource,
    storage: StorageConnection,
    *,
    intake: Intake,
    parking: ParksMail,
    clock: Callable[[], datetime],
) -> ReturnedMailReader:
    """The reader with its source and its rows; nothing is connected before its first run.

    parking: keeps what the intake fails at.
    """
    return ReturnedMailReader(
        settings,
        source=open_source(settings, tokens, clock=clock),
        intake=intake,
        checkpoints=Checkpoints(Table(storage, SETTINGS), holder=secrets.token_hex(8), clock=clock),
        parking=parking,
        clock=clock,
    )
