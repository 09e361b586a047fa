"""The API of delivery tests, as the command line asks it."""

import secrets
from typing import Self

from shared.delivery_tests.report import DeliveryTest
from shared.errors import MailroomError
from shared.remote import RemoteApp, Reply

_TRIES = 5


class RemoteTests:
    """An asynchronous context. url, credential and pause: as of `RemoteApp`."""

    def __init__(self, url: str, credential: str, *, pause: float = 1.0) -> None:
        self._app = RemoteApp(url, credential, tries=_TRIES, pause=pause)

    async def __aenter__(self) -> Self:
        await self._app.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._app.__aexit__(*exception)

    async def begin(self, *, to: str, sender: str) -> DeliveryTest:
        """A test, begun once however often the request has to be repeated. Raises MailroomError."""
        wanted = {name: value for name, value in (("to", to), ("from", sender)) if value}
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        reply = await self._app.ask("POST", "delivery-tests", json=wanted, headers=headers)
        return _test(reply)

    async def get(self, test_id: str) -> DeliveryTest:
        """The test after its next step. Raises MailroomError."""
        return _test(await self._app.ask("GET", f"delivery-tests/{test_id}"))


def _test(reply: Reply) -> DeliveryTest:
    try:
        return DeliveryTest.model_validate_json(reply.body)
    except ValueError:
        raise MailroomError(
            "What answers is no Mailroom with delivery tests.", fix="Check --url (MAILROOM_URL)."
        ) from None
