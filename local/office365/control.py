"""HTTP for those who steer the server from another process: faults, mailboxes, limits, counters.

JSON in and out; a refusal is 400 or 404 with {"error": what is wrong and what is allowed}.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from ipaddress import ip_address
from typing import Any

from aiohttp import hdrs, web

from .exchange import Exchange
from .faults import Fault
from .tenant import Mailbox

_SAFE_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


class Control:
    """The routes that change how one Exchange behaves."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[web.RouteDef]:
        """Every route, one a line."""
        return [
            web.get("/faults", self.list_faults),
            web.post("/faults", self.add_faults),
            web.delete("/faults", self.clear_faults),
            web.delete("/faults/{number:[0-9]+}", self.clear_faults),
            web.get("/mailboxes", self.list_mailboxes),
            web.patch("/mailboxes/{address}", self.change_mailbox),
            web.put("/mailboxes/{address}", self.put_mailbox),
            web.get("/limits", self.show_limits),
            web.patch("/limits", self.change_limits),
            web.get("/api/counters", self.show_counters),
            web.delete("/api/counters", self.clear_counters),
        ]

    async def list_faults(self, _: web.Request) -> web.Response:
        """The faults that are on, with how often each struck."""
        return web.json_response({"faults": self._exchange.faults.as_json()})

    async def add_faults(self, request: web.Request) -> web.Response:
        """Switch on one fault (an object) or several (a list); `?seed=7` seeds the random ones."""
        body = await _json(request)
        faults = [Fault.from_json(one) for one in (body if isinstance(body, list) else [body])]
        if seed := request.query.get("seed"):
            self._exchange.faults.seed(int(seed))
        numbers = self._exchange.faults.add(faults)
        return web.json_response({"numbers": numbers}, status=201)

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Switch off all faults, or the one with this number."""
        number = request.match_info.get("number")
        cleared = self._exchange.faults.clear(int(number) if number else None)
        return web.json_response({"cleared": cleared})

    async def list_mailboxes(self, _: web.Request) -> web.Response:
        """All mailboxes with their settings."""
        return web.json_response({"mailboxes": [asdict(one) for one in self._exchange.mailboxes]})

    async def change_mailbox(self, request: web.Request) -> web.Response:
        """Change settings of a mailbox: {"smtp_auth": false}."""
        address = request.match_info["address"]
        mailbox = self._exchange.mailbox(address)
        if mailbox is None:
            known = ", ".join(one.address for one in self._exchange.mailboxes)
            raise _problem(404, f"there is no mailbox {address}: there are {known}")
        changed = mailbox.patched(await _json_object(request))
        self._exchange.put_mailbox(changed)
        return web.json_response(asdict(changed))

    async def put_mailbox(self, request: web.Request) -> web.Response:
        """Make a mailbox, or set one anew."""
        made = Mailbox(request.match_info["address"]).patched(await _json_object(request))
        self._exchange.put_mailbox(made)
        return web.json_response(asdict(made))

    async def show_limits(self, _: web.Request) -> web.Response:
        """The limits in force."""
        return web.json_response(asdict(self._exchange.limits))

    async def change_limits(self, request: web.Request) -> web.Response:
        """Change limits: {"messages_per_minute": null}."""
        self._exchange.limits = self._exchange.limits.patched(await _json_object(request))
        return web.json_response(asdict(self._exchange.limits))

    async def show_counters(self, _: web.Request) -> web.Response:
        """What was counted."""
        return web.json_response(self._exchange.as_json())

    async def clear_counters(self, _: web.Request) -> web.Response:
        """Count anew; the sliding windows of the limits start anew as well."""
        self._exchange.counters.clear()
        self._exchange.quotas.clear()
        return web.json_response(self._exchange.as_json())


@web.middleware
async def guard(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Keep other web sites out, and turn wrong values into JSON errors.

    The port has no login. A foreign page in the same browser could reach it by a name that it
    points at this address, or by a form; the Host and Origin checks stop both.
    """
    try:
        host = request.url.host or ""
    except ValueError as error:
        raise _problem(400, "the Host header is malformed") from error
    if not _is_local_name(host):
        raise _problem(403, "use the server's address or 'localhost' as the host name")
    origin = request.headers.get(hdrs.ORIGIN)
    foreign = origin is not None and origin != f"{request.scheme}://{request.host}"
    if request.method not in _SAFE_METHODS and foreign:
        raise _problem(403, f"a page of {origin} may not change this server")
    try:
        return await handler(request)
    except ValueError as error:  # SettingError, FaultError and numbers that are none
        raise _problem(400, str(error)) from error


def _is_local_name(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _problem(status: int, error: str) -> web.HTTPException:
    kinds: dict[int, type[web.HTTPException]] = {
        400: web.HTTPBadRequest,
        403: web.HTTPForbidden,
        404: web.HTTPNotFound,
    }
    body = web.json_response({"error": error}).text
    return kinds[status](text=body, content_type="application/json")


async def _json(request: web.Request) -> Any:
    try:
        return await request.json()
    except ValueError as error:
        raise _problem(400, f"the body is not JSON: {error}") from error


async def _json_object(request: web.Request) -> dict[str, Any]:
    body = await _json(request)
    if not isinstance(body, dict):
        raise _problem(400, 'the body is a JSON object of settings, as in {"smtp_auth": false}')
    return body
