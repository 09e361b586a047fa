"""One IMAP connection with XOAUTH2 (IMAPClient), and what Exchange Online's replies mean.

Everything here blocks: it runs in a thread. RFC 9051; for Exchange Online:
learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth
"""

import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from shared.errors import InboxError, InboxUnavailableError

if TYPE_CHECKING:
    from imapclient import IMAPClient

TIMEOUT = 30.0  # seconds for each answer

_SENT_NAMES = ("Sent Items", "Sent")  # where no folder has the attribute
_JUNK_NAMES = ("Junk Email", "Junk", "Spam")

_THROTTLED = re.compile(r"throttled", re.IGNORECASE)
_BACKOFF = re.compile(r"Backoff Time:\s*(\d{1,9})\s*milliseconds", re.IGNORECASE)
_EXPIRED = re.compile(r"AccessTokenExpired|token (?:has )?expired", re.IGNORECASE)
_NOT_CONNECTED = re.compile(r"authenticated but not connected", re.IGNORECASE)

_SIGN_IN_FIX = (
    "Grant the app IMAP.AccessAsApp of Office 365 Exchange Online with admin consent, register it "
    "with New-ServicePrincipal (the object id is the enterprise application's), give it "
    "FullAccess by Add-MailboxPermission, and see that the mailbox has IMAP "
    "(Set-CASMailbox -ImapEnabled $true). Or read with MAILROOM_RETURNED_MAIL=graph."
)


class TokenExpiredError(InboxUnavailableError):
    """The session was ended, or not begun, since its token has expired."""


class SessionEndedError(InboxUnavailableError):
    """The session broke off; another may do better."""


class SignInError(InboxError):
    """The server does not accept the token for this mailbox."""


class FolderMissingError(InboxError):
    """The mailbox has no such folder."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A selected folder: its UIDVALIDITY, and the UID that the next mail will have."""

    uid_validity: int
    uid_next: int


@dataclass(frozen=True, slots=True)
class ImapMail:
    """A mail as fetched; `content` has one octet more than asked for where there is more."""

    uid: int
    received_at: datetime
    content: bytes = field(repr=False)


