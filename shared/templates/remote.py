"""The API of templates, as the command line uses it."""

from collections.abc import Mapping
from typing import Any, Self

from shared.errors import NotFoundError
from shared.remote import RemoteApp


class RemoteTemplates:
    """An asynchronous context. url, credential and author: as of `RemoteApp`."""

    def __init__(self, url: str, credential: str, *, author: str) -> None:
        self._app = RemoteApp(url, credential, author=author)

    async def __aenter__(self) -> Self:
        await self._app.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._app.__aexit__(*exception)

    async def names(self) -> list[str]:
        """All templates."""
        names: list[str] = []
        query = {"limit": "200"}
        while True:
            page = (await self._app.ask("GET", "templates", params=query)).json()
            names += [template["name"] for template in page["templates"]]
            if not page["cursor"]:
                return names
            query["cursor"] = page["cursor"]

    async def get(self, name: str, version: str = "") -> tuple[dict[str, Any], str] | None:
        """A template with its files, and its ETag; None where there is none."""
        query = {"version": version} if version else {}
        try:
            reply = await self._app.ask("GET", f"templates/{name}", params=query)
        except NotFoundError:
            return None
        return reply.json(), reply.headers.get("ETag", "")

    async def put(self, name: str, files: Mapping[str, str], note: str, etag: str) -> None:
        """Makes the files the draft, if the template is as it was read (etag "": not there)."""
        headers = {"If-Match": etag} if etag else {}
        body = {"files": dict(files), "note": note}
        await self._app.ask("PUT", f"templates/{name}", json=body, headers=headers)

    async def publish(self, name: str) -> None:
        await self._app.ask("POST", f"templates/{name}/publish", json={})
