"""The host's own endpoints under /admin, as far as operators and tests need them.

https://learn.microsoft.com/azure/azure-functions/functions-manually-run-non-http
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from azure.storage.queue import QueueMessage

from local.functions.bindings import (
    FunctionDefinition,
    HttpTrigger,
    QueueTrigger,
    TimerTrigger,
)
from local.functions.http import Runner, given_key
from local.functions.keys import Keys
from local.functions.protocol import TypedData
from local.functions.queues import metadata_of, value_of
from local.functions.timers import timer_payload

_log = logging.getLogger("Host.Admin")


class AdminEndpoints:
    """All but the ping need the master key."""

    def __init__(
        self, functions: Sequence[FunctionDefinition], keys: Keys, runner: Runner, *, prefix: str
    ) -> None:
        self._functions = {function.name.lower(): function for function in functions}
        self._keys = keys
        self._runner = runner
        self._prefix = prefix
        self._started = time.monotonic()
        self._tasks: set[asyncio.Task[object]] = set()
        self.state = "Running"

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_route("*", "/admin/host/ping", self._ping)
        router.add_get("/admin/host/status", self._guarded(self._status))
        router.add_get("/admin/functions", self._guarded(self._list))
        router.add_get("/admin/functions/{name}", self._guarded(self._describe))
        router.add_post("/admin/functions/{name}", self._guarded(self._run))
        router.add_route("*", "/admin/{rest:.*}", self._guarded(_not_found))

    def describe(self, function: FunctionDefinition, base_url: str) -> dict[str, Any]:
        """A function as JSON: its trigger, and the URL of an HTTP one."""
        trigger = function.trigger
        described: dict[str, Any] = {"name": function.name, "disabled": function.disabled}
        match trigger:
            case HttpTrigger():
                path = "/".join(part for part in (self._prefix, trigger.route.strip("/")) if part)
                described |= {
                    "trigger": "http",
                    "methods": sorted(trigger.methods) if trigger.methods is not None else None,
                    "auth_level": trigger.auth_level,
                    "url": f"{base_url}/{path}",
                }
            case QueueTrigger():
                described |= {"trigger": "queue", "queue": trigger.queue}
            case TimerTrigger():
                described |= {"trigger": "timer", "schedule": trigger.schedule}
        return described

    def _guarded(self, handler: Any) -> Any:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if not self._keys.allow("admin", None, given_key(request)):
                return web.Response(status=401)
            response: web.StreamResponse = await handler(request)
            return response

        return guarded

    async def _ping(self, _request: web.Request) -> web.StreamResponse:
        return web.Response()

    async def _status(self, _request: web.Request) -> web.StreamResponse:
        uptime = round((time.monotonic() - self._started) * 1000)
        return web.json_response(
            {
                "id": "local",
                "state": self.state,
                "version": "4.local",
                "processUptime": uptime,
                "functions": len(self._functions),
            }
        )

    async def _list(self, request: web.Request) -> web.StreamResponse:
        base = str(request.url.origin())
        return web.json_response(
            [self.describe(function, base) for function in self._functions.values()]
        )

    async def _describe(self, request: web.Request) -> web.StreamResponse:
        function = self._functions.get(request.match_info["name"].lower())
        if function is None:
            return web.Response(status=404)
        return web.json_response(self.describe(function, str(request.url.origin())))

    async def _run(self, request: web.Request) -> web.StreamResponse:
        """Run a queue or timer function now: JSON {"input": "<message body>"}; 202 at once."""
        function = self._functions.get(request.match_info["name"].lower())
        if function is None:
            return web.Response(status=404)
        if isinstance(function.trigger, HttpTrigger):
            return web.Response(
                status=400, text=f"'{function.name}' has an HTTP trigger: call its URL."
            )
        try:
            content = json.loads(await request.read() or b"{}")
            given = content.get("input") or ""
        except (ValueError, AttributeError):
            return web.Response(status=400, text='The body must be JSON: {"input": "…"}.')
        if self.state != "Running":
            return web.Response(status=503, text="The host is stopping.")
        text = given if isinstance(given, str) else json.dumps(given)
        value, metadata = _trigger_value(function, text)
        task = asyncio.create_task(
            self._runner.run(function, value, metadata, reason="admin endpoint")
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return web.Response(status=202)


def _trigger_value(
    function: FunctionDefinition, text: str
) -> tuple[TypedData, Mapping[str, TypedData]]:
    if not isinstance(function.trigger, QueueTrigger):
        return timer_payload(None, past_due=False), {}
    now = datetime.now(UTC)
    message = QueueMessage(content=text)
    message.id = str(uuid.uuid4())
    message.inserted_on = message.next_visible_on = now
    message.expires_on = now + timedelta(days=7)
    message.dequeue_count = 1
    message.pop_receipt = ""
    body = text.encode()
    return value_of(body, function.trigger), metadata_of(message, body)


async def _not_found(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=404)
