"""Access tokens with enough life left, one request at a time."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from shared.accounts.entra import Grant
from shared.accounts.flights import Backoff, Flights
from shared.errors import CredentialError

logger = logging.getLogger(__name__)

LEAST_LIFE = timedelta(minutes=10)

# A token that replaced a refused one and is refused too is not the cause: no third is fetched.
_REPLACED_AGAIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token (RFC 6750) and its end in UTC."""

    value: str = field(repr=False)
    expires_at: datetime


class TokenFlow(Protocol):
    """An OAuth grant: how a token is come by."""

    def owner(self, mailbox: str) -> str:
        """Whose token serves the mailbox; "" where one serves all."""
        ...

    async def fetch(self, scope: str, mailbox: str) -> Grant:
        """A new token from Entra. Raises CredentialError."""
        ...

    def guards(self, error: CredentialError) -> bool:
        """Whether the flow itself keeps Entra from being asked the same thing again.

        Its credential was refused, and Key Vault may hold a new one at any moment.
        """
        ...


@dataclass(slots=True)
class _Holder:
    """The token of one scope and owner."""

    backoff: Backoff
    token: AccessToken | None = None
    renew_at: datetime | None = None
    replaced_at: datetime | None = None


class TokenSource:
    """Tokens for the submission server.

    A token is renewed in the background from half of its life on; callers wait only where none
    has `least_life` left. After a failure Entra is left alone for a while, and callers get the
    same error at once.
    """

    def __init__(
        self,
        flow: TokenFlow,
        *,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
        least_life: timedelta = LEAST_LIFE,
    ) -> None:
        self._flow = flow
        self._clock = clock
        self._chance = chance
        self._least_life = least_life
        self._flights = Flights()
        self._holders: dict[tuple[str, str], _Holder] = {}

    async def token(
        self, scope: str, *, mailbox: str = "", rejected: AccessToken | None = None
    ) -> AccessToken:
        """A token for the scope that lives for 10 minutes at least.

        mailbox: whom the session signs in as; matters to the delegated flow only.
        rejected: a token that the server has just refused. If it is still the one in memory a new
        one is fetched, once for all who ask. A token that was fetched for this reason within the
        last minute is given again: the refusal is then not the token's fault.

        Raises CredentialError, or CredentialUnavailableError where a later try may succeed.
        """
        key = (scope, self._flow.owner(mailbox))
        holder = self._holders.get(key)
        if holder is None:
            holder = self._holders[key] = _Holder(Backoff(5.0, 60.0, self._chance))
        now = self._clock()
        if rejected is not None:
            self._drop(holder, rejected, now)
        fetch = partial(self._fetch, holder, scope, mailbox)
        refusal = holder.backoff.refusal(now)
        token = holder.token
        if token is not None and token.expires_at - now >= self._least_life:
            if refusal is None and holder.renew_at is not None and now >= holder.renew_at:
                self._flights.start(key, fetch)
            return token
        if refusal is not None:
            raise refusal
        return await self._flights.join(key, fetch)

    async def aclose(self) -> None:
        """Ends what runs in the background. No token is revoked."""
        await self._flights.aclose()

    def _drop(self, holder: _Holder, rejected: AccessToken, now: datetime) -> None:
        if holder.token is None or holder.token.value != rejected.value:
            return
        if holder.replaced_at is not None and now - holder.replaced_at < _REPLACED_AGAIN:
            return
        holder.token = None
        holder.replaced_at = now
        logger.info("A token was refused by the server; a new one is fetched.")

    async def _fetch(self, holder: _Holder, scope: str, mailbox: str) -> AccessToken:
        asked_at = self._clock()
        try:
            grant = await self._flow.fetch(scope, mailbox)
            self._check(grant)
        except CredentialError as error:
            now = self._clock()
            pause = holder.backoff.fail(now, error, growing=not self._flow.guards(error))
            logger.warning(
                "No new token for %s: %s",
                scope,
                error,
                extra={
                    "code": error.code,
                    "retry_in": round(pause, 1),
                    "held_until": holder.token.expires_at.isoformat() if holder.token else "",
                },
            )
            raise
        # Entra's clock plays no part: the life counts from our own request.
        lifetime = timedelta(seconds=grant.lifetime)
        token = AccessToken(grant.token, asked_at + lifetime)
        holder.token = token
        holder.renew_at = asked_at + lifetime / 2
        holder.backoff.clear()
        logger.info(
            "Fetched a token for %s.", scope, extra={"expires_at": token.expires_at.isoformat()}
        )
        return token

    def _check(self, grant: Grant) -> None:
        if grant.lifetime < self._least_life.total_seconds():
            raise CredentialError(
                f"Entra ID issues tokens that live for {grant.lifetime:.0f} seconds; "
                f"{self._least_life.total_seconds():.0f} are needed.",
                fix="Lengthen the tenant's token lifetime policy for the app.",
                code="token_too_short",
            )
