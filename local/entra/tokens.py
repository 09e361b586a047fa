"""Access tokens in the shape that Exchange Online, Key Vault and Storage receive (version 1.0).

Source: learn.microsoft.com/entra/identity-platform/access-token-claims-reference.
"""

import base64
import hashlib
import random
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from local.entra.directory import TOKEN_EXCHANGE_AUDIENCE, App, User
from local.entra.keys import SigningKeys
from local.web import Clock, utc_now

DEFAULT_LIFE = (timedelta(minutes=60), timedelta(minutes=90))
IDENTITY_LIFE = timedelta(hours=24)
_BACKDATED = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed token, with the claims that it carries.

    `expires_at` is in seconds since the epoch, `expires_in` in seconds from its issue.
    """

    value: str = field(repr=False)
    claims: dict[str, Any]
    expires_at: int
    expires_in: int


@dataclass(slots=True)
class TokenFaults:
    """Wrong tokens, for tests: those of the next `times` (None: all) token requests.

    `life` shortens tokens, `audience` replaces theirs, `drop_roles` leaves the `roles` claim out.
    Tokens of managed identities are not touched.
    """

    audience: str | None = None
    life: timedelta | None = None
    drop_roles: bool = False
    times: int | None = None

    def apply(self, claims: dict[str, Any], now: datetime) -> None:
        """Spoil the claims of one token, and count it."""
        if self.times == 0:
            return
        if self.times is not None:
            self.times -= 1
        if self.audience is not None:
            claims["aud"] = self.audience
        if self.life is not None:
            claims["exp"] = _epoch(now + self.life)
        if self.drop_roles:
            claims.pop("roles", None)


class TokenIssuer:
    """Issues a tenant's tokens. `life` is a fixed life or a range, drawn from at random."""

    def __init__(
        self,
        keys: SigningKeys,
        tenant_id: str,
        *,
        life: timedelta | tuple[timedelta, timedelta] = DEFAULT_LIFE,
        clock: Clock = utc_now,
        chance: random.Random | None = None,
    ) -> None:
        self.keys = keys
        self.tenant_id = tenant_id
        self.life = life
        self.faults = TokenFaults()
        self._clock = clock
        self._chance = chance or random.Random()

    @property
    def issuer(self) -> str:
        """The `iss` of version 1.0 access tokens."""
        return f"https://sts.windows.net/{self.tenant_id}/"

    @property
    def federation_issuer(self) -> str:
        """The `iss` of version 2.0 tokens: the issuer that a federated credential names."""
        return f"https://login.microsoftonline.com/{self.tenant_id}/v2.0"

    def issue_to_app(
        self,
        app: App,
        audience: str,
        roles: Collection[str],
        *,
        authentication: str,
        version: int = 1,
    ) -> AccessToken:
        """An app-only token of version 1 or 2.

        `authentication` is `appidacr`: "1" a secret, "2" an assertion.
        """
        claims: dict[str, Any] = {
            "appid": app.client_id,
            "appidacr": authentication,
            "idtyp": "app",
            "oid": app.object_id,
            "sub": app.object_id,
        }
        if roles:
            claims["roles"] = sorted(roles)
        if version == 2:  # noqa: PLR2004
            client, kind = claims.pop("appid"), claims.pop("appidacr")
            claims |= {"azp": client, "azpacr": kind, "iss": self.federation_issuer, "ver": "2.0"}
        return self._issue(audience, claims | dict(app.extra_claims))

    def issue_to_user(
        self, app: App, user: User, audience: str, scopes: Collection[str], *, authentication: str
    ) -> AccessToken:
        """A delegated token: what an application may do in a user's name."""
        claims = {
            "appid": app.client_id,
            "appidacr": authentication,
            "idtyp": "user",
            "name": user.name,
            "oid": user.object_id,
            "scp": " ".join(sorted(scopes)),
            "sub": pairwise_subject(app, user),
            "unique_name": user.upn,
            "upn": user.upn,
        }
        return self._issue(audience, claims | dict(app.extra_claims))

    def issue_to_identity(
        self, client_id: str, principal_id: str, audience: str, life: timedelta = IDENTITY_LIFE
    ) -> AccessToken:
        """A managed identity's token; version 2.0 where it is to be a client assertion."""
        claims: dict[str, Any] = {"idtyp": "app", "oid": principal_id, "sub": principal_id}
        if audience == TOKEN_EXCHANGE_AUDIENCE:
            claims |= {"azp": client_id, "azpacr": "2", "iss": self.federation_issuer, "ver": "2.0"}
        else:
            claims |= {"appid": client_id, "appidacr": "2"}
        return self._issue(audience, claims, life)

    def issue_id_token(self, app: App, user: User) -> str:
        """An OpenID Connect id token, which MSAL reads the account from."""
        now = self._clock()
        claims = {
            "aud": app.client_id,
            "iss": self.federation_issuer,
            "iat": _epoch(now),
            "nbf": _epoch(now),
            "exp": _epoch(now + timedelta(hours=1)),
            "name": user.name,
            "oid": user.object_id,
            "preferred_username": user.upn,
            "sub": pairwise_subject(app, user),
            "tid": self.tenant_id,
            "ver": "2.0",
        }
        return self.keys.sign(claims)

    def _issue(
        self, audience: str, claims: dict[str, Any], life: timedelta | None = None
    ) -> AccessToken:
        now = self._clock()
        full: dict[str, Any] = {
            "aud": audience,
            "iss": self.issuer,
            "idp": self.issuer,
            "iat": _epoch(now - _BACKDATED),
            "nbf": _epoch(now - _BACKDATED),
            "exp": _epoch(now + (life or self._draw_life())),
            "tid": self.tenant_id,
            "uti": secrets.token_urlsafe(16),
            "ver": "1.0",
        } | claims
        if life is None:
            self.faults.apply(full, now)
        return AccessToken(
            self.keys.sign(full), full, expires_at=full["exp"], expires_in=full["exp"] - _epoch(now)
        )

    def _draw_life(self) -> timedelta:
        if isinstance(self.life, timedelta):
            return self.life
        shortest, longest = self.life
        return shortest + (longest - shortest) * self._chance.random()


def pairwise_subject(app: App, user: User) -> str:
    """The `sub` of a user's tokens: the same for one application, unlike any other's."""
    pair = f"{app.client_id}/{user.object_id}".encode()
    return base64.urlsafe_b64encode(hashlib.sha256(pair).digest()).rstrip(b"=").decode()


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())
