"""What the stack's HTTP servers have in common: a port, a life cycle, a refusal to hang at stop."""

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web

type Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time that servers go by unless they are given another clock."""
    return datetime.now(UTC)


class WebServer:
    """One aiohttp application on one port.

    Port 0 takes a free one; a server that is stopped and started again keeps its port, so that
    clients see an outage and a recovery.
    """

    def __init__(self, *, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self.host = host
        self.port = port
        self.stopping = asyncio.Event()
        self._context = context
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where clients find the server: by name over TLS, by address without."""
        if self._context is not None:
            return f"https://localhost:{self.port}"
        return f"http://{self.host}:{self.port}"

    @property
    def running(self) -> bool:
        return self._runner is not None

    def application(self) -> web.Application:
        """The routes; each server gives its own."""
        raise NotImplementedError

    async def start(self) -> None:
        """Bind and serve; a server that runs already stays as it is."""
        if self._runner is not None:
            return
        self.stopping.clear()
        runner = web.AppRunner(
            self.application(), access_log=None, handler_cancellation=True, shutdown_timeout=0.5
        )
        await runner.setup()
        site = web.TCPSite(runner, self.host, self.port, ssl_context=self._context)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self.port = runner.addresses[0][1]
        self._runner = runner

    async def stop(self) -> None:
        """Close the port and every connection; idempotent."""
        self.stopping.set()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
