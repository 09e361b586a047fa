"""Faults of an HTTP server, switched on by tests: refusals, hanging and broken connections."""

import asyncio
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

from aiohttp import web

type Action = Literal["answer", "hang", "disconnect"]

_FIELDS = frozenset({"action", "status", "retry_after", "times"})


class FaultRequestError(ValueError):
    """A body of `POST /local/faults` that names no known fault."""


@dataclass(slots=True)
class Fault:
    """What the next requests meet instead of an answer.

    `times` is how many requests meet it (None: all, until it is cleared); `status` and
    `retry_after` (seconds) are those of an `answer`; `hang` keeps the client waiting until it
    gives up or the server stops; `disconnect` resets the connection.
    """

    action: Action = "answer"
    status: int = 503
    retry_after: int | None = None
    times: int | None = 1

    @classmethod
    def parse(cls, body: object) -> "Fault":
        """Read one fault from JSON, e.g. `{"status": 429, "retry_after": 2, "times": 3}`."""
        if not isinstance(body, Mapping) or not set(body) <= _FIELDS:
            raise FaultRequestError(f"a fault is an object with some of {sorted(_FIELDS)}")
        fault = cls(**body)
        if fault.action not in get_args(Action.__value__):
            raise FaultRequestError(f"'action' is one of {get_args(Action.__value__)}")
        if not isinstance(fault.status, int) or not 400 <= fault.status <= 599:  # noqa: PLR2004 - HTTP's error range
            raise FaultRequestError("'status' is an HTTP error status, 400 to 599")
        for name in ("retry_after", "times"):
            value = getattr(fault, name)
            if value is not None and (not isinstance(value, int) or value < 0):
                raise FaultRequestError(f"'{name}' is a whole number or null")
        return fault


class FaultQueue:
    """The faults of one server, met in the order in which they were added."""

    def __init__(self) -> None:
        self._waiting: deque[Fault] = deque()

    def add(self, fault: Fault) -> None:
        self._waiting.append(fault)

    def clear(self) -> None:
        self._waiting.clear()

    def take(self) -> Fault | None:
        """The fault that the present request meets, if any."""
        while self._waiting:
            fault = self._waiting[0]
            if fault.times is None:
                return fault
            fault.times -= 1
            if fault.times <= 0:
                self._waiting.popleft()
            if fault.times >= 0:
                return fault
        return None

    def accept(self, body: Mapping[str, Any]) -> None:
        """Add `{"answers": [{"status": 429, "retry_after": 2, "times": 3}, …]}`."""
        refuse_unknown(body, {"answers"})
        answers = body.get("answers", [])
        if not isinstance(answers, list):
            raise FaultRequestError("'answers' is a list of faults")
        for fault in [Fault.parse(item) for item in answers]:
            self.add(fault)

    def describe(self) -> dict[str, Any]:
        """The faults still to come, as JSON."""
        return {
            "answers": [
                {
                    "action": fault.action,
                    "status": fault.status,
                    "retry_after": fault.retry_after,
                    "times": fault.times,
                }
                for fault in self._waiting
            ]
        }


async def suffer(fault: Fault, request: web.Request, stopping: asyncio.Event) -> None:
    """Let a request hang or lose its connection; an `answer` is the server's own to give."""
    if fault.action == "hang":
        await stopping.wait()
    if fault.action != "answer" and request.transport is not None:
        request.transport.abort()


class FaultControl(Protocol):
    """What `/local/faults` works on."""

    def accept(self, body: Mapping[str, Any]) -> None:
        """Switch on what the body names; raises FaultRequestError."""

    def describe(self) -> dict[str, Any]: ...

    def clear(self) -> None: ...


def fault_routes(faults: FaultControl) -> list[web.RouteDef]:
    """`POST /local/faults` adds, `GET` shows, `DELETE` clears."""

    async def show(_request: web.Request) -> web.Response:
        return web.json_response(faults.describe())

    async def add(request: web.Request) -> web.Response:
        try:
            body = await request.json()
        except ValueError:
            return web.json_response({"error": "the body is not JSON"}, status=400)
        if not isinstance(body, dict):
            return web.json_response({"error": "the body is an object"}, status=400)
        try:
            faults.accept(body)
        except FaultRequestError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(faults.describe())

    async def clear(_request: web.Request) -> web.Response:
        faults.clear()
        return web.json_response(faults.describe())

    path = "/local/faults"
    return [web.get(path, show), web.post(path, add), web.delete(path, clear)]


def refuse_unknown(body: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise FaultRequestError if the body has fields that no fault has."""
    unknown = set(body) - set(known)
    if unknown:
        raise FaultRequestError(f"unknown fields {sorted(unknown)}: there are {sorted(known)}")
