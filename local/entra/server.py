"""Entra ID's HTTPS endpoints: discovery, keys, tokens and device codes, with counts for tests."""

import random
import uuid
from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from local.certificates import LocalAuthority
from local.entra.clients import read_basic_credentials
from local.entra.directory import Directory
from local.entra.errors import OUTAGES, EntraError
from local.entra.faults import EntraFaults
from local.entra.grants import TokenGrants
from local.entra.keys import SigningKeys
from local.entra.sessions import REFRESH_LIFE, DeviceLogins, RefreshTokens
from local.entra.signin import SIGN_IN_PATH, sign_in_routes
from local.entra.tokens import DEFAULT_LIFE, TokenIssuer
from local.faults import Fault, fault_routes, suffer
from local.web import Clock, WebServer, utc_now


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One token request, without any secret: `outcome` is "issued", an AADSTS code or a fault."""

    at: datetime
    grant: str
    client_id: str
    scope: str
    outcome: str
    correlation_id: str


class EntraServer(WebServer):
    """One tenant's Entra ID at `https://localhost:PORT/{tenant}`.

    `keys` are `SigningKeys(folder)` where tokens must outlive a restart. `token_life` is
    a fixed life of access tokens or a range. `refresh_grace` is how long a refresh token stays
    good after its first use (zero: refused at once). `device_interval` is in seconds.
    """

    def __init__(
        self,
        authority: LocalAuthority,
        directory: Directory,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        keys: SigningKeys | None = None,
        token_life: timedelta | tuple[timedelta, timedelta] = DEFAULT_LIFE,
        refresh_life: timedelta = REFRESH_LIFE,
        refresh_grace: timedelta = timedelta(minutes=5),
        device_interval: int = 5,
        clock: Clock = utc_now,
        chance: random.Random | None = None,
    ) -> None:
        super().__init__(host=host, port=port, context=authority.server_context("entra"))
        self.directory = directory
        self.keys = keys or SigningKeys()
        self.tokens = TokenIssuer(
            self.keys, directory.tenant_id, life=token_life, clock=clock, chance=chance
        )
        self.grants = TokenGrants(
            directory,
            self.tokens,
            RefreshTokens(self.keys, life=refresh_life, grace=refresh_grace),
            DeviceLogins(interval=device_interval),
        )
        self.faults = EntraFaults(self.tokens.faults)
        self.requests: Counter[str] = Counter()
        self.audit: deque[AuditEntry] = deque(maxlen=10_000)
        self._clock = clock

    @property
    def authority_url(self) -> str:
        """What MSAL takes as `authority` (with `instance_discovery=False`)."""
        return f"{self.url}/{self.directory.tenant_id}"

    @property
    def public_key_pem(self) -> str:
        return self.keys.public_key_pem

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        return self.keys.jwks()

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/common/discovery/instance", self._instance_discovery),
                web.get("/{tenant}/v2.0/.well-known/openid-configuration", self._configuration),
                web.get("/{tenant}/discovery/v2.0/keys", self._publish_keys),
                web.post("/{tenant}/oauth2/v2.0/token", self._token),
                web.post("/{tenant}/oauth2/v2.0/devicecode", self._device_code),
                *sign_in_routes(self.grants),
                *fault_routes(self.faults),
            ]
        )
        return app

    # Discovery

    async def _instance_discovery(self, request: web.Request) -> web.Response:
        tenant = request.query.get("authorization_endpoint", "").removeprefix(self.url)
        name = tenant.strip("/").partition("/")[0] or self.directory.tenant_id
        host = f"localhost:{self.port}"
        return web.json_response(
            {
                "tenant_discovery_endpoint": (
                    f"{self.url}/{name}/v2.0/.well-known/openid-configuration"
                ),
                "api-version": "1.1",
                "metadata": [
                    {"preferred_network": host, "preferred_cache": host, "aliases": [host]}
                ],
            }
        )

    async def _configuration(self, request: web.Request) -> web.Response:
        tenant = request.match_info["tenant"]
        if not self.directory.is_tenant(tenant):
            return self._refuse(EntraError(90002, tenant=tenant), request)
        base = self.authority_url
        return web.json_response(
            {
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post",
                    "private_key_jwt",
                    "client_secret_basic",
                ],
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "response_types_supported": ["code", "id_token"],
                "response_modes_supported": ["query", "fragment", "form_post"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "tenant_region_scope": "EU",
            }
        )

    async def _publish_keys(self, request: web.Request) -> web.Response:
        tenant = request.match_info["tenant"]
        if not (self.directory.is_tenant(tenant) or tenant == "common"):
            return self._refuse(EntraError(90002, tenant=tenant), request)
        return web.json_response(self.jwks())

    # Tokens

    async def _device_code(self, request: web.Request) -> web.Response:
        form = await _read_form(request)
        self.requests["devicecode"] += 1
        try:
            login = self.grants.begin_device_login(
                form, tenant=request.match_info["tenant"], now=self._clock()
            )
        except EntraError as error:
            return self._refuse(error, request)
        page = f"{self.url}{SIGN_IN_PATH}"
        logins = self.grants.device_logins
        return web.json_response(
            {
                "user_code": login.user_code,
                "device_code": login.device_code,
                "verification_uri": page,
                "expires_in": int(logins.life.total_seconds()),
                "interval": logins.interval,
                "message": f"To sign in, use a web browser to open the page {page} and enter the "
                f"code {login.user_code} to authenticate.",
            }
        )

    async def _token(self, request: web.Request) -> web.Response:
        form = await _read_form(request)
        grant = form.get("grant_type", "")
        self.requests[grant] += 1
        fault = self.faults.answers.take()
        if fault is not None:
            self._note(request, form, f"fault:{fault.action}")
            await suffer(fault, request, self.stopping)
            return self._refuse_for(fault, request)
        try:
            form |= read_basic_credentials(request.headers.get("Authorization"))
            tenant = request.match_info["tenant"]
            answer = self.grants.answer(
                form, tenant=tenant, audiences=self._endpoint_names(tenant), now=self._clock()
            )
        except EntraError as error:
            self._note(request, form, f"AADSTS{error.code}")
            return self._refuse(error, request)
        self._note(request, form, "issued")
        return web.json_response(answer, headers={"Cache-Control": "no-store, no-cache"})

    def _endpoint_names(self, tenant: str) -> frozenset[str]:
        bases = {self.authority_url, f"{self.url}/{tenant}"}
        tails = ("/oauth2/v2.0/token", "/oauth2/token", "/v2.0", "", "/")
        return frozenset(base + tail for base in bases for tail in tails)

    def _note(self, request: web.Request, form: dict[str, str], outcome: str) -> None:
        self.audit.append(
            AuditEntry(
                at=self._clock(),
                grant=form.get("grant_type", ""),
                client_id=form.get("client_id", ""),
                scope=form.get("scope", ""),
                outcome=outcome,
                correlation_id=_correlation_id(request),
            )
        )

    def _refuse(self, error: EntraError, request: web.Request) -> web.Response:
        body = error.body(self._clock(), _correlation_id(request))
        return web.json_response(body, status=error.status)

    def _refuse_for(self, fault: Fault, request: web.Request) -> web.Response:
        error = EntraError(OUTAGES.get(fault.status, 50000))
        body = error.body(self._clock(), _correlation_id(request))
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        return web.json_response(body, status=fault.status, headers=headers)


async def _read_form(request: web.Request) -> dict[str, str]:
    return {name: str(value) for name, value in (await request.post()).items()}


def _correlation_id(request: web.Request) -> str:
    return request.headers.get("client-request-id") or str(uuid.uuid4())
