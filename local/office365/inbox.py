"""The inbox: a web page that shows accepted mail, and the JSON API under it.

The page is three static files that ask the API and put everything into the document as text.
HTML mail is shown in a sandboxed frame under a policy of its own: no scripts, no requests.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.helpers import content_disposition_header

from local.mailboxes import TenantMailboxes

from .control import Control, guard
from .exchange import Exchange
from .mail import KeptMessage, find_messages
from .reading import Reading, describe_envelope, summarise
from .returned import ReturnedPages

_STATIC = Path(__file__).parent / "static"
_FILES = {
    "/": ("inbox.html", "text/html"),
    "/inbox.css": ("inbox.css", "text/css"),
    "/inbox.js": ("inbox.js", "text/javascript"),
}
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_MAIL_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
_FILTERS = ("mailbox", "sender", "recipient", "message_id")
_PAGE = 50
_MOST = 1000
_LONGEST_WAIT = 60.0


class Inbox:
    """The routes that show the mail of one Exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._store = exchange.store
        self._summaries: dict[int, dict[str, Any]] = {}

    def routes(self) -> list[web.RouteDef]:
        """Every route, one a line."""
        return [
            *(web.get(path, self.show_file) for path in _FILES),
            web.get("/messages/{number:[0-9]+}", self.go_to_message),
            web.get("/api/messages", self.list_messages),
            web.delete("/api/messages", self.delete_messages),
            web.get("/api/messages/{number:[0-9]+}", self.show_message),
            web.get("/api/messages/{number:[0-9]+}/source", self.show_source),
            web.get("/api/messages/{number:[0-9]+}/html", self.show_html),
            web.get("/api/messages/{number:[0-9]+}/parts/{index:[0-9]+}", self.show_part),
        ]

    async def release(self, _: web.Application) -> None:
        """End the requests that wait for mail, so that the server stops at once."""
        self._store.release()

    async def show_file(self, request: web.Request) -> web.Response:
        """One of the page's three files."""
        name, content_type = _FILES[request.path]
        body = await asyncio.to_thread((_STATIC / name).read_bytes)
        headers = {"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "no-cache"}
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)

    async def go_to_message(self, request: web.Request) -> web.Response:
        """A link to one message: the page, opened at it."""
        raise web.HTTPFound(f"/#{request.match_info['number']}")

    async def list_messages(self, request: web.Request) -> web.Response:
        """A page of the list, newest first.

        `q` searches sender, recipients, subject and Message-ID; `mailbox`, `sender`, `recipient`,
        `message_id` must match exactly; `limit` and `offset` page. `after=N&wait=S` waits up to S
        seconds for a message newer than number N.
        """
        query = request.query
        limit = min(int(query.get("limit", _PAGE)), _MOST)
        offset = int(query.get("offset", 0))
        if "wait" in query:
            await self._wait_for_newer(int(query.get("after", 0)), float(query["wait"]))
        wanted = {name: query[name] for name in _FILTERS if name in query}
        found = [*find_messages(iter(self._store), wanted)]
        found.reverse()
        page, total = await asyncio.to_thread(
            self._page, found, query.get("q", "").split(), offset, limit
        )
        body = {
            "messages": page,
            "total": total,
            "kept": len(self._store),
            "last": self._store.last_number,
        }
        return web.json_response(body)

    async def _wait_for_newer(self, after: int, seconds: float) -> None:
        with suppress(TimeoutError):
            await self._store.wait_for(
                lambda message: message.number > after, min(seconds, _LONGEST_WAIT)
            )

    def _page(
        self, found: list[KeptMessage], words: list[str], offset: int, limit: int
    ) -> tuple[list[dict[str, Any]], int]:
        if words:
            found = [one for one in found if self._holds(one, words)]
        return [self._summary(one) for one in found[offset : offset + limit]], len(found)

    def _holds(self, message: KeptMessage, words: list[str]) -> bool:
        summary = self._summary(message)
        text = " ".join(
            str(summary[name])
            for name in ("subject", "from", "to", "sender", "recipients", "message_id", "mailbox")
        ).lower()
        return all(word.lower() in text for word in words)

    def _summary(self, message: KeptMessage) -> dict[str, Any]:
        summary = self._summaries.get(message.number)
        if summary is None:
            if len(self._summaries) > 2 * len(self._store) + _MOST:
                self._summaries.clear()
            summary = self._summaries[message.number] = summarise(message)
        return summary

    async def delete_messages(self, _: web.Request) -> web.Response:
        """Delete all kept mail."""
        self._summaries.clear()
        return web.json_response({"deleted": self._store.clear()})

    async def show_message(self, request: web.Request) -> web.Response:
        """Everything about one message, except the bytes of its parts."""
        message = self._message(request)
        body = await asyncio.to_thread(_describe, message)
        return web.json_response(body)

    async def show_source(self, request: web.Request) -> web.Response:
        """The message as it was received."""
        message = self._message(request)
        body = await asyncio.to_thread(lambda: message.content)
        return _download(body, "message/rfc822", f"{message.number}.eml")

    async def show_html(self, request: web.Request) -> web.Response:
        """The HTML part, for the sandboxed frame."""
        message = self._message(request)
        html = await asyncio.to_thread(lambda: Reading(message.content).html_with_images)
        headers = {
            "Content-Security-Policy": _MAIL_POLICY,
            "Referrer-Policy": "no-referrer",
            "X-DNS-Prefetch-Control": "off",
        }
        body = (html or "").encode("utf-8", "replace")
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)

    async def show_part(self, request: web.Request) -> web.Response:
        """One part, to download."""
        message = self._message(request)
        parts = (await asyncio.to_thread(lambda: Reading(message.content))).parts
        index = int(request.match_info["index"])
        if index >= len(parts):
            raise web.HTTPNotFound(text=f"message {message.number} has {len(parts)} parts")
        part = parts[index]
        return _download(part.content, part.content_type, part.name or f"part-{index}")

    def _message(self, request: web.Request) -> KeptMessage:
        message = self._store.get(int(request.match_info["number"]))
        if message is None:
            raise web.HTTPNotFound(text="there is no such message, or it is not kept any more")
        return message


def _describe(message: KeptMessage) -> dict[str, Any]:
    summary, reading = summarise(message), Reading(message.content).describe()
    return {**summary, **reading, "envelope": describe_envelope(message)}


def _download(body: bytes, content_type: str, name: str) -> web.Response:
    printable = "".join(one if one.isprintable() and one not in '/\\"' else "_" for one in name)
    headers = {
        "Content-Type": content_type,
        "Content-Disposition": content_disposition_header("attachment", filename=printable[:200]),
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return web.Response(body=body, headers=headers)


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Content-Security-Policy", "default-src 'none'; sandbox")
    response.headers.setdefault("Referrer-Policy", "no-referrer")


def make_application(
    exchange: Exchange, returned: TenantMailboxes | None = None
) -> web.Application:
    """Return the web application of one Exchange, and of what has come back if that is kept."""
    application = web.Application(middlewares=[guard])
    inbox = Inbox(exchange)
    application.add_routes([*inbox.routes(), *Control(exchange).routes()])
    application.add_routes(ReturnedPages(returned or TenantMailboxes([])).routes())
    application.on_shutdown.append(inbox.release)
    application.on_response_prepare.append(_harden)
    return application
