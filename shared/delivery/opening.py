"""Opens sessions of the submission server that the settings name, with the accounts' tokens."""

import asyncio
import ssl

from shared.accounts import Accounts
from shared.delivery.session import SignIn, SmtpSession, open_session, tls_context
from shared.delivery.submission import submission_server
from shared.settings import Settings


class SessionOpening:
    """Who signs in, and how a session is opened: what the pool of sessions asks for."""

    def __init__(self, settings: Settings, accounts: Accounts) -> None:
        self._settings = settings
        self._accounts = accounts
        self._server = submission_server(settings)
        self._tls: ssl.SSLContext | None = None

    async def sign_in(self, mailbox: str, rejected: SignIn | None) -> SignIn:
        """Who signs in to the mailbox; `rejected` was refused just now. Raises CredentialError."""
        if self._server.username:
            assert self._accounts.vault is not None, "load_settings demands it for LOGIN"
            secret = await self._accounts.vault.secret(self._settings.credential_name)
            return SignIn(self._server.username, secret.value, mechanism="LOGIN")
        refused = rejected.token if rejected else None
        token = await self._accounts.tokens.token(
            self._server.scope, mailbox=mailbox, rejected=refused
        )
        return SignIn(mailbox, token.value, until=token.expires_at, token=token)

    async def open(self, sign_in: SignIn) -> SmtpSession:
        """A signed-in session. Raises SessionError."""
        if self._tls is None:
            self._tls = await asyncio.to_thread(tls_context)
        return await open_session(
            self._server, sign_in, tls=self._tls, timeout=self._settings.smtp_timeout
        )
