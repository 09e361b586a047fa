"""What stands before every route that is not open: a token with the role that it asks for."""

from shared.api.answers import Answer
from shared.callers.caller import CALLER
from shared.callers.roles import Role
from shared.callers.tokens import TokenCheck


class Admission:
    """Lets callers in. The caller is known (`CALLER`) for the rest of the request."""

    def __init__(self, tokens: TokenCheck) -> None:
        self._tokens = tokens

    async def admit(self, authorization: str | None, role: Role) -> Answer:
        """204 where the request may go on.

        Raises UnauthenticatedError, ForbiddenError, CallerKeysUnavailableError.
        """
        CALLER.set(None)
        caller = await self._tokens.caller(authorization)
        caller.check_role(role)
        CALLER.set(caller)
        return Answer(204, b"")
