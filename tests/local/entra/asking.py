"""Ways to ask Entra: MSAL in a thread (it blocks), and token requests by hand."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import jwt
import msal
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from local.contoso import (
    APP_CLIENT_ID,
    IDENTITY_CLIENT_ID,
    IDENTITY_PRINCIPAL_ID,
    LOGIN_CLIENT_ID,
    MAILBOXES,
    TENANT_ID,
)
from local.entra import (
    TOKEN_EXCHANGE_AUDIENCE,
    EntraServer,
)

EXCHANGE_SCOPE = "https://outlook.office365.com/.default"
SMTP_SEND = "https://outlook.office.com/SMTP.Send"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

type Credential = str | dict[str, Any]


class Watch:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


async def acquire(
    entra: EntraServer, credential: Credential, scope: str = EXCHANGE_SCOPE, **options: Any
) -> dict[str, Any]:
    """One token request by a new MSAL application: in a thread, as MSAL blocks."""

    def run() -> dict[str, Any]:
        with requests.Session() as session:
            client = msal.ConfidentialClientApplication(
                options.get("client_id", APP_CLIENT_ID),
                client_credential=credential,
                authority=options.get("authority", entra.authority_url),
                instance_discovery=False,
                http_client=session,
            )
            return dict(client.acquire_token_for_client(scopes=[scope]))

    return await asyncio.to_thread(run)


async def post(
    entra: EntraServer, tenant: str = TENANT_ID, /, **form: str
) -> tuple[int, dict[str, Any]]:
    """A token request by hand."""
    url = f"{entra.url}/{tenant}/oauth2/v2.0/token"
    async with aiohttp.ClientSession() as session, session.post(url, data=form) as answer:
        return answer.status, await answer.json()


def secret_form(entra: EntraServer, **changes: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": APP_CLIENT_ID,
        "client_secret": entra.directory.add_secret(APP_CLIENT_ID).value,
        "scope": EXCHANGE_SCOPE,
        **changes,
    }


def code_of(answer: tuple[int, dict[str, Any]]) -> tuple[int, int, str]:
    status, body = answer
    assert body["error_description"].startswith(f"AADSTS{body['error_codes'][0]}: ")
    return status, body["error_codes"][0], body["error"]


async def refresh(entra: EntraServer, token: str, **changes: str) -> tuple[int, dict[str, Any]]:
    form = {
        "grant_type": "refresh_token",
        "client_id": LOGIN_CLIENT_ID,
        "refresh_token": token,
        **changes,
    }
    return await post(entra, **form)


class Certificate:
    """An RSA key with a self-signed certificate, as an administrator would upload it."""

    def __init__(self, *, ends: datetime | None = None) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ends = ends or datetime.now(UTC) + timedelta(days=90)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Mailroom")])
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.ends - timedelta(days=100))
            .not_valid_after(self.ends)
            .sign(self.key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    def assert_as(
        self, audience: str, *, header: dict[str, str], algorithm: str = "RS256", **claims: Any
    ) -> str:
        now = datetime.now(UTC).timestamp()
        body = {
            "aud": audience,
            "iss": APP_CLIENT_ID,
            "sub": APP_CLIENT_ID,
            "iat": now,
            "exp": now + 600,
            "jti": str(uuid.uuid4()),
            **claims,
        }
        return jwt.encode(body, self.key, algorithm=algorithm, headers=header)


def identity_assertion(entra: EntraServer, audience: str = TOKEN_EXCHANGE_AUDIENCE) -> str:
    return entra.tokens.issue_to_identity(IDENTITY_CLIENT_ID, IDENTITY_PRINCIPAL_ID, audience).value


def callable_credential(assertion: Callable[[], str]) -> dict[str, Any]:
    return {"client_assertion": assertion}


class Login:
    """A public client of MSAL with its own cache; every call runs in a thread."""

    def __init__(self, entra: EntraServer) -> None:
        self.entra = entra
        self.session = requests.Session()
        self.cache = msal.TokenCache()

    def _client(self) -> Any:
        return msal.PublicClientApplication(
            LOGIN_CLIENT_ID,
            authority=self.entra.authority_url,
            instance_discovery=False,
            token_cache=self.cache,
            http_client=self.session,
        )

    async def begin(self, scope: str = SMTP_SEND) -> dict[str, Any]:
        return await asyncio.to_thread(lambda: self._client().initiate_device_flow(scopes=[scope]))

    async def poll(self, flow: dict[str, Any]) -> dict[str, Any]:
        return await asyncio.to_thread(
            lambda: self._client().acquire_token_by_device_flow(
                flow, exit_condition=lambda _flow: True
            )
        )

    async def silently(self, *, force: bool = True) -> dict[str, Any]:
        def run() -> dict[str, Any]:
            client = self._client()
            (account,) = client.get_accounts()
            answer = client.acquire_token_silent_with_error(
                [SMTP_SEND], account, force_refresh=force
            )
            return dict(answer)

        return await asyncio.to_thread(run)

    async def approve(self, flow: dict[str, Any], user: str = MAILBOXES[0]) -> int:
        url = f"{self.entra.url}/local/devicecode/{flow['user_code']}/approve"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, params={"user": user}) as answer,
        ):
            return answer.status

    async def complete(self) -> dict[str, Any]:
        flow = await self.begin()
        assert await self.approve(flow) == 200
        return await self.poll(flow)
