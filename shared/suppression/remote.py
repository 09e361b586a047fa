"""The API of suppressions, as the command line uses it: from another machine, by a function key."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from typing import Any, Self

from shared.errors import MailroomError

_TIMEOUT = 240  # seconds, for one request: Azure gives a function 230
_TRIES = 6
_PAUSE = 1.0  # seconds, doubling


class RemoteError(MailroomError):
    """The app refused, or does not answer."""


class RemoteSuppressions:
    """An asynchronous context. url: of the app, such as https://contoso-mail.azurewebsites.net."""

    def __init__(self, url: str, key: str, *, author: str, pause: float = _PAUSE) -> None:
        self._url = url.rstrip("/").removesuffix("/api") + "/api/suppressions"
        self._headers = {"X-Mailroom-Author": author, **({"x-functions-key": key} if key else {})}
        self._pause = pause
        self._session: Any = None

    async def __aenter__(self) -> Self:
        from aiohttp import ClientSession, ClientTimeout  # noqa: PLC0415 (320 ms at import)

        timeout = ClientTimeout(total=_TIMEOUT)
        self._session = ClientSession(headers=self._headers, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def take(self, lines: bytes) -> Mapping[str, Any]:
        """Has lines of CSV stored; returns what became of them. Raises RemoteError."""
        body, _ = await self._ask("POST", "/import", lines=lines)
        report: Mapping[str, Any] = json.loads(body)
        return report

    async def export(self, cursor: str, limit: int) -> tuple[bytes, str]:
        """A page of CSV, and the cursor of the next one. Raises RemoteError."""
        query = {"limit": str(limit), **({"cursor": cursor} if cursor else {})}
        return await self._ask("GET", "/export", query=query)

    async def _ask(
        self, method: str, path: str, *, lines: bytes = b"", query: Mapping[str, str] | None = None
    ) -> tuple[bytes, str]:
        """The answer to a request that may be repeated, and so is, where the app is not ready."""
        from aiohttp import ClientError  # noqa: PLC0415 (as above)

        headers = {"Content-Type": "text/csv; charset=utf-8"} if lines else {}
        status, body, why = 0, b"", ""
        for number in range(_TRIES):
            if number:
                await asyncio.sleep(self._pause * 2**number * (0.5 + secrets.randbelow(100) / 200))
            try:
                async with self._session.request(
                    method, self._url + path, params=query, headers=headers, data=lines or None
                ) as response:
                    status, body = response.status, await response.read()
                    if status < 400:  # noqa: PLR2004
                        return body, response.headers.get("X-Mailroom-Cursor", "")
            except (ClientError, TimeoutError) as error:
                status, why = 0, type(error).__name__
            if 400 <= status < 500 and status != 429:  # noqa: PLR2004
                break
        raise _refusal(self._url, status, body, why)


def _refusal(url: str, status: int, body: bytes, why: str) -> RemoteError:
    if not status:
        return RemoteError(f"{url} does not answer: {why}.", fix="Check --url; then run it again.")
    if status in (401, 403):
        return RemoteError(f"The app answered {status}.", fix="Check the function key (--key).")
    try:
        problem = json.loads(body)
        faults = " ".join(f"{e['detail']} {e['fix']}" for e in problem.get("errors", ()))
        return RemoteError(faults or problem["detail"], fix="" if faults else problem["fix"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return RemoteError(f"The app answered {status}.", fix="See its log; then run it again.")
