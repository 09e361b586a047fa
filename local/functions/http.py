"""The HTTP side: requests to triggers and back, keys checked, sizes and numbers bounded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Protocol

from aiohttp import web

from local.functions.bindings import FunctionDefinition, HttpTrigger
from local.functions.keys import Keys
from local.functions.protocol import RpcHttp, RpcHttpCookie, TypedData
from local.functions.routes import Route, Routes
from local.functions.settings import HttpSettings
from local.functions.worker import InvocationResult

_log = logging.getLogger("Host.Http")
# Belong to the connection or to the body as it is really sent, not to the function.
_OURS = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"})


class Runner(Protocol):
    async def run(
        self,
        function: FunctionDefinition,
        value: TypedData,
        metadata: Mapping[str, TypedData],
        *,
        reason: str,
        trace_parent: str = "",
    ) -> InvocationResult: ...


class HttpFront:
    """Answers requests to functions' routes. `closed` refuses new ones (503) while draining."""

    def __init__(
        self,
        routes: Routes,
        keys: Keys,
        runner: Runner,
        settings: HttpSettings,
        *,
        max_body: int,
    ) -> None:
        self._routes = routes
        self._keys = keys
        self._runner = runner
        self._settings = settings
        self._max_body = max_body
        self._slots = (
            asyncio.Semaphore(settings.max_concurrent) if settings.max_concurrent else None
        )
        self._outstanding = 0
        self.closed = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        response = await self._answer(request)
        response.headers.update(self._settings.headers)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        found = self._routes.find(request.method, request.rel_url.raw_path)
        if found is None:
            if request.path == "/":
                return web.Response(text="The functions app is up.\n")
            return web.Response(status=404)
        route, parameters = found
        if refusal := self._refusal(request, route.function):
            return refusal
        self._outstanding += 1
        try:
            return await self._invoke(request, route, parameters)
        finally:
            self._outstanding -= 1

    def _refusal(self, request: web.Request, function: FunctionDefinition) -> web.Response | None:
        assert isinstance(function.trigger, HttpTrigger)
        if not self._keys.allow(function.trigger.auth_level, function.name, given_key(request)):
            return web.Response(status=401)
        if self.closed:
            return _closing(503, "The host is stopping.")
        if (request.content_length or 0) > self._max_body:
            return self._too_large()
        most = self._settings.max_outstanding
        if most is not None and self._outstanding >= most:
            return web.Response(status=429)
        return None

    async def _invoke(
        self, request: web.Request, route: Route, parameters: Mapping[str, str]
    ) -> web.StreamResponse:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return self._too_large()
        http = RpcHttp(
            method=request.method,
            url=str(request.url),
            headers=_joined(request.headers.items(), lower=True),
            params=parameters,
            query=_joined(request.query.items()),
            body=TypedData(bytes=body),
        )
        metadata = {name: TypedData(string=value) for name, value in parameters.items()}
        async with self._slots or _Unbounded():
            result = await self._runner.run(
                route.function,
                TypedData(http=http),
                metadata,
                # The template, not the path: a path may hold a token.
                reason=f"{request.method} /{route.template}",
                trace_parent=request.headers.get("traceparent", ""),
            )
        return to_response(route.function, result)

    def _too_large(self) -> web.Response:
        return _closing(413, f"The body is larger than {self._max_body} bytes.")


def given_key(request: web.Request) -> str | None:
    """The key of a request: the header `x-functions-key` beats the query's `code`."""
    return request.headers.get("x-functions-key") or request.query.get("code")


def to_response(function: FunctionDefinition, result: InvocationResult) -> web.StreamResponse:
    """A call's result as HTTP: 500 without a body for a failure, as Azure answers."""
    if not result.succeeded:
        return web.Response(status=500)
    value = result.return_value
    if value is None or value.kind is None:
        return web.Response(status=204)
    if value.kind == "string":
        return web.Response(text=str(value.value))
    if value.kind == "json":
        return web.Response(text=str(value.value), content_type="application/json")
    assert isinstance(value.value, RpcHttp)
    try:
        return _from_rpc(value.value)
    except (ValueError, TypeError) as error:
        _log.error("The answer of '%s' is no HTTP response: %s", function.name, error)
        return web.Response(status=500)


def _from_rpc(http: RpcHttp) -> web.Response:
    status = int(http.status_code)
    if not 200 <= status <= 599:  # noqa: PLR2004 - final statuses
        raise ValueError(f"the status {status} is not between 200 and 599")
    body = http.body.value if isinstance(http.body.value, bytes) else b""
    response = web.Response(
        status=status,
        body=body or None,
        headers={name: text for name, text in http.headers.items() if name.lower() not in _OURS},
    )
    for cookie in http.cookies or ():
        _set_cookie(response, cookie)
    return response


def _set_cookie(response: web.Response, cookie: RpcHttpCookie) -> None:
    response.set_cookie(
        cookie.name,
        cookie.value,
        domain=cookie.domain.value if cookie.domain and cookie.domain.value else None,
        path=cookie.path.value if cookie.path and cookie.path.value else "/",
        max_age=int(cookie.max_age.value) if cookie.max_age else None,
        secure=cookie.secure.value if cookie.secure else None,
        httponly=cookie.http_only.value if cookie.http_only else None,
        samesite=cookie.same_site,
        expires=_http_date(cookie.expires.value.seconds) if cookie.expires else None,
    )


def _http_date(seconds: int) -> str:
    from email.utils import formatdate

    return formatdate(seconds, usegmt=True)


def _joined(items: Iterable[tuple[str, str]], *, lower: bool = False) -> dict[str, str]:
    """Repeated names with their values joined by commas, as Azure's host hands them on."""
    joined: dict[str, str] = {}
    for name, value in items:
        key = name.lower() if lower else name
        joined[key] = f"{joined[key]},{value}" if key in joined else value
    return joined


def _closing(status: int, text: str) -> web.Response:
    response = web.Response(status=status, text=text)
    response.force_close()
    return response


class _Unbounded:
    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        return None