class ImapConnection:
    """A signed-in connection over TLS. Methods raise InboxError and its kin."""

    def __init__(
        self, host: str, port: int, mailbox: str, token: str, *, timeout: float = TIMEOUT
    ) -> None:
        import imapclient  # noqa: PLC0415 - only those who read by IMAP pay for it

        self._mailbox = mailbox
        self._host = f"{host}:{port}"
        with self._errors(signing_in=True):
            self._client: IMAPClient = imapclient.IMAPClient(
                host, port, ssl=True, ssl_context=ssl.create_default_context(), timeout=timeout
            )
            self._client.normalise_times = False
            try:
                self._client.oauth2_login(mailbox, token)
            except BaseException:
                self._client.shutdown()
                raise

    def select(self, folder: str, *, readonly: bool) -> Folder:
        with self._errors():
            if not self._client.folder_exists(folder):
                raise FolderMissingError(
                    f"The mailbox {self._mailbox} has no folder {folder}.",
                    fix="Name its folders in MAILROOM_RETURNED_FOLDERS.",
                )
            found = self._client.select_folder(folder, readonly=readonly)
        validity, following = found.get(b"UIDVALIDITY"), found.get(b"UIDNEXT")
        if following is None:
            with self._errors():
                following = self._client.folder_status(folder, ["UIDNEXT"])[b"UIDNEXT"]
        return Folder(int(validity or 0), int(following))

    def uids(self, low: int, high: int, since: date | None) -> list[int]:
        """The UIDs from low to high, ascending; only of what arrived on that day (of the server)
        or later, if one is given."""
        criteria: list[Any] = ["UID", f"{low}:{high}"]
        if since is not None:
            criteria += ["SINCE", since]
        with self._errors():
            return sorted(uid for uid in self._client.search(criteria) if low <= uid <= high)

    def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        with self._errors():
            found = self._client.fetch(uids, ["RFC822.SIZE"])
        return {uid: int(values.get(b"RFC822.SIZE", 0)) for uid, values in found.items()}

    def fetch(self, uids: Sequence[int], limit: int) -> list[ImapMail]:
        """Those that are still there, in the order given; nothing is marked by it."""
        with self._errors():
            found = self._client.fetch(uids, ["INTERNALDATE", f"BODY.PEEK[]<0.{limit + 1}>"])
        mails = []
        for uid in uids:
            values = found.get(uid, {})
            content = next((v for k, v in values.items() if k.startswith(b"BODY[]")), None)
            if content is not None:
                mails.append(ImapMail(uid, _in_utc(values.get(b"INTERNALDATE")), content))
        return mails

    def mark_read(self, uid: int) -> None:
        with self._errors():
            self._client.add_flags([uid], [b"\\Seen"], silent=True)

    def move(self, uid: int, folder: str) -> None:
        """RFC 6851 where the server has it; else a copy, and the original is expunged alone."""
        with self._errors():
            if not self._client.folder_exists(folder):
                self._client.create_folder(folder)
            if self._client.has_capability("MOVE"):
                self._client.move([uid], folder)
                return
            if not self._client.has_capability("UIDPLUS"):
                raise InboxError(
                    f"The server {self._host} can neither MOVE nor UID EXPUNGE.",
                    fix="Set MAILROOM_RETURNED_DISPOSAL to leave or read.",
                )
            self._client.copy([uid], folder)
            self._client.add_flags([uid], [b"\\Deleted"], silent=True)
            self._client.uid_expunge([uid])

    def count_sent(self, message_id: str) -> int:
        """How many mails of the folder with the attribute \\Sent (RFC 6154) have the Message-ID."""
        with self._errors():
            self._client.select_folder(self._sent_folder(), readonly=True)
            return len(self._client.search(["HEADER", "Message-ID", message_id]))

    def with_message_id(self, message_id: str) -> list[int]:
        """The UIDs of the selected folder's mails that have this Message-ID, ascending."""
        with self._errors():
            return sorted(self._client.search(["HEADER", "Message-ID", message_id]))

    def junk_folder(self) -> str:
        """The folder with the attribute \\Junk (RFC 6154), or of a usual name; "" without one."""
        with self._errors():
            return self._special_folder(b"\\Junk", _JUNK_NAMES)

    def _special_folder(self, attribute: bytes, usual: Sequence[str]) -> str:
        names: list[str] = []
        for attributes, _, name in self._client.list_folders():
            if attribute in attributes:
                return str(name)
            names.append(str(name))
        return next((name for name in usual if name in names), "")

    def _sent_folder(self) -> str:
        if found := self._special_folder(b"\\Sent", _SENT_NAMES):
            return found
        raise FolderMissingError(
            f"The server does not tell which folder of {self._mailbox} has its sent mail.",
            fix="MAILROOM_RETURNED_MAIL=graph finds it in any language; MAILROOM_SENT_ITEMS=0 "
            "does not look for it.",
        )

    def close(self) -> None:
        """Says goodbye if the server listens; never raises."""
        try:
            self._client.logout()
        except Exception:  # noqa: BLE001 (whatever it says, it is over)
            self._client.shutdown()

    @contextmanager
    def _errors(self, *, signing_in: bool = False) -> Iterator[None]:
        """Turns what IMAPClient, imaplib, ssl and sockets raise into our errors."""
        from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError  # noqa: PLC0415

        try:
            yield
        except ssl.SSLError as error:
            raise InboxUnavailableError(
                f"No TLS with {self._host}: {error.reason or type(error).__name__}.",
                fix="Check MAILROOM_IMAP_HOST and MAILROOM_IMAP_PORT (993: TLS from the start).",
            ) from None
        except OSError as error:
            raise InboxUnavailableError(
                f"The IMAP server {self._host} does not answer: {type(error).__name__}.",
                fix="Check MAILROOM_IMAP_HOST, MAILROOM_IMAP_PORT and the network.",
            ) from None
        except LoginError as error:
            raise self._refusal(str(error), signed_in=False) from None
        except IMAPClientAbortError as error:
            raise self._refusal(str(error), signed_in=not signing_in, broken=True) from None
        except IMAPClientError as error:
            raise self._refusal(str(error), signed_in=not signing_in) from None

    def _refusal(self, said: str, *, signed_in: bool, broken: bool = False) -> InboxError:
        """What the server's words mean. They are quoted in part; no token is in them."""
        quoted = _printable(said)
        if _THROTTLED.search(said):
            backoff = _BACKOFF.search(said)
            seconds = int(backoff[1]) / 1000 if backoff else None
            detail = f"{self._host} throttles the mailbox {self._mailbox}."
            return InboxUnavailableError(detail, retry_after=seconds)
        if _EXPIRED.search(said):
            return TokenExpiredError(f"The token for the mailbox {self._mailbox} has expired.")
        if _NOT_CONNECTED.search(said):
            return InboxUnavailableError(
                f"{self._host} took the token, but does not open the mailbox {self._mailbox}.",
                fix="It passes by itself, or the app lacks FullAccess on the mailbox "
                "(Add-MailboxPermission), or the mailbox has no IMAP (Set-CASMailbox).",
                retry_after=60,
            )
        if not signed_in:
            return SignInError(
                f"The mailbox {self._mailbox} does not accept the app by IMAP: {quoted}",
                fix=_SIGN_IN_FIX,
            )
        ended = f"{self._host} ended the session: {quoted}"
        return SessionEndedError(ended) if broken else InboxUnavailableError(ended)


def _in_utc(moment: Any) -> datetime:
    return moment.astimezone(UTC) if isinstance(moment, datetime) else datetime.now(UTC)


def _printable(said: str) -> str:
    """The server's words, cut short; what could be a token or its echo is left out."""
    text = re.sub(r"[A-Za-z0-9+/_=.~-]{40,}", "…", said)
    return "".join(c if c.isprintable() else " " for c in text)[:200].strip()
