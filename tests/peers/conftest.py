"""Debian's Postfix and Dovecot, started once for the session."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from local.certificates import LocalAuthority
from local.contoso import MAILBOXES
from tests.peers.mail import MailPeers, missing
from tests.peers.remote import RemoteServer
from tests.peers.returning import bouncing_peers

RECIPIENTS = ("ana@contoso.test", "bo@contoso.test")


@pytest.fixture(scope="session")
def running_peers(authority: LocalAuthority) -> Iterator[MailPeers]:
    if reason := missing():
        pytest.skip(reason)
    peers = MailPeers(authority, (*MAILBOXES, *RECIPIENTS))
    yield peers
    peers.stop()


@pytest.fixture
def peers(running_peers: MailPeers) -> Iterator[MailPeers]:
    """The mail system with empty mailboxes: billing@, alerts@, ana@ and bo@contoso.test."""
    running_peers.empty()
    yield running_peers
    print(running_peers.log())  # pytest shows it with a failure only


@pytest.fixture(scope="module")
async def remote() -> AsyncIterator[RemoteServer]:
    """Somebody else's mail server, `remote.test`: it refuses gone@, full@ and blocked@."""
    server = RemoteServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="module")
async def bouncing(authority: LocalAuthority, remote: RemoteServer) -> AsyncIterator[MailPeers]:
    """A mail system that accepts what it cannot deliver, and sends genuine reports of it.

    Mailboxes: billing@ and alerts@contoso.test. It trusts no token yet.
    """
    if reason := missing():
        pytest.skip(reason)
    peers = await asyncio.to_thread(bouncing_peers, authority, MAILBOXES, remote)
    yield peers
    await asyncio.to_thread(peers.stop)
