"""Servers on this machine: one that sends files by https, and one that nobody should ever reach."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local.certificates import LocalAuthority

if TYPE_CHECKING:
    from aiohttp import web

HOST = "files.contoso.test"
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"


@dataclass
class FileServer:
    """What it was asked for, and on which port it is."""

    port: int = 0
    requests: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)


type Handler = Callable[["web.Request"], Awaitable["web.StreamResponse"]]


@asynccontextmanager
async def file_server(authority: LocalAuthority, handle: Handler) -> AsyncIterator[FileServer]:
    """A server for HOST and its neighbours, with a certificate of the tests' authority."""
    from aiohttp import web

    kept = FileServer()

    async def note(request: web.Request) -> web.StreamResponse:
        kept.requests.append((str(request.rel_url), dict(request.headers)))
        return await handle(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", note)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    context = authority.server_context("files", [HOST, "other.contoso.test"])
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    kept.port = runner.addresses[0][1]
    try:
        yield kept
    finally:
        await runner.cleanup()


@asynccontextmanager
async def silent_listener() -> AsyncIterator[tuple[int, list[str]]]:
    """A port on every loopback address that notes whoever connects."""
    visits: list[str] = []

    def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(str(writer.get_extra_info("sockname")))
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        six = await asyncio.start_server(note, "::1", port)
    except OSError:  # no IPv6 here
        six = None
    try:
        yield port, visits
    finally:
        for one in (server, six):
            if one is not None:
                one.close()
                await one.wait_closed()
