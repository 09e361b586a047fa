"""The tenant's Entra ID, whose tokens are checked, and the app's settings for it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp
import pytest

from local.certificates import LocalAuthority
from local.contoso import API_CLIENT_ID, MAILROOM_API, TENANT_ID, contoso
from local.entra import App, EntraServer, SigningKeys
from shared.api.admission import Admission
from shared.api.answers import Answer, answer
from shared.callers.keys import TenantKeys
from shared.callers.roles import SEND, Role
from shared.callers.tokens import TokenCheck
from shared.settings import Settings, load_settings

SHOP = "aaaaaaaa-0000-0000-0000-000000000001"


@pytest.fixture(scope="session")
def signing_keys() -> SigningKeys:
    return SigningKeys()


@pytest.fixture
async def entra(authority: LocalAuthority, signing_keys: SigningKeys) -> AsyncIterator[EntraServer]:
    directory = contoso()
    directory.add_app(App(SHOP, "Shop", "aaaaaaaa-0000-0000-0000-00000000000f"))
    directory.grant(SHOP, MAILROOM_API, "Mail.Send")
    server = EntraServer(authority, directory, keys=signing_keys)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def settings(entra: EntraServer) -> Settings:
    return load_settings(
        {
            "MAILROOM_SENDERS": '["billing@contoso.test"]',
            "MAILROOM_TENANT_ID": TENANT_ID,
            "MAILROOM_CLIENT_ID": "client",
            "MAILROOM_AUTHORITY": entra.url,
            "MAILROOM_API_AUTH": "entra",
            "MAILROOM_API_CLIENT_ID": API_CLIENT_ID,
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        }
    )


class Seconds:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


class Door:
    """The admission of one app: asked with a token, it gives what the API answers."""

    def __init__(self, settings: Settings, seconds: Seconds) -> None:
        keys = TenantKeys(settings.authority, TENANT_ID, now=seconds)
        self._admission = Admission(TokenCheck(settings, keys))

    async def knock(self, authorization: str | None, role: Role = SEND) -> Answer:
        # A task of its own, as each request has: the caller is remembered in its context.
        return await asyncio.create_task(answer(lambda: self._admission.admit(authorization, role)))


@pytest.fixture
def door(settings: Settings, seconds: Seconds) -> Door:
    return Door(settings, seconds)


@pytest.fixture
async def token(entra: EntraServer) -> str:
    """What Entra ID gives the application Shop, asked as any application asks."""
    secret = entra.directory.add_secret(SHOP)
    form = {
        "grant_type": "client_credentials", "client_id": SHOP, "client_secret": secret.value,
        "scope": f"api://{API_CLIENT_ID}/.default",
    }  # fmt: skip
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{entra.authority_url}/oauth2/v2.0/token", data=form) as response,
    ):
        assert response.status == 200
        return str((await response.json())["access_token"])


type Forge = Callable[..., str]


@pytest.fixture
def forge(entra: EntraServer) -> Forge:
    """A token of the application Shop with these claims changed (None: left out), well signed."""

    def forged(**changes: Any) -> str:
        app = entra.directory.app(SHOP)
        issued = entra.tokens.issue_to_app(
            app, API_CLIENT_ID, ["Mail.Send"], authentication="1", version=2
        )
        claims: Mapping[str, Any] = {**issued.claims, **changes}
        return entra.keys.sign({k: v for k, v in claims.items() if v is not None})

    return forged


def refusal(answer: Answer) -> tuple[int, str]:
    """Status and detail of an answer that is a problem with a fix."""
    document = json.loads(answer.body)
    assert answer.content_type == "application/problem+json"
    assert document["fix"]
    return answer.status, document["detail"]
