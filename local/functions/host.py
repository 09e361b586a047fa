"""The host: worker, HTTP, queue listeners and timers of one app, from start to drained stop."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from local.functions.admin import AdminEndpoints
from local.functions.bindings import (
    STORAGE,
    FunctionDefinition,
    QueueTrigger,
    TimerTrigger,
    read_functions,
)
from local.functions.http import HttpFront
from local.functions.invocations import Invocations
from local.functions.keys import load_keys
from local.functions.logs import CallRegister
from local.functions.outputs import Outputs
from local.functions.queues import QueueListener
from local.functions.routes import Routes
from local.functions.schedules import ScheduleStore, TimerLock
from local.functions.settings import HostSettings
from local.functions.storage import Connections
from local.functions.timers import TimerListener, Timers
from local.functions.worker import Worker

_log = logging.getLogger("Host.Lifetime")
_RELEASE_SECONDS = 3.0
RECYCLE = 3  # the exit status after functionTimeout: the supervisor starts the host again


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What the command line says. `claim` and `lease_seconds` are Azure's unless a test differs."""

    app: Path
    keys: Path
    address: str = "127.0.0.1"
    port: int = 7071
    listen_fd: int | None = None  # a listening socket handed down by the reloading parent
    parent_fd: int | None = None  # at its end of file the reloading parent is gone
    drain_seconds: float = 30.0
    claim: timedelta = timedelta(minutes=10)
    lease_seconds: int = 15
    max_body: int = 100 * 1024 * 1024


