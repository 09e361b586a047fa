"""Postfix and Dovecot together: what a test of sending needs of a real mail system."""

import imaplib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from local.certificates import LocalAuthority
from tests.peers.daemon import DaemonError
from tests.peers.dovecot import Dovecot
from tests.peers.postfix import PROGRAMS, Postfix

INSTALL = (
    "apt-get install --no-install-recommends "
    "postfix dovecot-core dovecot-imapd dovecot-lmtpd libsasl2-modules"
)
TRIES = 3  # a free port may be taken before its daemon binds it


def missing() -> str | None:
    """Why the peers cannot run here, with the way to change that."""
    if os.geteuid() != 0:
        return "Postfix and Dovecot start as root only: run `sudo make test`"
    programs = (
        Path("/usr/sbin/dovecot"),
        Path("/usr/lib/dovecot/imap"),
        Path("/usr/lib/dovecot/lmtp"),
        PROGRAMS / "master",
    )
    absent = [str(program) for program in programs if not program.exists()]
    if absent:
        return f"Postfix and Dovecot are not installed ({', '.join(absent)}): {INSTALL}"
    version = subprocess.run(["/usr/sbin/dovecot", "--version"], capture_output=True, check=True)
    if not version.stdout.startswith(b"2.3."):
        here = version.stdout.decode().strip()
        return f"Dovecot is set up as 2.3 wants it (Debian 12); here is {here}"
    return None


class MailPeers:
    """A submission server and its mailboxes, both on this machine's loopback.

    Accepted are RS256 tokens of the local tenant for Exchange Online, signed by a key that
    ``trust`` was given: app-only tokens of the enterprise application for every mailbox,
    delegated ones for their user's.
    """

    host = "localhost"

    def __init__(
        self,
        authority: LocalAuthority,
        mailboxes: Sequence[str],
        transports: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.mailboxes = tuple(mailboxes)
        self._context = authority.client_context()
        self._certificate, self._key = authority.issue("peers", ["mx.contoso.test"])
        for remaining in reversed(range(TRIES)):
            self.root = Path(tempfile.mkdtemp(prefix="mailroom-peers-"))
            self.root.chmod(0o755)  # the daemons drop root and must still get here
            try:
                self._start(transports, options)
            except DaemonError:
                self.stop()
                if not remaining:
                    raise
            else:
                break

    def _start(
        self, transports: Mapping[str, str] | None, options: Mapping[str, str] | None
    ) -> None:
        self._daemons: list[Dovecot | Postfix] = []
        files = self.root, self._certificate, self._key, self.mailboxes
        dovecot = Dovecot(*files)
        self._daemons.append(dovecot)
        postfix = Postfix(*files, dovecot=dovecot, transports=transports, options=options)
        self._daemons.append(postfix)
        for daemon in self._daemons:
            daemon.wait()
        self.smtp_port = postfix.port
        self.imap_port = dovecot.imap_port
        self.imaps_port = dovecot.imaps_port
        self.trust = dovecot.trust
        self.doveadm = dovecot.doveadm
        self.expire = postfix.expire

    def stop(self) -> None:
        """Stop both and remove their folder."""
        for daemon in reversed(self._daemons):
            daemon.stop()
        shutil.rmtree(self.root)

    def log(self) -> str:
        """What both logged last, for a test's failure message."""
        return "\n".join(daemon.log() for daemon in self._daemons)

    def empty(self) -> None:
        """Remove every delivered message."""
        for message in self.root.glob("mail/*/Maildir/[cn]*/*"):
            message.unlink()

    def append(
        self,
        mailbox: str,
        token: str,
        mails: Sequence[bytes],
        *,
        folder: str = "INBOX",
        received_at: datetime | None = None,
    ) -> None:
        """Puts mails into a folder over IMAP; the folder is made if it is missing."""
        date = imaplib.Time2Internaldate(received_at or datetime.now(UTC))
        with imaplib.IMAP4(self.host, self.imap_port, timeout=10) as imap:
            imap.starttls(self._context)
            imap.authenticate("XOAUTH2", lambda _: xoauth2(mailbox, token))
            imap.create(f'"{folder}"')
            for mail in mails:
                done, answer = imap.append(f'"{folder}"', "", date, mail)
                assert done == "OK", answer

    def fetch(
        self, mailbox: str, token: str, *, at_least: int = 1, within: float = 10.0
    ) -> list[bytes]:
        """Every message in the inbox over IMAP (STARTTLS, XOAUTH2), oldest first.

        Waits up to ``within`` seconds for ``at_least`` of them, then returns what there is.
        """
        deadline = time.monotonic() + within
        with imaplib.IMAP4(self.host, self.imap_port, timeout=10) as imap:
            imap.starttls(self._context)
            imap.authenticate("XOAUTH2", lambda _: xoauth2(mailbox, token))
            while True:
                count = int(imap.select("INBOX", readonly=True)[1][0] or 0)
                if count >= at_least or time.monotonic() > deadline:
                    break
                time.sleep(0.05)
            if count == 0:
                return []
            parts = imap.fetch("1:*", "(BODY.PEEK[])")[1]
        return [part[1] for part in parts if isinstance(part, tuple)]


def xoauth2(mailbox: str, token: str) -> bytes:
    """The initial client response, before base64."""
    return f"user={mailbox}\x01auth=Bearer {token}\x01\x01".encode()
