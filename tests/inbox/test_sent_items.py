"""Copies in Sent Items are counted by their Message-ID, over Graph and over IMAP."""

from collections.abc import AsyncIterator

import pytest

from local.certificates import LocalAuthority
from local.contoso import APP_CLIENT_ID
from shared.accounts import AccessToken
from shared.errors import InboxError
from shared.inbox.imap_source import ImapSource
from shared.inbox.sent_items import SentItems
from tests.inbox.exchange import ALWAYS, ExchangeImap, Mood
from tests.inbox.world import BILLING, GraphWorld, mail
from tests.storage.account import StoppedClock

ID = "<7@example.com>"


async def test_copies_are_counted(graph: GraphWorld) -> None:
    sent = SentItems(graph.source())
    others = ["<o'neill@example.com>", "<8@example.com>"]
    assert await sent.copies(BILLING, [ID, *others]) == dict.fromkeys([ID, *others], 0)
    graph.billing.deliver(mail(7))  # somebody has sent it back: that is no copy
    for content in (mail(7), mail(7), b"Message-ID: <o'neill@example.com>\r\n\r\nWords."):
        graph.billing.deliver(content, folder="sentitems")
    assert await sent.copies(BILLING, [ID, *others]) == {ID: 2, others[0]: 1, others[1]: 0}
    assert graph.server.statuses.keys() == {200}


async def test_a_copy_that_got_another_message_id_is_not_found(graph: GraphWorld) -> None:
    """X-Microsoft-Original-Message-ID has ours then, but no search finds it."""
    kept = b"X-Microsoft-Original-Message-ID: " + ID.encode() + b"\r\n" + mail(9)
    graph.billing.deliver(kept, folder="sentitems")
    assert await SentItems(graph.source()).copies(BILLING, [ID]) == {ID: 0}


async def test_a_mailbox_that_may_not_be_read_is_told(graph: GraphWorld) -> None:
    graph.server.access.assign(BILLING, APP_CLIENT_ID)
    with pytest.raises(InboxError) as raised:
        await SentItems(graph.source()).copies(BILLING, [ID])
    assert "Application Mail.Read" in raised.value.fix


@pytest.fixture
async def exchange(authority: LocalAuthority) -> AsyncIterator[ExchangeImap]:
    server = ExchangeImap(mails=3)
    await server.start(authority.server_context())
    yield server
    await server.stop()


def imap(exchange: ExchangeImap, clock: StoppedClock) -> SentItems:
    async def sign_in(_: str, __: AccessToken | None) -> AccessToken:
        return AccessToken("token", clock())

    source = ImapSource("localhost", exchange.port, sign_in=sign_in, size_limit=1024, writes=False)
    return SentItems(source)


@pytest.mark.parametrize(
    ("listed", "folder"),
    [
        ('(\\HasNoChildren \\Sent) "/" "Gesendete Elemente"', '"Gesendete Elemente"'),
        ('(\\HasNoChildren) "/" "Sent Items"', '"Sent Items"'),
    ],
)
async def test_the_folder_is_known_by_its_attribute_else_by_its_name(
    exchange: ExchangeImap, clock: StoppedClock, listed: str, folder: str
) -> None:
    exchange.moods = [
        Mood("LIST", "OK LIST completed.", untagged=f"LIST {listed}"),
        Mood("SEARCH", "OK SEARCH completed.", untagged="SEARCH 2"),
    ]
    assert await imap(exchange, clock).copies(BILLING, [ID]) == {ID: 1}
    assert f"EXAMINE {folder}" in exchange.commands  # nothing is marked
    assert "SEARCH" in " ".join(exchange.commands)
    assert ID in " ".join(exchange.commands)


async def test_a_server_that_does_not_tell_the_folder_is_explained(
    exchange: ExchangeImap, clock: StoppedClock
) -> None:
    assert b"Sent" not in ALWAYS["LIST"][0]
    with pytest.raises(InboxError) as raised:
        await imap(exchange, clock).copies(BILLING, [ID])
    assert "MAILROOM_RETURNED_MAIL=graph" in raised.value.fix
