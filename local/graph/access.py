"""Who may do what with a mailbox: the token, its roles, and RBAC for applications.

learn.microsoft.com/exchange/permissions-exo/application-rbac
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from local.office365.tokens import TokenError, TokenKeys, read_claims

from .errors import GraphError

AUDIENCES = frozenset({"https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000"})

_READING = frozenset({"Mail.Read", "Mail.ReadWrite"})
_WRITING = frozenset({"Mail.ReadWrite"})


@dataclass(slots=True)
class Access:
    """`assignments`: mailbox (lower case) and app id to the roles that a management role
    assignment gives there, such as {"Mail.Read"}; a token's `roles` hold for every mailbox."""

    token_keys: TokenKeys
    tenant_id: str
    assignments: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    def assign(self, mailbox: str, app_id: str, *roles: str) -> None:
        """New-ManagementRoleAssignment, for one mailbox; without roles: Remove-…"""
        self.assignments[mailbox.lower(), app_id] = frozenset(roles)

    async def check(
        self, headers: Mapping[str, str], mailbox: str, *, writing: bool, now: datetime
    ) -> None:
        """Raises GraphError (401, 403) unless the bearer of the token may do it."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            raise GraphError(401, "InvalidAuthenticationToken", "Access token is empty.")
        try:
            claims = await read_claims(
                token, self.token_keys, tenant_id=self.tenant_id, now=now, audiences=AUDIENCES
            )
        except TokenError as error:
            raise GraphError(401, "InvalidAuthenticationToken", str(error)) from error
        app_id = str(claims.get("appid") or claims.get("azp") or "")
        roles = set(claims.get("roles") or ()) | self.assignments.get(
            (mailbox.lower(), app_id), frozenset()
        )
        if not roles & (_WRITING if writing else _READING):
            raise GraphError(
                403, "ErrorAccessDenied", "Access is denied. Check credentials and try again."
            )
