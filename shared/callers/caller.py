"""The application that a request comes from, and whom it may send as."""

from collections.abc import Collection
from contextvars import ContextVar
from dataclasses import dataclass

from shared.callers.roles import ADMIN, Role
from shared.errors import ForbiddenError


@dataclass(frozen=True, slots=True)
class Caller:
    """An application with a token. `senders`: the From addresses (or `*@domain`) that it may send
    as, in lower case; None: any."""

    client_id: str
    roles: frozenset[str]
    senders: Collection[str] | None = None

    def check_role(self, role: Role) -> None:
        """Raises ForbiddenError where the caller has not this role, nor Mail.Admin."""
        if not {role, ADMIN} & self.roles:
            raise ForbiddenError(
                f"The application {self.client_id} has not the role {role} of this API.",
                fix=f"Assign it {role} or {ADMIN} (docs/security.md tells how), and ask for a new "
                "token: an older one does not have it.",
                error="insufficient_scope",
            )


# Set for the time of one HTTP request that came with a token; queues and timers have no caller.
CALLER: ContextVar[Caller | None] = ContextVar("caller", default=None)


def check_sender(address: str) -> None:
    """Raises ForbiddenError where the request's caller may not send as this From address."""
    caller = CALLER.get()
    if caller is None or caller.senders is None:
        return
    who = address.lower()
    if who not in caller.senders and f"*@{who.rpartition('@')[2]}" not in caller.senders:
        raise ForbiddenError(
            f"The application {caller.client_id} may not send as {who}.",
            fix=f"Send as one of its own identities, or add {who} to it in MAILROOM_CALLERS.",
        )


def calling_application() -> str:
    """The client id of the request's caller; "" where it came with a key, or by no request."""
    caller = CALLER.get()
    return caller.client_id if caller else ""
