"""A submission server for each test, and the client to talk to it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from local.certificates import LocalAuthority
from local.office365 import Mailbox, Office365Server
from tests.local.office365.client import (
    ALERTS,
    APP,
    BILLING,
    TENANT,
    Clock,
    Dial,
    MakeToken,
    Serve,
    Wire,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def signing_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def make_token(signing_key: rsa.RSAPrivateKey) -> MakeToken:
    """Make an access token of the test's application; None leaves a claim out."""

    def make(*, key: rsa.RSAPrivateKey = signing_key, **claims: Any) -> str:
        all_claims = {
            "aud": "https://outlook.office365.com",
            "tid": TENANT,
            "exp": datetime(2100, 1, 1, tzinfo=UTC),
            "appid": APP,
            "roles": ["SMTP.SendAsApp"],
            **claims,
        }
        present = {name: value for name, value in all_claims.items() if value is not None}
        return jwt.encode(present, key, "RS256")

    return make


@pytest.fixture
async def serve(authority: LocalAuthority, signing_key: rsa.RSAPrivateKey) -> AsyncIterator[Serve]:
    """Start a server; the test ends with nothing of it left."""
    started: list[Office365Server] = []

    async def start(**settings: Any) -> Office365Server:
        settings.setdefault("mailboxes", [Mailbox(BILLING), Mailbox(ALERTS)])
        server = Office365Server(authority, signing_key.public_key(), **settings)
        started.append(server)
        await server.start()
        return server

    yield start
    for server in started:
        await server.stop()


@pytest.fixture
async def office(serve: Serve) -> Office365Server:
    return await serve()


@pytest.fixture
async def dial(authority: LocalAuthority, make_token: MakeToken) -> AsyncIterator[Dial]:
    """Connect to a server; `until` says how far: "connect", "ehlo", "tls" or "login"."""
    wires: list[Wire] = []

    async def connect(
        server: Office365Server, until: str = "login", mailbox: str = BILLING
    ) -> Wire:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", server.smtp_port))
        wires.append(wire)
        if until == "connect":
            return wire
        assert (await wire.reply()).startswith("220 ")
        assert (await wire.ask(b"EHLO client.test")).startswith("250-")
        if until == "ehlo":
            return wire
        await wire.secure(authority.client_context())
        assert (await wire.ask(b"EHLO client.test")).startswith("250-")
        if until == "login":
            assert (await wire.login(make_token(), mailbox)).startswith("235 2.7.0")
        return wire

    yield connect
    for wire in wires:
        await wire.close()
