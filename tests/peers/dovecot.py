"""Dovecot 2.3: mailboxes behind LMTP and IMAP, and the XOAUTH2 check for itself and for Postfix."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from local.contoso import APP_OBJECT_ID, TENANT_ID
from tests.peers.daemon import Daemon, free_port

EXCHANGE_AUDIENCE = "https://outlook.office365.com"
SENT = "Gesendete Elemente"  # whatever its name, the server tells which folder it is
MAIL_UID = 5000  # no user of the system: whoever reads a mailbox goes through Dovecot

MAIN = """
protocols = imap lmtp
listen = 127.0.0.1
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/dovecot.log
default_internal_user = dovecot
default_login_user = dovenull
ssl = required
ssl_min_protocol = TLSv1.2
ssl_cert = <{certificate}
ssl_key = <{key}
auth_mechanisms = xoauth2
auth_verbose = yes
auth_failure_delay = 0
recipient_delimiter = +
mail_location = maildir:~/Maildir
namespace inbox {{
  inbox = yes
  mailbox "{sent}" {{
    special_use = \\Sent
  }}
}}
mail_uid = {uid}
mail_gid = {uid}
passdb {{
  driver = oauth2
  args = {root}/app-tokens.conf
  username_filter = {mailboxes}
}}
passdb {{
  driver = oauth2
  args = {root}/user-tokens.conf
}}
userdb {{
  driver = passwd-file
  args = username_format=%Lu {root}/users
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
  }}
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0666
  }}
}}
service auth {{
  unix_listener auth-postfix {{
    mode = 0666
  }}
}}
"""

TOKENS = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={root}/keys/
issuers = https://sts.windows.net/{tenant}/
audience = {audience}
"""

# An app-only token names no mailbox: the enterprise application may open those that are listed,
# as with Exchange's mailbox permission. Both sides of the user check are one constant therefore.
APP_TOKENS = """
username_attribute = oid
username_format = listed
active_attribute = oid
active_value = {principal}
"""

USER_TOKENS = """
username_attribute = upn
active_attribute = idtyp
active_value = user
"""


class Dovecot:
    """Dovecot in a folder of its own, which its less privileged processes can enter."""

    def __init__(self, root: Path, certificate: Path, key: Path, mailboxes: Sequence[str]) -> None:
        self.imap_port, self.imaps_port = free_port(), free_port()
        self.authentication_socket = root / "run" / "auth-postfix"
        self.lmtp_socket = root / "run" / "lmtp"
        self._root = root
        self._configure(certificate, key, mailboxes)
        self._daemon = Daemon(
            ["dovecot", "-F", "-c", str(root / "dovecot.conf")], root / "dovecot.log"
        )

    def wait(self) -> None:
        self._daemon.wait_for(self.imap_port)

    def stop(self) -> None:
        self._daemon.stop()

    def log(self) -> str:
        return self._daemon.log()

    def trust(self, kid: str, public_key_pem: str) -> None:
        """Accept tokens that this key signed (RS256), from now on."""
        folder = self._root / "keys" / "default" / "RS256"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / kid).write_text(public_key_pem)

    def doveadm(self, *command: str) -> str:
        """What the command says; it works on the mailboxes of this Dovecot."""
        done = subprocess.run(
            ["/usr/bin/doveadm", "-c", str(self._root / "dovecot.conf"), *command],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _configure(self, certificate: Path, key: Path, mailboxes: Sequence[str]) -> None:
        root = self._root
        names = {
            "root": root,
            "sent": SENT,
            "mailboxes": " ".join(mailboxes),
            "certificate": certificate,
            "key": key,
            "uid": MAIL_UID,
            "imap_port": self.imap_port,
            "imaps_port": self.imaps_port,
            "tenant": TENANT_ID,
            "principal": APP_OBJECT_ID,
            "audience": EXCHANGE_AUDIENCE,
        }
        (root / "keys").mkdir()
        (root / "mail").mkdir()
        os.chown(root / "mail", MAIL_UID, MAIL_UID)
        (root / "users").write_text(
            "".join(
                f"{mailbox}::{MAIL_UID}:{MAIL_UID}::{root}/mail/{mailbox}::\n"
                for mailbox in mailboxes
            )
        )
        (root / "app-tokens.conf").write_text((TOKENS + APP_TOKENS).format(**names))
        (root / "user-tokens.conf").write_text((TOKENS + USER_TOKENS).format(**names))
        (root / "dovecot.conf").write_text(MAIN.format(**names))
