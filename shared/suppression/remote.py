"""The API of suppressions, as the command line uses it."""

from collections.abc import Mapping
from typing import Any, Self

from shared.remote import RemoteApp

_TIMEOUT = 240  # seconds, for one request: Azure gives a function 230
_TRIES = 6


class RemoteSuppressions:
    """An asynchronous context. url, credential, author and pause: as of `RemoteApp`."""

    def __init__(self, url: str, credential: str, *, author: str, pause: float = 2.0) -> None:
        self._app = RemoteApp(
            url, credential, author=author, timeout=_TIMEOUT, tries=_TRIES, pause=pause
        )

    async def __aenter__(self) -> Self:
        await self._app.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._app.__aexit__(*exception)

    async def take(self, lines: bytes) -> Mapping[str, Any]:
        """Has lines of CSV stored; returns what became of them. Raises RemoteError."""
        headers = {"Content-Type": "text/csv; charset=utf-8"}
        reply = await self._app.ask("POST", "suppressions/import", data=lines, headers=headers)
        return reply.json()

    async def export(self, cursor: str, limit: int) -> tuple[bytes, str]:
        """A page of CSV, and the cursor of the next one. Raises RemoteError."""
        query = {"limit": str(limit), **({"cursor": cursor} if cursor else {})}
        reply = await self._app.ask("GET", "suppressions/export", params=query)
        return reply.body, reply.headers.get("X-Mailroom-Cursor", "")
