"""Graph's stand-in, and a client that asks it as the documents say."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from local.certificates import LocalAuthority
from local.contoso import APP_CLIENT_ID, APP_OBJECT_ID, MAILBOXES, TENANT_ID
from local.entra import App, SigningKeys, TokenIssuer
from local.graph import GraphServer
from local.mailboxes import TenantMailbox, TenantMailboxes

BILLING = MAILBOXES[0]
MAILROOM = App(APP_CLIENT_ID, "Mailroom", APP_OBJECT_ID)


@dataclass
class Answer:
    status: int
    body: Any
    headers: Any

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])

    @property
    def ids(self) -> list[str]:
        return [value["id"] for value in self.body["value"]]


class Client:
    """Asks in Mailroom's name; `token` may be replaced."""

    def __init__(self, server: GraphServer, keys: SigningKeys) -> None:
        self.server = server
        self.keys = keys
        self.session = aiohttp.ClientSession()
        self.token = self.issue()

    @property
    def mailbox(self) -> TenantMailbox:
        found = self.server.mailboxes.get(BILLING)
        assert found is not None
        return found

    def issue(
        self,
        audience: str = "https://graph.microsoft.com",
        *,
        roles: tuple[str, ...] = (),
        tenant: str = TENANT_ID,
        life: timedelta = timedelta(hours=1),
    ) -> str:
        issuer = TokenIssuer(self.keys, tenant, life=life)
        return issuer.issue_to_app(MAILROOM, audience, roles, authentication="1").value

    async def ask(
        self, method: str, path: str, *, prefer: str = "", json: Any = None, **others: Any
    ) -> Answer:
        """`path` is below the mailbox, or a whole address."""
        url = path
        if not path.startswith("https:"):
            url = f"{self.server.url}/v1.0/users/{BILLING}/{path}"
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if prefer:
            headers["Prefer"] = prefer
        async with self.session.request(
            method, url, headers=headers, json=json, **others
        ) as answer:
            is_json = answer.content_type == "application/json"
            body = await (answer.json() if is_json else answer.read())
            return Answer(answer.status, body, answer.headers)


@pytest.fixture
async def client(authority: LocalAuthority, signing_keys: SigningKeys) -> AsyncIterator[Client]:
    server = GraphServer(
        authority, signing_keys.jwks, TenantMailboxes(MAILBOXES), tenant_id=TENANT_ID
    )
    server.access.assign(BILLING, APP_CLIENT_ID, "Mail.ReadWrite")
    await server.start()
    client = Client(server, signing_keys)
    yield client
    await client.session.close()
    await server.stop()
