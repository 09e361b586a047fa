"""Requests to Entra ID through MSAL: in a thread, with time limits, retried within reason."""

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

from shared.accounts.aadsts import read_refusal
from shared.errors import CredentialError, CredentialUnavailableError
from shared.settings import Settings

logger = logging.getLogger(__name__)

# What MSAL's application is made with, and what comes back: the OAuth answer as MSAL gives it.
type Conversation = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]

_TIMEOUTS = (3.0, 7.0)  # to connect, to read
_ATTEMPTS = 3
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
_PATIENCE = 15.0  # no new attempt is begun after this many seconds
_REFUSED = 400


@dataclass(frozen=True, slots=True)
class Grant:
    """A token as Entra gave it. `lifetime` is in seconds from the moment of the request."""

    token: str = field(repr=False)
    lifetime: float


class Entra:
    """The tenant's token endpoint.

    MSAL keeps tokens and refusals in memory (an access token until 5 minutes before its end, an
    error answer for up to a minute), so that it could hand out a token that the submission server
    has refused, and answer a retry from memory. Each request therefore gets an application of its
    own; what may be remembered is remembered by TokenSource.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._authority = f"{settings.authority}/{settings.tenant_id}"
        self._pause = pause
        self._chance = chance

    async def ask(self, conversation: Conversation) -> Mapping[str, Any]:
        """Holds the conversation; returns the answer that carries an access token.

        conversation: called in a thread with the keywords for an MSAL application.

        429, 5xx and broken connections are tried again, after Retry-After where it is given.
        Raises CredentialError, or CredentialUnavailableError where a later try may succeed.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        attempt = 0
        while True:
            attempt += 1
            outcome = await asyncio.to_thread(self.converse, conversation)
            if not isinstance(outcome, CredentialError):
                return outcome
            pause = self._wait(outcome, attempt)
            if pause is None or loop.time() - began + pause > _PATIENCE:
                raise outcome
            logger.info(
                "Entra ID is asked again in %.1f seconds: %s",
                pause,
                outcome.code,
                extra={"code": outcome.code, "attempt": attempt, "retry_in": round(pause, 1)},
            )
            await self._pause(pause)

    def converse(self, conversation: Conversation) -> Mapping[str, Any] | CredentialError:
        """One try, in the calling thread: the answer with its access token, or our error."""
        # msal costs a quarter of a second at import.
        import requests  # noqa: PLC0415
        from msal.exceptions import MsalError  # noqa: PLC0415

        answer: Mapping[str, Any] | None = None
        failure: CredentialError | None = None
        with _Wire(requests.Session()) as wire:
            try:
                answer = conversation(
                    {
                        "authority": self._authority,
                        "http_client": wire,
                        # The authority is the operator's own choice: nobody need vouch for it.
                        "instance_discovery": False,
                    }
                )
            except requests.exceptions.RequestException as error:
                failure = _unreachable(type(error).__name__)
            except CredentialError as error:
                failure = error
            except (MsalError, ValueError, KeyError, RuntimeError) as error:
                failure = _unreadable(type(error).__name__)
                if wire.status >= _REFUSED:
                    failure = wire.refusal()
            if answer is not None and "access_token" in answer:
                return answer
            return failure or (wire.refusal() if wire.status else _unreadable("no answer"))

    def _wait(self, error: CredentialError, attempt: int) -> float | None:
        """Seconds until the next attempt, None if there is to be none."""
        if not isinstance(error, CredentialUnavailableError) or attempt >= _ATTEMPTS:
            return None
        if error.retry_after is not None:
            pause = error.retry_after * (1 + self._chance() / 10)
        else:
            pause = _FIRST_PAUSE * 2 ** (attempt - 1) * (1 + self._chance())
        return pause if pause <= _LONGEST_PAUSE else None


def read_grant(answer: Mapping[str, Any]) -> Grant:
    """The token of an OAuth answer (RFC 6749 section 5.1)."""
    return Grant(str(answer["access_token"]), float(answer.get("expires_in") or 0))


class _Wire:
    """The HTTP client that MSAL speaks through: time limits, and how the last answer was."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.status = 0
        self._body = ""
        self._retry_after: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._session.close()

    def get(self, url: str, **options: Any) -> Any:
        return self._keep(self._session.get(url, timeout=_TIMEOUTS, **options))

    def post(self, url: str, **options: Any) -> Any:
        # A redirect would carry the app's credential elsewhere.
        return self._keep(
            self._session.post(url, timeout=_TIMEOUTS, allow_redirects=False, **options)
        )

    def close(self) -> None:
        self._session.close()

    def refusal(self) -> CredentialError:
        """Our error for the last answer."""
        try:
            body = json.loads(self._body)
        except ValueError:
            body = None
        return read_refusal(
            body if isinstance(body, dict) else {},
            status=self.status,
            retry_after=self._retry_after,
        )

    def _keep(self, answer: Any) -> Any:
        # Not the answer itself: it would keep its connection open beyond this conversation, and
        # a good one has a token in it.
        self.status = int(answer.status_code)
        self._body = answer.text if self.status >= _REFUSED else ""
        self._retry_after = _retry_after(answer.headers)
        return answer


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Retry-After (RFC 9110 section 10.2.3) in seconds; a date counts from the answer's own."""
    text = headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        then, now = parsedate_to_datetime(text), parsedate_to_datetime(headers.get("Date", ""))
        return max(0.0, (then - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _unreachable(what: str) -> CredentialUnavailableError:
    return CredentialUnavailableError(
        f"Entra ID cannot be reached: {what}.",
        fix="Check MAILROOM_AUTHORITY, the network, and that TLS is not intercepted on the way.",
        code="entra_unreachable",
    )


def _unreadable(what: str) -> CredentialError:
    return CredentialError(
        f"Entra ID's answer, or the request to it, makes no sense: {what}.",
        fix="Check MAILROOM_AUTHORITY and MAILROOM_TENANT_ID, and that no proxy answers instead.",
        code="entra_unreadable",
    )
