"""The API of templates, as the command line uses it: from another machine, with a function key."""

import json
from collections.abc import Mapping
from typing import Any, Self

from shared.errors import MailroomError, NotFoundError

_TIMEOUT = 60  # seconds, for one request


class RemoteError(MailroomError):
    """The app refused, or does not answer."""


class RemoteTemplates:
    """An asynchronous context. url: of the app, such as https://contoso-mail.azurewebsites.net."""

    def __init__(self, url: str, key: str, *, author: str) -> None:
        self._url = url.rstrip("/").removesuffix("/api") + "/api/templates"
        self._headers = {"X-Mailroom-Author": author, **({"x-functions-key": key} if key else {})}
        self._session: Any = None

    async def __aenter__(self) -> Self:
        from aiohttp import ClientSession, ClientTimeout  # noqa: PLC0415 (320 ms at import)

        timeout = ClientTimeout(total=_TIMEOUT)
        self._session = ClientSession(headers=self._headers, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def names(self) -> list[str]:
        """All templates."""
        names: list[str] = []
        cursor = ""
        while True:
            page, _ = await self._ask("GET", "", query={"limit": "200", "cursor": cursor})
            names += [template["name"] for template in page["templates"]]
            cursor = page["cursor"] or ""
            if not cursor:
                return names

    async def get(self, name: str, version: str = "") -> tuple[dict[str, Any], str] | None:
        """A template with its files, and its ETag; None where there is none."""
        try:
            return await self._ask("GET", f"/{name}", query={"version": version})
        except NotFoundError:
            return None

    async def put(self, name: str, files: Mapping[str, str], note: str, etag: str) -> None:
        """Makes the files the draft, if the template is as it was read (etag "": not there)."""
        match = {"If-Match": etag} if etag else {}
        await self._ask("PUT", f"/{name}", {"files": dict(files), "note": note}, headers=match)

    async def publish(self, name: str) -> None:
        await self._ask("POST", f"/{name}/publish", {})

    async def _ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[dict[str, Any], str]:
        from aiohttp import ClientError  # noqa: PLC0415 (as above)

        given = {name: value for name, value in (query or {}).items() if value}
        try:
            async with self._session.request(
                method, self._url + path, params=given, headers=headers, json=body
            ) as response:
                raw = await response.read()
                status, etag = response.status, response.headers.get("ETag", "")
        except (ClientError, TimeoutError) as error:
            raise RemoteError(
                f"{self._url} does not answer: {type(error).__name__}.",
                fix="Check --url and the network.",
            ) from None
        if status >= 400:  # noqa: PLR2004
            raise _refusal(status, _value(raw))
        return _value(raw), etag


def _value(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw or b"{}")
    except ValueError:
        value = {}
    return value if isinstance(value, dict) else {}


def _refusal(status: int, problem: Mapping[str, Any]) -> MailroomError:
    if status == 404:  # noqa: PLR2004
        return NotFoundError(problem.get("detail", "There is no such template."))
    if status in (401, 403):
        return RemoteError(f"The app answered {status}.", fix="Check the function key (--key).")
    faults = [f"{e['detail']} {e['fix']}" for e in problem.get("errors", ())]
    detail = "\n".join(faults) or problem.get("detail") or f"The app answered {status}."
    return RemoteError(detail, fix="" if faults else problem.get("fix", ""))
