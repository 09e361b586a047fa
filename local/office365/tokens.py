"""XOAUTH2 and the access token in it: who logs in, as what, through which mailbox.

Sources: learn.microsoft.com/exchange/client-developer/legacy-protocols/
how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth, …/permissions-exo/application-rbac.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from .tenant import Mailbox, Tenant

AUDIENCES = frozenset({"https://outlook.office365.com", "https://outlook.office.com"})
CLOCK_SKEW = 300.0  # seconds, as Microsoft's token validation allows by default

# A JWKS document (or what PyJWT made of one), an RSA public key, or its PEM.
type PublicKeys = Mapping[str, Any] | jwt.PyJWKSet | RSAPublicKey | str | bytes
type TokenKeys = PublicKeys | Callable[[], PublicKeys | Awaitable[PublicKeys]]


class TokenError(Exception):
    """The token does not let anybody in; the text says why and is for the log only."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the client sent: the mailbox it wants and its bearer token."""

    user: str
    token: str

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r})"


@dataclass(frozen=True, slots=True)
class Login:
    """A session's identity. `expires_at` is the token's `exp` in seconds since the epoch.

    `way`: "A" (role SMTP.SendAsApp, so the mailbox permission is asked for at the end of data),
    "B" (RBAC for applications) or "delegated" (scope SMTP.Send of a person).
    """

    mailbox: str
    app_id: str
    way: Literal["A", "B", "delegated"]
    expires_at: float


def read_xoauth2(response: bytes) -> Credentials:
    """Decode `user=<mailbox>^Aauth=Bearer <token>^A^A`; ValueError if it is not that."""
    try:
        text = base64.b64decode(response, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("the initial response is not base64 of UTF-8 text") from error
    parts = text.split("\x01")
    if len(parts) != 4 or parts[2:] != ["", ""]:  # noqa: PLR2004
        raise ValueError("the initial response has not the parts of XOAUTH2")
    user, _, mailbox = parts[0].partition("=")
    scheme, _, token = parts[1].partition(" ")
    if user != "user" or scheme.lower() != "auth=bearer" or not mailbox or not token:
        raise ValueError("the initial response lacks user= or auth=Bearer")
    return Credentials(mailbox, token)


async def read_claims(
    token: str,
    keys: TokenKeys,
    *,
    tenant_id: str,
    now: datetime,
    audiences: frozenset[str] = AUDIENCES,
) -> Mapping[str, Any]:
    """Return the claims of a token whose signature, times, audience and tenant are right.

    TokenError otherwise.
    """
    try:
        found = keys() if callable(keys) else keys
        key = _signing_key(token, await found if isinstance(found, Awaitable) else found)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            # The clock is a parameter here, so the times are compared below.
            options={
                "verify_aud": False,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "require": ["exp", "aud", "tid"],
            },
        )
    except jwt.PyJWTError as error:
        raise TokenError(f"the token cannot be trusted: {error}") from error
    audience = str(claims["aud"]).rstrip("/")
    if audience not in audiences:
        raise TokenError(f"the audience is {audience}, not {' or '.join(sorted(audiences))}")
    if claims["tid"] != tenant_id:
        raise TokenError(f"the token is of tenant {claims['tid']}, not {tenant_id}")
    if not isinstance(claims["exp"], (int, float)) or claims["exp"] <= now.timestamp():
        raise TokenError("the token has expired")
    if float(claims.get("nbf", 0)) > now.timestamp() + CLOCK_SKEW:
        raise TokenError("the token is not valid yet")
    return claims


def _signing_key(token: str, keys: PublicKeys) -> Any:
    if isinstance(keys, Mapping):
        keys = jwt.PyJWKSet.from_dict(dict(keys))
    if not isinstance(keys, jwt.PyJWKSet):
        return keys
    identifier = jwt.get_unverified_header(token).get("kid")
    for key in keys.keys:
        if key.key_id == identifier:
            return key
    raise TokenError(f"no published key has the token's key id {identifier!r}")


def log_in(claims: Mapping[str, Any], mailbox: Mailbox, tenant: Tenant) -> Login:
    """Decide whether the bearer of `claims` may submit through `mailbox`; TokenError if not."""
    app_id = str(claims.get("appid") or claims.get("azp") or "")
    expires_at = float(claims["exp"])
    scopes = str(claims.get("scp", "")).split()
    if scopes:
        person = str(claims.get("upn") or claims.get("preferred_username") or "").casefold()
        allowed = {mailbox.address.casefold(), *(one.casefold() for one in mailbox.delegates)}
        if "SMTP.Send" not in scopes:
            raise TokenError("the delegated token lacks the scope SMTP.Send")
        if not person or person not in allowed:
            raise TokenError("the token's user may not use this mailbox")
        return Login(mailbox.address, app_id, "delegated", expires_at)
    principals = tenant.service_principals
    if principals is not None and principals.get(app_id) != claims.get("oid"):
        raise TokenError("Exchange has no service principal with this app id and object id")
    roles = claims.get("roles", [])
    if isinstance(roles, list) and "SMTP.SendAsApp" in roles:
        return Login(mailbox.address, app_id, "A", expires_at)
    if app_id in mailbox.rbac_apps:
        return Login(mailbox.address, app_id, "B", expires_at)
    raise TokenError("the token has no role SMTP.SendAsApp, and no RBAC assignment covers it")
