"""A mail is found by its Message-ID in the inbox or in junk mail, over Graph and over IMAP."""

from collections.abc import AsyncIterator

import pytest

from local.certificates import LocalAuthority
from local.contoso import APP_CLIENT_ID
from shared.accounts import AccessToken
from shared.errors import InboxError
from shared.inbox.arrivals import Arrivals
from shared.inbox.imap_source import ImapSource
from tests.inbox.exchange import ExchangeImap, Mood
from tests.inbox.world import BILLING, GraphWorld, mail
from tests.storage.account import StoppedClock

ID, OTHER = "<7@example.com>", "<o'neill@example.com>"


async def test_it_is_found_where_it_lies(graph: GraphWorld) -> None:
    arrivals = Arrivals(graph.source())
    graph.billing.deliver(mail(7), folder="sentitems")  # that is no arrival
    graph.billing.deliver(mail(8))
    assert await arrivals.find(BILLING, [ID, OTHER]) is None
    graph.billing.deliver(b"Message-ID: " + OTHER.encode() + b"\r\n\r\nWords.", folder="junkemail")
    found = await arrivals.find(BILLING, [ID, OTHER])
    assert found is not None
    assert (found[0], found[1].content[-6:]) == ("junk", b"Words.")
    graph.billing.deliver(mail(7))
    found = await arrivals.find(BILLING, [ID, OTHER])
    assert found is not None
    assert (found[0], found[1].content, found[1].mailbox) == ("inbox", mail(7), BILLING)
    assert found[1].received_at == graph.clock().replace(microsecond=0)
    assert graph.server.statuses.keys() == {200}
    assert not any(one.is_read for one in graph.billing.mails())


async def test_reading_is_all_that_it_needs_and_it_needs_that(graph: GraphWorld) -> None:
    graph.server.access.assign(BILLING, APP_CLIENT_ID)
    with pytest.raises(InboxError) as raised:
        await Arrivals(graph.source()).find(BILLING, [ID])
    assert "Application Mail.Read" in raised.value.fix


@pytest.fixture
async def exchange(authority: LocalAuthority) -> AsyncIterator[ExchangeImap]:
    server = ExchangeImap(mails=3)
    await server.start(authority.server_context())
    yield server
    await server.stop()


@pytest.mark.parametrize(
    ("listed", "folder"),
    [
        ('(\\HasNoChildren \\Junk) "/" "Junk-E-Mail"', 'EXAMINE "Junk-E-Mail"'),
        ('(\\HasNoChildren) "/" "Junk Email"', 'EXAMINE "Junk Email"'),
        ('(\\HasNoChildren) "/" "Other"', ""),
    ],
)
async def test_imap_looks_into_the_junk_folder_that_the_server_names(
    exchange: ExchangeImap, clock: StoppedClock, listed: str, folder: str
) -> None:
    async def sign_in(_: str, __: AccessToken | None) -> AccessToken:
        return AccessToken("token", clock())

    source = ImapSource("localhost", exchange.port, sign_in=sign_in, size_limit=1024, writes=False)
    exchange.moods = [
        Mood("LIST", "OK LIST completed.", untagged=f"LIST {listed}"),
        Mood("SEARCH", "OK SEARCH completed.", untagged="SEARCH"),
        Mood("SEARCH", "OK SEARCH completed.", untagged="SEARCH"),
    ]
    assert await Arrivals(source).find(BILLING, [ID]) is None
    opened = [line for line in exchange.commands if "EXAMINE" in line or "SELECT" in line]
    assert len(opened) == (2 if folder else 1)
    assert not folder or folder in opened[1]
    assert all("EXAMINE" in line for line in opened)  # nothing is marked
