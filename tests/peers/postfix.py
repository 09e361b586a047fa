"""Postfix: submission with STARTTLS and XOAUTH2, delivery into Dovecot's mailboxes."""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.peers.daemon import Daemon, DaemonError, free_port
from tests.peers.dovecot import Dovecot

PROGRAMS = Path("/usr/lib/postfix/sbin")

MAIN = """
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
command_directory = /usr/sbin
daemon_directory = {programs}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {root}/postfix.log
maillog_file_prefixes = {root}
myhostname = mx.{domain}
mydestination =
mynetworks =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
disable_dns_lookups = yes
smtp_host_lookup = native
recipient_delimiter = +
message_size_limit = 157286400
mailbox_size_limit = 0
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = texthash:{root}/mailboxes
virtual_transport = lmtp:unix:{lmtp_socket}
transport_maps = texthash:{root}/transports
default_transport = error:5.1.2 The tests deliver to {domain} only
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
smtpd_tls_security_level = encrypt
smtpd_tls_mandatory_protocols = >=TLSv1.2
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {authentication_socket}
smtpd_tls_auth_only = yes
smtpd_client_restrictions = permit_sasl_authenticated, reject
smtpd_sender_login_maps = texthash:{root}/mailboxes
smtpd_sender_restrictions = reject_sender_login_mismatch
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = reject_unlisted_recipient
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
"""

# service, type, private, unprivileged, chroot, wakeup, processes, program
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n -  0 cleanup
qmgr      unix  n - n 30 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n -  - trivial-rewrite
bounce    unix  - - n -  0 bounce
defer     unix  - - n -  0 bounce
trace     unix  - - n -  0 bounce
verify    unix  - - n -  1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n -  - proxymap
smtp      unix  - - n -  - smtp
lmtp      unix  - - n -  - lmtp
error     unix  - - n -  - error
retry     unix  - - n -  - error
discard   unix  - - n -  - discard
anvil     unix  - - n -  1 anvil
scache    unix  - - n -  1 scache
showq     unix  n - n -  - showq
postlog   unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """Postfix in a folder of its own. ``transports``: a way (transport(5)) for further domains.
    ``options``: further parameters of main.cf, which win."""

    def __init__(
        self,
        root: Path,
        certificate: Path,
        key: Path,
        mailboxes: Sequence[str],
        *,
        dovecot: Dovecot,
        transports: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self._root = root
        [domain] = {mailbox.partition("@")[2] for mailbox in mailboxes}
        configuration = root / "postfix"
        for folder in (configuration, root / "queue", root / "data"):
            folder.mkdir()
        shutil.chown(root / "data", "postfix")
        (root / "mailboxes").write_text("".join(f"{name} {name}\n" for name in mailboxes))
        (root / "transports").write_text(
            "".join(f"{name} {way}\n" for name, way in (transports or {}).items())
        )
        (configuration / "main.cf").write_text(
            MAIN.format(
                root=root,
                programs=PROGRAMS,
                domain=domain,
                certificate=certificate,
                key=key,
                lmtp_socket=dovecot.lmtp_socket,
                authentication_socket=dovecot.authentication_socket,
            )
            + "".join(f"{name} = {value}\n" for name, value in (options or {}).items())
        )
        (configuration / "master.cf").write_text(MASTER.format(port=self.port))
        _age(*configuration.iterdir(), root / "mailboxes", root / "transports")
        _make_queue(configuration)
        self._daemon = Daemon(
            [str(PROGRAMS / "master"), "-c", str(configuration)], root / "postfix.log"
        )

    def wait(self) -> None:
        self._daemon.wait_for(self.port)

    def stop(self) -> None:
        self._daemon.stop()

    def log(self) -> str:
        return self._daemon.log()

    def expire(self) -> None:
        """What waits for another try has waited for too long: it is returned at the next."""
        command = ["/usr/sbin/postsuper", "-c", str(self._root / "postfix"), "-e", "ALL"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def _age(*paths: Path) -> None:
    """Postfix waits until its configuration and its tables are older than a second."""
    minute_ago = time.time() - 60
    for path in paths:
        os.utime(path, (minute_ago, minute_ago))


def _make_queue(configuration: Path) -> None:
    done = subprocess.run(
        ["/usr/sbin/postfix", "-c", str(configuration), "check"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DaemonError(f"Postfix refuses its configuration:\n{done.stdout}{done.stderr}")
