"""Requests to Microsoft Graph about one mailbox, and what its answers mean.

learn.microsoft.com/graph/throttling-limits#outlook-service-limits (4 requests at once for a
mailbox), learn.microsoft.com/graph/errors, learn.microsoft.com/graph/outlook-immutable-id
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from shared.errors import InboxError, InboxUnavailableError
from shared.inbox.source import SignIn

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

IMMUTABLE = 'IdType="ImmutableId"'

_AT_ONCE = 4
_TRIES = 4
_SHORT_WAIT = 10.0  # seconds that are waited within a run; for longer ones the run ends
_JSON_LIMIT = 8 * 1024 * 1024
_THROTTLED = 429
_BUSY = frozenset({_THROTTLED, 500, 502, 503, 504})
_RESYNC = frozenset(
    {"syncstatenotfound", "syncstateinvalid", "errorinvalidsyncstatedata", "resyncrequired"}
)

_READ_FIX = (
    "In Exchange Online PowerShell: New-ManagementRoleAssignment -Role 'Application Mail.Read' "
    "-App <the app's service principal> -CustomResourceScope <a scope that holds the mailbox>. "
    "Changes take up to 2 hours; Test-ServicePrincipalAuthorization tells whether it is right."
)
_WRITE_FIX = (
    "Marking and moving mail needs the role 'Application Mail.ReadWrite' in place of "
    "'Application Mail.Read': assign it, or set MAILROOM_RETURNED_DISPOSAL=leave."
)
_MAILBOX_FIX = (
    "Check MAILROOM_RETURNED_MAILBOXES (or MAILROOM_SENDERS): each must be a mailbox of Exchange "
    "Online in the tenant MAILROOM_TENANT_ID."
)
_AUDIENCE_FIX = (
    "Leave MAILROOM_RETURNED_SCOPE empty, or name MAILROOM_GRAPH_URL's cloud in it, and compare "
    "MAILROOM_TENANT_ID with the mailboxes' tenant."
)


class ResyncError(InboxUnavailableError):
    """Graph does not know the state token any more: the folder is looked through again."""


class ItemMissingError(InboxError):
    """The mail or folder is not there, or not any more."""


class GraphMailClient:
    """One mailbox at Graph. `base`: Graph's address without a version."""

    def __init__(
        self,
        session: "ClientSession",
        base: str,
        mailbox: str,
        *,
        sign_in: SignIn,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._session = session
        self._base = base
        self._mailbox = mailbox
        self._sign_in = sign_in
        self._pause = pause
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def url(self, *path: str, **query: str) -> str:
        """An address below the mailbox; an underscore before a name stands for `$`."""
        steps = "/".join(quote(step, safe="=$") for step in ("users", self._mailbox, *path))
        options = {name.replace("_", "$", 1): value for name, value in query.items()}
        parameters = f"?{urlencode(options, safe='$,:')}" if options else ""
        return f"{self._base}/v1.0/{steps}{parameters}"

    async def get(self, url: str, *, page_size: int = 0) -> Mapping[str, Any]:
        """A JSON object. A link that Graph gave (nextLink, deltaLink) is used as it is."""
        prefer = f"{IMMUTABLE}, odata.maxpagesize={page_size}" if page_size else IMMUTABLE
        async with self._request("GET", url, {"Prefer": prefer}) as answer:
            return _object(await _read(answer, _JSON_LIMIT))

    async def content(self, url: str, limit: int) -> bytes:
        """The octets of a mail, one more than the limit at most."""
        async with self._request("GET", url, {"Prefer": IMMUTABLE}) as answer:
            return await _read(answer, limit + 1)

    async def send(self, method: str, url: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A change: PATCH or POST."""
        headers = {"Prefer": IMMUTABLE, "Content-Type": "application/json"}
        data = json.dumps(body).encode()
        async with self._request(method, url, headers, data) as answer:
            return _object(await _read(answer, _JSON_LIMIT))

    @asynccontextmanager
    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], data: bytes | None = None
    ) -> AsyncIterator["ClientResponse"]:
        """A good answer; throttling is waited out where that is short, a refused token replaced."""
        from aiohttp import ClientError  # noqa: PLC0415 - 320 ms at import
        from yarl import URL  # noqa: PLC0415 - comes with aiohttp

        if not url.startswith(f"{self._base}/"):  # the token is for Graph alone
            raise ResyncError("Microsoft Graph gave a link to another server.")
        rejected = None
        for tries_left in reversed(range(_TRIES)):
            token = await self._sign_in(self._mailbox, rejected)
            sent = {**headers, "Authorization": f"Bearer {token.value}"}
            try:
                async with (
                    self._turns,
                    self._session.request(
                        method, URL(url, encoded=True), headers=sent, data=data,
                        allow_redirects=False,
                    ) as answer,
                ):  # fmt: skip
                    if answer.status < 300:  # noqa: PLR2004
                        yield answer
                        return
                    refusal = await self._refusal(answer, writing=method != "GET")
            except (ClientError, TimeoutError) as error:
                raise InboxUnavailableError(
                    f"Microsoft Graph does not answer: {type(error).__name__}.",
                    fix="Check MAILROOM_GRAPH_URL and the network.",
                ) from None
            if answer.status == 401 and rejected is None and tries_left:  # noqa: PLR2004
                rejected = token
                continue
            wait = refusal.retry_after if isinstance(refusal, InboxUnavailableError) else None
            if isinstance(refusal, ResyncError) or wait is None or not tries_left:
                raise refusal
            if wait > _SHORT_WAIT:
                raise refusal
            await self._pause(wait)
        raise AssertionError  # the loop returns or raises

    async def _refusal(self, answer: "ClientResponse", *, writing: bool) -> InboxError:
        """What an error answer means (learn.microsoft.com/graph/errors)."""
        code = _code(await _read(answer, 64 * 1024))
        status, said = answer.status, f"{answer.status} {code}".strip()
        if status == 410 or code.lower() in _RESYNC:  # noqa: PLR2004
            return ResyncError(f"Microsoft Graph has lost count of {self._mailbox}: {said}.")
        if status in _BUSY:
            wait = _seconds(answer.headers.get("Retry-After", ""), throttled=status == _THROTTLED)
            return InboxUnavailableError(f"Microsoft Graph asks to wait: {said}.", retry_after=wait)
        if code in {"ErrorItemNotFound", "ErrorFolderNotFound"}:
            return ItemMissingError(f"Not found in the mailbox {self._mailbox}: {said}.")
        may_not = f"The app may not {'change the mail of' if writing else 'read'} the mailbox"
        detail, fix = {
            401: ("Microsoft Graph refuses the token", _AUDIENCE_FIX),
            403: (f"{may_not} {self._mailbox}", _WRITE_FIX if writing else _READ_FIX),
            404: (f"There is no mailbox {self._mailbox}", _MAILBOX_FIX),
        }.get(status, ("Microsoft Graph refuses the request", ""))
        return InboxError(f"{detail}: {said}.", fix=fix)


async def _read(answer: "ClientResponse", limit: int) -> bytes:
    """The body, or so much of it."""
    pieces: list[bytes] = []
    left = limit
    while left and (piece := await answer.content.read(left)):
        pieces.append(piece)
        left -= len(piece)
    if left == 0:
        answer.close()  # the rest is not waited for
    return b"".join(pieces)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InboxUnavailableError(
            "Microsoft Graph's answer is no JSON object.",
            fix="Check MAILROOM_GRAPH_URL, and that no proxy answers instead.",
        )
    return found


def _code(body: bytes) -> str:
    """The code of an error answer, never its text."""
    try:
        code = json.loads(body)["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return ""
    return "".join(c for c in str(code) if c.isalnum() or c in "._-")[:80]


def _seconds(retry_after: str, *, throttled: bool) -> float:
    """Retry-After in seconds (Graph sends no dates); a guess where there is none."""
    if retry_after.strip().isdigit():
        return float(retry_after)
    return 60.0 if throttled else 2.0
