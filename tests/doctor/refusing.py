"""A proxy before one service of Azurite that refuses some methods, as a missing role does."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from aiohttp import ClientSession, web
from yarl import URL

_HOPS = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"}
_REFUSAL = (
    '<?xml version="1.0" encoding="utf-8"?><Error><Code>AuthorizationPermissionMismatch</Code>'
    "<Message>This request is not authorized to perform this operation.</Message></Error>"
)


@asynccontextmanager
async def refusing(target: str, methods: Collection[str]) -> AsyncIterator[str]:
    """The proxy's address, in place of `target` (scheme, host, port and account)."""
    origin = URL(target).origin()

    async def pass_on(request: web.Request) -> web.Response:
        if request.method in methods:
            return web.Response(
                status=403, text=_REFUSAL, content_type="application/xml",
                headers={"x-ms-error-code": "AuthorizationPermissionMismatch"},
            )  # fmt: skip
        # Signatures are over the account's path, not over the host.
        url = URL(f"{origin}{request.raw_path}", encoded=True)
        body = await request.read()
        headers = {k: v for k, v in request.headers.items() if k.lower() != "host"}
        async with session.request(request.method, url, data=body, headers=headers) as answer:
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOPS}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", pass_on)
    runner = web.AppRunner(application)
    async with ClientSession() as session:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            yield f"http://127.0.0.1:{port}{URL(target).path}"
        finally:
            await runner.cleanup()
