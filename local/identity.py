"""The managed identity endpoint of App Service and Functions (contract 2019-08-01).

Source: learn.microsoft.com/azure/app-service/overview-managed-identity, "REST endpoint reference".
"""

import hmac
import secrets
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from local.entra import Directory, TokenIssuer
from local.entra.tokens import IDENTITY_LIFE
from local.faults import FaultQueue, fault_routes, suffer
from local.web import WebServer

API_VERSION = "2019-08-01"
TOKEN_PATH = "/msi/token"

_SELECTORS = {
    "client_id": "client_id",
    "principal_id": "principal_id",
    "object_id": "principal_id",
    "mi_res_id": "resource_id",
    "msi_res_id": "resource_id",
}


@dataclass(frozen=True, slots=True)
class ManagedIdentity:
    """One of the host's identities; only a user-assigned one has a resource id."""

    client_id: str
    principal_id: str
    resource_id: str = ""


class ManagedIdentityServer(WebServer):
    """Gives tokens of the host's identities at `http://127.0.0.1:PORT/msi/token`.

    `header` is the value that callers must send as X-IDENTITY-HEADER; by default it is random.
    """

    def __init__(
        self,
        tokens: TokenIssuer,
        directory: Directory,
        *,
        user_assigned: Iterable[ManagedIdentity] = (),
        system_assigned: ManagedIdentity | None = None,
        header: str | None = None,
        life: timedelta = IDENTITY_LIFE,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(host=host, port=port, context=None)
        self.header = header or secrets.token_hex(16)
        self.life = life
        self.system_assigned = system_assigned
        self.user_assigned = tuple(user_assigned)
        self.faults = FaultQueue()
        self.requests: Counter[str] = Counter()
        self._tokens = tokens
        self._directory = directory

    def environment(self) -> dict[str, str]:
        """What App Service sets for a process, so that ManagedIdentityCredential finds us."""
        return {"IDENTITY_ENDPOINT": f"{self.url}{TOKEN_PATH}", "IDENTITY_HEADER": self.header}

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get(TOKEN_PATH, self._token), *fault_routes(self.faults)])
        return app

    async def _token(self, request: web.Request) -> web.Response:
        resource = request.query.get("resource", "")
        self.requests[resource] += 1
        fault = self.faults.take()
        if fault is not None:
            await suffer(fault, request, self.stopping)
            return _refuse(fault.status, "The service is unavailable.", fault.retry_after)
        refusal = self._judge(request)
        if refusal is not None:
            return refusal
        identity = self._find(request.query)
        if identity is None:
            return _refuse(
                400,
                "No User Assigned or Delegated Managed Identity found for specified "
                "ClientId/ResourceId/PrincipalId.",
            )
        token = self._tokens.issue_to_identity(
            identity.client_id, identity.principal_id, resource, self.life
        )
        return web.json_response(
            {
                "access_token": token.value,
                "client_id": identity.client_id,
                "expires_on": str(token.expires_at),
                "resource": resource,
                "token_type": "Bearer",
            }
        )

    def _judge(self, request: web.Request) -> web.Response | None:
        presented = request.headers.get("X-IDENTITY-HEADER", "")
        if not hmac.compare_digest(presented.encode(), self.header.encode()):
            return _refuse(400, "The X-IDENTITY-HEADER is missing or not this process's.")
        if request.query.get("api-version") != API_VERSION:
            return _refuse(400, f"Unsupported api-version: use {API_VERSION}.")
        resource = request.query.get("resource")
        if not resource:
            return _refuse(400, "The parameter 'resource' is missing.")
        if self._directory.resource(resource) is None:
            return _refuse(500, "An unexpected error occured while fetching the AAD Token.")
        return None

    def _find(self, query: Mapping[str, str]) -> ManagedIdentity | None:
        asked = {attribute: query[name] for name, attribute in _SELECTORS.items() if name in query}
        if not asked:
            return self.system_assigned
        for identity in self.user_assigned:
            if all(
                getattr(identity, attribute).lower() == value.lower()
                for attribute, value in asked.items()
            ):
                return identity
        return None


def _refuse(status: int, message: str, retry_after: int | None = None) -> web.Response:
    return web.json_response(
        {"statusCode": status, "message": message, "correlationId": str(uuid.uuid4())},
        status=status,
        headers={} if retry_after is None else {"Retry-After": str(retry_after)},
    )
