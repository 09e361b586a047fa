"""Access tokens of callers: whether they are this tenant's, for this API, and whose.

Sources: learn.microsoft.com/entra/identity-platform/access-tokens and claims-validation;
RFC 8725 (a fixed algorithm, never the token's own choice), RFC 6750 (errors).
"""

import re
from typing import TYPE_CHECKING, Any

from shared.callers.caller import Caller
from shared.callers.keys import TenantKeys
from shared.errors import UnauthenticatedError
from shared.settings import Settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from jwt import InvalidTokenError

_ALGORITHM = "RS256"
_LEEWAY = 60  # seconds that clocks may differ
_LONGEST_HEADER = 16 * 1024
_LONGEST_KEY_ID = 200
_BEARER = re.compile(r"bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)", re.IGNORECASE)
_CLIENT_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DEMANDED = ["exp", "nbf", "iss", "aud", "tid"]

_FAULTS = {
    "ExpiredSignatureError": "The token has expired.",
    "ImmatureSignatureError": "The token is not valid yet; a clock may be wrong.",
    "InvalidAudienceError": "The token is for another API.",
    "InvalidIssuerError": "The token was issued by another tenant.",
    "InvalidSignatureError": "The token's signature is wrong.",
}


class TokenCheck:
    """Reads the header field `Authorization` of requests."""

    def __init__(self, settings: Settings, keys: TenantKeys | None = None) -> None:
        tenant, client = (
            settings.api_tenant_id or settings.tenant_id.lower(),
            settings.api_client_id,
        )
        self._keys = keys or TenantKeys(settings.authority, tenant)
        self._tenant = tenant
        self._callers = settings.callers
        self._audiences = [client, f"api://{client}"]
        # Version 1 and 2. The signature tells whose they are; the names differ by cloud.
        self._issuers = [
            f"https://sts.windows.net/{tenant}/",
            f"https://sts.chinacloudapi.cn/{tenant}/",
            f"https://login.microsoftonline.com/{tenant}/v2.0",
            f"{settings.authority}/{tenant}/v2.0",
        ]
        self._scope = f"api://{client}/.default"

    async def caller(self, authorization: str | None) -> Caller:
        """Whose token it is.

        Raises UnauthenticatedError, and CallerKeysUnavailableError where nobody can tell.
        """
        if not authorization:
            raise UnauthenticatedError(
                "A token of Entra ID is needed; function keys are switched off.",
                fix=f"{self._advice} Send it as Authorization: Bearer <token>.",
            )
        if len(authorization) > _LONGEST_HEADER:
            raise self._refusal("The token is larger than 16 KiB.")
        match = _BEARER.fullmatch(authorization.strip())
        if match is None:
            raise self._refusal("Authorization is not Bearer with a signed token.")
        return self._read(await self._claims(match[1]))

    async def _claims(self, token: str) -> dict[str, Any]:
        key = await self._key(token)
        import jwt  # noqa: PLC0415 - brings cryptography

        try:
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=[_ALGORITHM], audience=self._audiences,
                issuer=self._issuers, leeway=_LEEWAY, options={"require": _DEMANDED},
            )  # fmt: skip
        except jwt.InvalidTokenError as error:
            raise self._refusal(_fault(error)) from None
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise self._refusal("The token cannot be read.") from None
        return claims

    async def _key(self, token: str) -> "RSAPublicKey":
        import jwt  # noqa: PLC0415 - brings cryptography

        try:
            header = jwt.get_unverified_header(token)
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise self._refusal("The token cannot be read.") from None
        key_id = header.get("kid")
        if header.get("alg") != _ALGORITHM:
            raise self._refusal(f"The token is not signed with {_ALGORITHM}.")
        if not isinstance(key_id, str) or len(key_id) > _LONGEST_KEY_ID:
            raise self._refusal("The token names no key that signed it.")
        key = await self._keys.find(key_id)
        if key is None:
            raise self._refusal("The token is signed with a key that the tenant does not have.")
        return key

    def _read(self, claims: dict[str, Any]) -> Caller:
        if claims["tid"] != self._tenant:
            raise self._refusal("The token was issued by another tenant.")
        client = claims.get("azp" if claims.get("ver") == "2.0" else "appid")
        if not (isinstance(client, str) and _CLIENT_ID.fullmatch(client.lower())):
            raise self._refusal("The token does not say which application it was issued to.")
        client = client.lower()
        roles = claims.get("roles")
        names = roles if isinstance(roles, list) else ()
        return Caller(
            client,
            frozenset(name for name in names if isinstance(name, str)),
            None if self._callers is None else self._callers.get(client, ()),
        )

    @property
    def _advice(self) -> str:
        return f"Ask Entra ID, as an application with a role, for a token with {self._scope}."

    def _refusal(self, detail: str) -> UnauthenticatedError:
        return UnauthenticatedError(detail, fix=self._advice, error="invalid_token")


def _fault(error: "InvalidTokenError") -> str:
    """What is wrong with a token, in words of our own: it may hold anything."""
    from jwt import MissingRequiredClaimError  # noqa: PLC0415

    if isinstance(error, MissingRequiredClaimError):
        return f"The token lacks the claim {error.claim}."
    return _FAULTS.get(type(error).__name__, "The token cannot be read.")