class Host:
    def __init__(
        self,
        options: HostOptions,
        settings: HostSettings,
        environment: Mapping[str, str],
        calls: CallRegister,
    ) -> None:
        self._options = options
        self._settings = settings
        self._environment = environment
        self._worker = Worker(options.app, calls)
        self._connections = Connections(environment)
        outputs = Outputs(
            self._connections, encode=settings.queues.base64, enqueued=self._wake_listeners
        )
        self._invocations = Invocations(
            self._worker,
            outputs,
            function_timeout=settings.function_timeout,
            on_timeout=self._recycle,
        )
        self._listeners: list[QueueListener] = []
        self._timers: Timers | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._front: HttpFront | None = None
        self._admin: AdminEndpoints | None = None
        self._runner: web.AppRunner | None = None
        self._site: web.SockSite | None = None
        self.functions: Sequence[FunctionDefinition] = ()
        self.port = 0
        self.stop_requested = asyncio.Event()
        self.exit_status = 0
        self.abandoned = False  # a function still runs: only the process's end stops it

    @property
    def url(self) -> str:
        return f"http://{self._options.address}:{self.port}"

    def describe(self) -> list[dict[str, Any]]:
        assert self._admin is not None
        return [self._admin.describe(function, self.url) for function in self.functions]

    async def start(self) -> None:
        """Index the app, then listen. Raises AppLoadError, BindingError, ScheduleError, …"""
        for key in self._settings.unknown:
            _log.warning("host.json: '%s' is no setting of Azure Functions: it does nothing", key)
        listening = self._socket()
        self.port = listening.getsockname()[1]
        indexed = await self._worker.start()
        for function in indexed:
            if function.retry_options:
                _log.warning(
                    "The retry policy of '%s' is not applied by the local host", function.name
                )
        self.functions = read_functions(indexed, self._environment)
        active = [function for function in self.functions if not function.disabled]
        self._make_listeners(active)
        self._timers = self._make_timers(active)
        await self._start_http(active, listening)
        self._tasks = [asyncio.create_task(listener.run()) for listener in self._listeners]
        if self._timers:
            self._tasks.append(asyncio.create_task(self._timers.run()))
        for task in self._tasks:
            task.add_done_callback(self._listener_ended)

    async def stop(self) -> None:
        """Take nothing more, let what runs end (bounded), close everything."""
        _log.info("Stopping: %d calls are running", len(self._invocations.running))
        if self._front and self._admin:
            self._front.closed = True
            self._admin.state = "Stopping"
        if self._site:
            await self._site.stop()
        for listener in self._listeners:
            listener.stop()
        if self._timers:
            self._timers.stop()
        await self._drain()
        if self._runner:
            await self._runner.cleanup()
        await self._worker.stop()
        await self._release_abandoned()
        await self._connections.close()

    async def _drain(self) -> None:
        settling = [asyncio.create_task(listener.settled()) for listener in self._listeners]
        waiting = {asyncio.create_task(self._invocations_end()), *self._tasks, *settling}
        _, late = await asyncio.wait(waiting, timeout=self._options.drain_seconds)
        if not late:
            return
        for call in self._invocations.running:
            self.abandoned = True
            _log.warning(
                "'%s' (%s) did not end within %g s and is abandoned; its queue message, if it "
                "has one, comes again",
                call.function,
                call.invocation_id,
                self._options.drain_seconds,
            )
        for task in late:
            task.cancel()
        await asyncio.wait(late)

    async def _release_abandoned(self) -> None:
        settling = [asyncio.create_task(listener.settled()) for listener in self._listeners]
        if settling:
            _, late = await asyncio.wait(settling, timeout=_RELEASE_SECONDS)
            for task in late:
                task.cancel()

    async def _invocations_end(self) -> None:
        await self._invocations.drained(self._options.drain_seconds)

    def _make_listeners(self, functions: Sequence[FunctionDefinition]) -> None:
        for function in functions:
            if isinstance(function.trigger, QueueTrigger):
                self._listeners.append(
                    QueueListener(
                        function,
                        self._connections.queues(function.trigger.connection),
                        self._settings.queues,
                        self._invocations,
                        claim=self._options.claim,
                    )
                )

    def _make_timers(self, functions: Sequence[FunctionDefinition]) -> Timers | None:
        timers = [item for item in functions if isinstance(item.trigger, TimerTrigger)]
        if not timers:
            return None
        blobs = self._connections.blobs(STORAGE)
        host_id = host_id_of(self._options.app, self._environment)
        seconds = self._options.lease_seconds
        store = ScheduleStore(blobs, host_id)
        return Timers(
            [TimerListener(function, store, self._invocations) for function in timers],
            TimerLock(blobs, host_id, seconds=seconds),
            lease_seconds=seconds,
        )

    async def _start_http(
        self, functions: Sequence[FunctionDefinition], listening: socket.socket
    ) -> None:
        keys = load_keys(self._options.keys, [function.name for function in self.functions])
        routes = Routes(functions, self._settings.http.route_prefix)
        for hidden, by in routes.shadowed():
            _log.warning(
                "The route of '%s' is never reached: Azure tries '%s' before it (alphabetical "
                "order of names) and it takes the same path; constrain its parameter",
                hidden.function.name,
                by.function.name,
            )
        self._front = HttpFront(
            routes,
            keys,
            self._invocations,
            self._settings.http,
            max_body=self._options.max_body,
        )
        self._admin = AdminEndpoints(self.functions, keys, self._invocations, prefix=routes.prefix)
        app = web.Application(client_max_size=self._options.max_body)
        self._admin.add_to(app.router)
        app.router.add_route("*", "/{path:.*}", self._front.handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        self._site = web.SockSite(self._runner, listening, backlog=1024)
        await self._site.start()

    def _socket(self) -> socket.socket:
        if self._options.listen_fd is not None:
            return socket.socket(fileno=self._options.listen_fd)
        return listening_socket(self._options.address, self._options.port)

    def _wake_listeners(self, queue: str) -> None:
        for listener in self._listeners:
            if listener.queue == queue:
                listener.notify()

    def _recycle(self, function: str) -> None:
        _log.critical(
            "'%s' ran over functionTimeout: the host ends with status %d to be started again",
            function,
            RECYCLE,
        )
        self.exit_status = RECYCLE
        self.abandoned = True
        self.stop_requested.set()

    def _listener_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        _log.critical("A listener broke: the host ends", exc_info=error)
        self.exit_status = 1
        self.stop_requested.set()


def listening_socket(address: str, port: int) -> socket.socket:
    """A bound, inheritable-on-demand socket. Raises OSError naming the address."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
    except OSError as error:
        listening.close()
        raise OSError(
            error.errno, f"The port {port} of {address} cannot be used ({error.strerror})."
        ) from error
    return listening


def host_id_of(app: Path, environment: Mapping[str, str]) -> str:
    """Names the app among those that share a storage account; equal for its instances."""
    given = environment.get("AzureFunctionsWebHost__hostid") or environment.get("WEBSITE_SITE_NAME")
    if given:
        return given.lower()[:32]
    digest = hashlib.sha256(os.fsencode(app.resolve())).hexdigest()
    return f"local-{digest[:24]}"
