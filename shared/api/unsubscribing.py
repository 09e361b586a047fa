"""`/api/unsubscribe/{token}`: the preference page, and the one click of mail providers (RFC 8058).

GET and HEAD show, whoever asks and however often: scanners open every address in a mail. Only a
POST changes something.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from shared.api.answers import Answer
from shared.errors import MailroomError
from shared.pages import Page, choose_language
from shared.preferences import PreferenceError, RecipientPreferences
from shared.suppression import AddressError
from shared.unsubscribing.forms import Form, change_of, read_form
from shared.unsubscribing.page import PreferencePages
from shared.unsubscribing.requests import Choices, UnsubscribeRequests
from shared.unsubscribing.texts import language_of
from shared.unsubscribing.tokens import Subscriber

logger = logging.getLogger(__name__)

_HTML = "text/html"
_DONE = b"Unsubscribed.\n"


class UnsubscribeApi:
    """Answers recipients and their mail providers. Header names are expected in lower case.

    language: of those whose browser names none, and who have chosen none.
    """

    def __init__(
        self,
        requests: UnsubscribeRequests,
        pages: PreferencePages,
        *,
        language: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._requests = requests
        self._pages = pages
        self._language = language
        self._clock = clock

    async def serve(
        self, method: str, token: str, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        """What GET, HEAD and POST are answered with."""
        posting = method.upper() == "POST"

        async def work() -> Answer:
            subscriber = await self._requests.read(token)
            if subscriber is None:
                return self._notice("invalid", 404, headers)
            if posting:
                return await self._post(subscriber, token, body, headers)
            return await self._show(subscriber, headers)

        answer = await self._safely(work, headers)
        if method.upper() == "HEAD":
            return Answer(answer.status, b"", answer.content_type, answer.headers)
        return answer

    async def _safely(
        self, work: Callable[[], Awaitable[Answer]], headers: Mapping[str, str]
    ) -> Answer:
        """What `work` answers; a recipient is never shown the words of an error."""
        try:
            return await work()
        except AddressError:  # sealed by us, but no address that can be kept
            return self._notice("invalid", 404, headers)
        except MailroomError as error:
            logger.error("a link cannot be served: %s", error)  # noqa: TRY400 (no trace: it is told)
        except Exception:
            logger.exception("unexpected error")
        return self._notice("error", 503, headers, retry_after=60)

    async def _show(self, subscriber: Subscriber, headers: Mapping[str, str]) -> Answer:
        choices = await self._requests.look(subscriber)
        return _page(200, self._pages.choices(choices, self._choose(headers, choices.preferences)))

    async def _post(
        self, subscriber: Subscriber, token: str, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        form = read_form(body, headers.get("content-type", ""))
        if form is None:
            return self._notice("odd", 400, headers)
        if not await self._requests.admit(token):
            return self._notice("busy", 429, headers, retry_after=3600)
        if form.action == "one-click":
            await self._requests.leave(subscriber, "one-click")
            return Answer(200, _DONE, "text/plain", {"Cache-Control": "no-store"})
        return await self._change(form, await self._requests.look(subscriber), token, headers)

    async def _change(
        self, form: Form, before: Choices, token: str, headers: Mapping[str, str]
    ) -> Answer:
        change = change_of(form, before.subscriber.topic, before.names, self._clock())
        if change is None:
            return self._notice("odd", 400, headers)
        try:
            after = await self._requests.change(before, change, "page")
        except PreferenceError:
            return self._notice("odd", 400, headers)
        page = self._pages.outcome(
            form.action, before, after, back=token, language=self._choose(headers, after)
        )
        return _page(200, page)

    def _choose(
        self, headers: Mapping[str, str], preferences: RecipientPreferences | None = None
    ) -> str:
        """The first language of the browser's that there is, else the recipient's, else that of
        the settings."""
        own = preferences.language if preferences else ""
        fallback = language_of(own or self._language)
        accepted = headers.get("accept-language", "")
        return choose_language(accepted, fallback=fallback) if accepted else fallback

    def _notice(
        self, kind: str, status: int, headers: Mapping[str, str], *, retry_after: int = 0
    ) -> Answer:
        answer = _page(status, self._pages.notice(kind, self._choose(headers)))
        if not retry_after:
            return answer
        after = {"Retry-After": str(retry_after)}
        return Answer(status, answer.body, _HTML, {**answer.headers, **after})


def _page(status: int, page: Page) -> Answer:
    return Answer(status, page.body, _HTML, page.headers)
