"""Who calls the vault, and what the caller may do: challenge, bearer token and RBAC.

Sources: learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses and
rbac-guide.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import jwt

from local.entra import TokenIssuer
from local.keyvault.errors import VaultError
from local.web import Clock

AUDIENCE = "https://vault.azure.net"


class VaultRole(StrEnum):
    """The built-in roles for secrets. A user reads values; an officer also writes them."""

    USER = "Key Vault Secrets User"
    OFFICER = "Key Vault Secrets Officer"


_READING = frozenset({"getSecret", "readMetadata"})
_ACTIONS = {VaultRole.USER: _READING, VaultRole.OFFICER: _READING | {"setSecret", "update"}}


class VaultAccess:
    """Role assignments by principal (object) id; tests and the stack may change them.

    An assignment is for the whole vault.
    """

    def __init__(
        self, tokens: TokenIssuer, assignments: Mapping[str, VaultRole], clock: Clock
    ) -> None:
        self.assignments = dict(assignments)
        self._tokens = tokens
        self._clock = clock

    def check(
        self, authorization: str | None, *, action: str, resource: str, authority_url: str
    ) -> Mapping[str, Any]:
        """The claims of a caller who may do it; raises VaultError 401 (with challenge) or 403.

        `resource` is the secret's path, `authority_url` what the challenge sends callers to.
        """
        claims = self._identify(authorization, authority_url)
        role = self.assignments.get(str(claims.get("oid", "")))
        if role is None or action not in _ACTIONS[role]:
            raise _forbidden(claims, action, resource)
        return claims

    def _identify(self, authorization: str | None, authority_url: str) -> Mapping[str, Any]:
        challenge = f'Bearer authorization="{authority_url}", resource="{AUDIENCE}"'
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized("AKV10000: Request is missing a Bearer or PoP token.", challenge)
        try:
            claims = self._tokens.keys.verify(token.strip())
        except jwt.InvalidTokenError:
            text = "[BearerReadAccessTokenFailed] Error validating token: 'S2S12005'."
            raise _unauthorized(text, challenge) from None
        if claims.get("iss") != self._tokens.issuer:
            text = (
                f"AKV10032: Invalid issuer. Expected one of {self._tokens.issuer}, found "
                f"{claims.get('iss')}."
            )
            raise _unauthorized(text, challenge)
        if claims.get("aud") != AUDIENCE:
            text = f"AKV10022: Invalid audience. Expected {AUDIENCE}, found: {claims.get('aud')}."
            raise _unauthorized(text, challenge)
        now = self._clock().timestamp()
        if not claims.get("nbf", 0) <= now < claims.get("exp", 0):
            text = "[TokenExpired] Error validating token: 'S2S12086'."
            raise _unauthorized(text, challenge)
        return claims


def _unauthorized(message: str, challenge: str) -> VaultError:
    return VaultError(401, "Unauthorized", message, challenge=challenge)


def _forbidden(claims: Mapping[str, Any], action: str, resource: str) -> VaultError:
    return VaultError(
        403,
        "Forbidden",
        "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny "
        "assignments or role definitions were changed recently, please observe propagation time."
        f"\r\nCaller: appid={claims.get('appid')};oid={claims.get('oid')};iss={claims.get('iss')}"
        f"\r\nAction: 'Microsoft.KeyVault/vaults/secrets/{action}/action'"
        f"\r\nResource: '/providers/microsoft.keyvault/vaults/local{resource}'"
        "\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\n"
        "Vault: local;location=local\r\n",
        inner="ForbiddenByRbac",
    )
