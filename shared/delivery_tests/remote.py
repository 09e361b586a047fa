"""The API of delivery tests, as the command line asks it: from anywhere, by a function key."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from typing import Any, Self

from shared.delivery_tests.report import DeliveryTest
from shared.errors import MailroomError

_TIMEOUT = 60  # seconds, for one request
_TRIES = 5
_MOST_OCTETS = 2 * 1024 * 1024


class RemoteTests:
    """An asynchronous context. url: of the app, such as https://contoso-mail.azurewebsites.net;
    pause: seconds before the first repeat, doubling."""

    def __init__(self, url: str, key: str, *, pause: float = 1.0) -> None:
        self._url = url.rstrip("/").removesuffix("/api") + "/api/delivery-tests"
        self._headers = {"x-functions-key": key} if key else {}
        self._pause = pause
        self._session: Any = None

    async def __aenter__(self) -> Self:
        from aiohttp import ClientSession, ClientTimeout  # noqa: PLC0415 (320 ms at import)

        timeout = ClientTimeout(total=_TIMEOUT)
        self._session = ClientSession(headers=self._headers, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def begin(self, *, to: str, sender: str) -> DeliveryTest:
        """A test, begun once however often the request has to be repeated. Raises MailroomError."""
        wanted = {name: value for name, value in (("to", to), ("from", sender)) if value}
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        return await self._ask("POST", self._url, json=wanted, headers=headers)

    async def get(self, test_id: str) -> DeliveryTest:
        """The test after its next step. Raises MailroomError."""
        return await self._ask("GET", f"{self._url}/{test_id}")

    async def _ask(self, method: str, url: str, **options: Any) -> DeliveryTest:
        from aiohttp import ClientError  # noqa: PLC0415 (as above)

        failure = MailroomError("")
        for tries in range(_TRIES):
            if tries:
                await asyncio.sleep(self._pause * 2 ** (tries - 1))
            try:
                async with self._session.request(method, url, **options) as response:
                    body = await response.content.read(_MOST_OCTETS)
                    while piece := await response.content.read(_MOST_OCTETS - len(body)):
                        body += piece
                    status = response.status
            except (ClientError, TimeoutError) as error:
                failure = MailroomError(
                    f"{self._url} does not answer: {type(error).__name__}.",
                    fix="Check --url (MAILROOM_URL) and the network.",
                )
                continue
            failure = _failure(status, body)
            if status < 300:  # noqa: PLR2004
                return _read(body)
            if status < 500 and status != 429:  # noqa: PLR2004
                break
        raise failure


def _read(body: bytes) -> DeliveryTest:
    try:
        return DeliveryTest.model_validate_json(body)
    except ValueError:
        raise MailroomError(
            "What answers is no Mailroom with delivery tests.", fix="Check --url (MAILROOM_URL)."
        ) from None


def _failure(status: int, body: bytes) -> MailroomError:
    """What a problem document says, or the status alone."""
    if status in {401, 403}:
        return MailroomError(
            f"The app answered {status}.", fix="Check the function key: --key, or MAILROOM_KEY."
        )
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if not isinstance(said, Mapping):
        return MailroomError(f"The app answered {status}.", fix="Look into its log.")
    faults = said.get("errors") or [said]
    first = faults[0] if isinstance(faults, list) and isinstance(faults[0], Mapping) else {}
    detail = str(first.get("detail") or f"The app answered {status}.")
    return MailroomError(detail, fix=str(first.get("fix") or ""))
