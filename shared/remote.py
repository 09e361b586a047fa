"""Asking a running app from the command line: with a function key, or a token of Entra ID."""

import asyncio
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from shared.errors import MailroomError, NotFoundError

_MOST_OCTETS = 256 * 1024 * 1024
# A JSON Web Token (RFC 7519): three parts, of which the first begins a JSON object. Function keys
# have no dot.
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_SIGN_IN_FIX = (
    "Check the credential (--key, or MAILROOM_KEY): a function key of the app or, where "
    "MAILROOM_API_AUTH is entra, a token: az account get-access-token --resource api://<client id "
    "of the API> --query accessToken --output tsv"
)


class RemoteError(MailroomError):
    """The app refused, or does not answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the app answered."""

    body: bytes
    headers: Mapping[str, str]

    def json(self) -> dict[str, Any]:
        """The object in it; empty where there is none."""
        return _object(self.body)


class RemoteApp:
    """An asynchronous context. url: of the app, such as https://contoso-mail.azurewebsites.net;
    credential: a function key or an access token; timeout: seconds for one request; tries: for
    one that may be repeated; pause: seconds before the first repeat, doubling."""

    def __init__(
        self,
        url: str,
        credential: str,
        *,
        author: str = "",
        timeout: float = 60,
        tries: int = 1,
        pause: float = 1.0,
    ) -> None:
        self.url = url.rstrip("/").removesuffix("/api") + "/api"
        self._headers = _credential_headers(self.url, credential.strip())
        if author:
            self._headers["X-Mailroom-Author"] = author
        self._timeout = timeout
        self._tries = tries
        self._pause = pause
        self._session: Any = None

    async def __aenter__(self) -> Self:
        from aiohttp import ClientSession, ClientTimeout  # noqa: PLC0415 (320 ms at import)

        timeout = ClientTimeout(total=self._timeout)
        self._session = ClientSession(headers=self._headers, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ask(self, method: str, path: str, **options: Any) -> Reply:
        """The answer to a request, repeated where the app is not ready. path: below `/api`;
        options: of aiohttp. Raises NotFoundError for 404, RemoteError for all else that is none
        of 2xx."""
        from aiohttp import ClientError  # noqa: PLC0415 (as above)

        failure: MailroomError = RemoteError("")
        for number in range(self._tries):
            if number:
                jitter = 0.5 + secrets.randbelow(100) / 200
                await asyncio.sleep(self._pause * 2 ** (number - 1) * jitter)
            try:
                # A redirect would take the credential to where it was not meant for.
                async with self._session.request(
                    method, f"{self.url}/{path}", allow_redirects=False, **options
                ) as response:
                    body = await _read(response)
                    if 200 <= response.status < 300:  # noqa: PLR2004
                        return Reply(body, response.headers)
                    status = response.status
            except (ClientError, TimeoutError) as error:
                failure = RemoteError(
                    f"{self.url} does not answer: {type(error).__name__}.",
                    fix="Check --url (MAILROOM_URL) and the network; then run it again.",
                )
                continue
            failure = _refusal(status, _object(body))
            if status < 500 and status != 429:  # noqa: PLR2004
                break
        raise failure


def _credential_headers(url: str, credential: str) -> dict[str, str]:
    parts = urlsplit(url)
    near = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if credential and parts.scheme != "https" and not near:
        raise RemoteError(
            "The credential would go over the network in clear.", fix="Use https:// in --url."
        )
    if _TOKEN.fullmatch(credential):
        return {"Authorization": f"Bearer {credential}"}
    return {"x-functions-key": credential} if credential else {}


async def _read(response: Any) -> bytes:
    pieces, size = [], 0
    async for piece in response.content.iter_chunked(1024 * 1024):
        size += len(piece)
        if size > _MOST_OCTETS:
            raise RemoteError("The answer is too large to be Mailroom's.", fix="Check --url.")
        pieces.append(piece)
    return b"".join(pieces)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _refusal(status: int, problem: Mapping[str, Any]) -> MailroomError:
    """What a problem document says, or the status alone."""
    errors = problem.get("errors")
    listed = [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    detail = "\n".join(f"{one.get('detail', '')} {one.get('fix', '')}".strip() for one in listed)
    detail = detail or str(problem.get("detail") or f"The app answered {status}.")
    fix = "" if listed else str(problem.get("fix") or "")
    if status == 404:  # noqa: PLR2004
        return NotFoundError(detail, fix=fix)
    if status in {401, 403}:
        return RemoteError(detail, fix=fix or _SIGN_IN_FIX)
    return RemoteError(detail, fix=fix or ("" if listed else "See its log; then run it again."))
