"""Key Vault's REST API of secrets (api-version 7.x and later) over HTTPS.

Source: learn.microsoft.com/rest/api/keyvault/secrets.
"""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from local.certificates import LocalAuthority
from local.entra import EntraServer
from local.faults import Fault, FaultQueue, fault_routes, suffer
from local.keyvault.access import VaultAccess, VaultRole
from local.keyvault.errors import VaultError, bad_parameter
from local.keyvault.store import SecretVersion, VaultStore
from local.web import Clock, WebServer, utc_now

MAX_PAGE = 25
_API_VERSION = re.compile(r"7\.\d+(-preview\.\d+)?|20\d\d-\d\d-\d\d(-preview)?")

type Answer = Callable[[web.Request], Awaitable[web.Response]]


class KeyVaultServer(WebServer):
    """A vault at `https://localhost:PORT` that takes the tokens of one Entra tenant.

    `assignments` maps principal (object) ids to roles. `folder` keeps the secrets (mode 0600)
    over restarts. `store` is the way in for whoever runs the vault: no token is needed there.
    `requests` counts the operations of callers with a good token (get, set, update, list,
    versions), the refusals of all others ("challenge") and the faults met ("fault").
    """

    def __init__(
        self,
        authority: LocalAuthority,
        entra: EntraServer,
        assignments: Mapping[str, VaultRole],
        *,
        folder: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock = utc_now,
    ) -> None:
        super().__init__(host=host, port=port, context=authority.server_context("keyvault"))
        self.store = VaultStore(folder, clock=clock)
        self.access = VaultAccess(entra.tokens, assignments, clock)
        self.faults = FaultQueue()
        self.requests: Counter[str] = Counter()
        self._entra = entra

    def application(self) -> web.Application:
        app = web.Application(client_max_size=256 * 1024)
        item, list_all = "/secrets/{name}", "/secrets"
        app.add_routes(
            [
                web.get(list_all, self._guard("list", "readMetadata", self._list)),
                web.get(f"{item}/versions", self._guard("versions", "readMetadata", self._history)),
                web.put(item, self._guard("set", "setSecret", self._set)),
                *fault_routes(self.faults),
            ]
        )
        # The SDK asks for the newest version with an empty version segment.
        for path in (item, f"{item}/", f"{item}/{{version}}"):
            app.router.add_get(path, self._guard("get", "getSecret", self._get))
            app.router.add_patch(path, self._guard("update", "update", self._update))
        return app

    def _guard(self, operation: str, action: str, answer: Answer) -> Answer:
        async def guarded(request: web.Request) -> web.Response:
            fault = self.faults.take()
            if fault is not None:
                self.requests["fault"] += 1
                await suffer(fault, request, self.stopping)
                return _refuse_for(fault)
            try:
                self.access.check(
                    request.headers.get("Authorization"),
                    action=action,
                    resource=request.path.rstrip("/"),
                    authority_url=self._entra.authority_url,
                )
                _check_api_version(request.query.get("api-version"))
                response = await answer(request)
            except VaultError as error:
                self.requests["challenge" if error.challenge else operation] += 1
                return _refuse(error)
            self.requests[operation] += 1
            return response

        return guarded

    async def _get(self, request: web.Request) -> web.Response:
        found = self.store.get(request.match_info["name"], request.match_info.get("version", ""))
        return web.json_response(self._bundle(found))

    async def _set(self, request: web.Request) -> web.Response:
        body = await _read_object(request)
        value = body.get("value")
        if not isinstance(value, str):
            raise bad_parameter("The request body must have the property 'value', a string.")
        new = self.store.set(request.match_info["name"], value, **_read_properties(body))
        return web.json_response(self._bundle(new))

    async def _update(self, request: web.Request) -> web.Response:
        changes = _read_properties(await _read_object(request))
        new = self.store.update(
            request.match_info["name"], request.match_info.get("version", ""), **changes
        )
        return web.json_response({k: v for k, v in self._bundle(new).items() if k != "value"})

    async def _list(self, request: web.Request) -> web.Response:
        items = [self._item(secret, versioned=False) for secret in self.store.latest()]
        return web.json_response(self._page(request, items))

    async def _history(self, request: web.Request) -> web.Response:
        versions = self.store.versions(request.match_info["name"])
        items = [self._item(version, versioned=True) for version in versions]
        return web.json_response(self._page(request, items))

    def _bundle(self, secret: SecretVersion) -> dict[str, Any]:
        return {"value": secret.value, **self._item(secret, versioned=True)}

    def _item(self, secret: SecretVersion, *, versioned: bool) -> dict[str, Any]:
        attributes = {
            "enabled": secret.enabled,
            "nbf": secret.not_before,
            "exp": secret.expires_on,
            "created": secret.created,
            "updated": secret.updated,
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": 90,
        }
        item: dict[str, Any] = {
            "id": f"{self.url}/secrets/{secret.name}" + (f"/{secret.version}" * versioned),
            "attributes": {name: v for name, v in attributes.items() if v is not None},
        }
        if secret.content_type is not None:
            item["contentType"] = secret.content_type
        if secret.tags:
            item["tags"] = dict(secret.tags)
        return item

    def _page(self, request: web.Request, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        size = _read_count(request.query.get("maxresults", str(MAX_PAGE)), "maxresults")
        if not 1 <= size <= MAX_PAGE:
            raise bad_parameter(f"maxresults must be from 1 to {MAX_PAGE}.")
        start = _read_count(request.query.get("$skiptoken", "0"), "$skiptoken")
        end = start + size
        link = None
        if end < len(items):
            query = {
                "api-version": request.query["api-version"],
                "$skiptoken": str(end),
                "maxresults": str(size),
            }
            link = f"{self.url}{request.path}?" + "&".join(f"{k}={v}" for k, v in query.items())
        return {"value": list(items[start:end]), "nextLink": link}


def _refuse(error: VaultError) -> web.Response:
    headers = {"WWW-Authenticate": error.challenge} if error.challenge else {}
    return web.json_response(error.body(), status=error.status, headers=headers)


def _refuse_for(fault: Fault) -> web.Response:
    if fault.status == 429:  # noqa: PLR2004 - Too Many Requests
        text = (
            "Request was not processed because too many requests were received. Reason: "
            "VaultRequestTypeLimitReached"
        )
        error = VaultError(fault.status, "Throttled", text)
    else:
        error = VaultError(fault.status, "InternalServerError", "The service is unavailable.")
    answer = _refuse(error)
    if fault.retry_after is not None:
        answer.headers["Retry-After"] = str(fault.retry_after)
    return answer


def _check_api_version(version: str | None) -> None:
    if not version:
        raise bad_parameter("api-version must be specified.")
    if not _API_VERSION.fullmatch(version):
        raise bad_parameter(f"The specified version ({version}) is not recognized.")


async def _read_object(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        raise bad_parameter("The request body is not JSON.") from None
    if not isinstance(body, dict):
        raise bad_parameter("The request body must be a JSON object.")
    return body


def _read_properties(body: Mapping[str, Any]) -> dict[str, Any]:
    """Properties of a secret that a PUT or PATCH body names, as the store's keywords."""
    parts = [{} if body.get(name) is None else body[name] for name in ("attributes", "tags")]
    if not all(isinstance(part, dict) for part in parts):
        raise bad_parameter("'attributes' and 'tags' must be JSON objects.")
    attributes = parts[0]
    found = {
        "enabled": attributes.get("enabled"),
        "not_before": attributes.get("nbf"),
        "expires_on": attributes.get("exp"),
        "content_type": body.get("contentType"),
        "tags": body.get("tags"),
    }
    for name in ("not_before", "expires_on"):
        if found[name] is not None and not isinstance(found[name], int):
            raise bad_parameter("'nbf' and 'exp' are seconds since the epoch.")
    if not isinstance(attributes.get("enabled", True), bool):
        raise bad_parameter("'enabled' is true or false.")
    return {name: value for name, value in found.items() if value is not None}


def _read_count(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise bad_parameter(f"{name} must be a whole number.")
    return int(text)
