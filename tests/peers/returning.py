"""A mail system that sends bounces, and Mailroom's own reader of its mailboxes."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from local.certificates import LocalAuthority
from local.contoso import APP_CLIENT_ID, APP_OBJECT_ID, TENANT_ID
from local.entra import App, SigningKeys, TokenIssuer
from shared.accounts import AccessToken
from shared.inbox.imap_source import ImapSource
from tests.peers.dovecot import EXCHANGE_AUDIENCE
from tests.peers.mail import MailPeers
from tests.peers.remote import RemoteServer

MAILROOM = App(APP_CLIENT_ID, "Mailroom", APP_OBJECT_ID)

# Accept whatever is addressed to the domain and find out later, as Exchange Online does; tell of
# a delay after a second; and give up on what was deferred after a while.
BOUNCING = {
    "smtpd_recipient_restrictions": "",
    "smtpd_reject_unlisted_recipient": "no",
    "delay_warning_time": "1s",
    "smtp_tls_security_level": "none",
}


def bouncing_peers(
    authority: LocalAuthority, mailboxes: tuple[str, ...], remote: RemoteServer
) -> MailPeers:
    """Postfix and Dovecot that send real DSNs: for unknown users of the mailboxes' domain, and for
    what the remote server refuses of `remote.test`."""
    transports = {"remote.test": f"smtp:[127.0.0.1]:{remote.port}"}
    return MailPeers(authority, mailboxes, transports, BOUNCING)


class Tokens:
    """Tokens of the app for Exchange Online. `next` holds those that are handed out first."""

    def __init__(self, keys: SigningKeys, clock: Callable[[], datetime]) -> None:
        self._issuer = TokenIssuer(keys, TENANT_ID, life=timedelta(hours=1), clock=clock)
        self._clock = clock
        self.next: list[str] = []
        self.rejected: list[str] = []

    def issue(self, *, life: timedelta = timedelta(hours=1), app: App = MAILROOM) -> str:
        self._issuer.life = life
        roles = ["IMAP.AccessAsApp", "SMTP.SendAsApp"]
        return self._issuer.issue_to_app(app, EXCHANGE_AUDIENCE, roles, authentication="1").value

    async def sign_in(self, mailbox: str, rejected: AccessToken | None) -> AccessToken:
        if rejected is not None:
            self.rejected.append(rejected.value)
        value = self.next.pop(0) if self.next else self.issue()
        return AccessToken(value, self._clock() + timedelta(hours=1))


def imap_source(
    peers: MailPeers, tokens: Tokens, *, size_limit: int = 1024 * 1024, writes: bool = False
) -> ImapSource:
    return ImapSource(
        peers.host, peers.imaps_port, sign_in=tokens.sign_in, size_limit=size_limit, writes=writes
    )


def imap_settings(*mailboxes: str, folders: tuple[str, ...] = ("INBOX",)) -> dict[str, Any]:
    return {
        "MAILROOM_RETURNED_MAIL": "imap",
        "MAILROOM_RETURNED_MAILBOXES": json.dumps(mailboxes),
        "MAILROOM_RETURNED_FOLDERS": json.dumps(folders),
    }
