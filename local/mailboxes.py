"""What the tenant's mailboxes hold: folders with received mail, and a record of every change.

The submission server delivers into them, Graph reads them. All in memory, of one event loop.
"""

import asyncio
import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from local.web import Clock, utc_now

type Kind = Literal["created", "updated", "deleted"]

# The folders that every mailbox has, by well-known name; what people see has their language.
WELL_KNOWN = {
    "inbox": "Inbox",
    "junkemail": "Junk Email",
    "deleteditems": "Deleted Items",
    "sentitems": "Sent Items",
    "archive": "Archive",
}


@dataclass(frozen=True, slots=True)
class MailFolder:
    """A folder of the top level. `well_known` is "" for one that a user has made."""

    id: str
    name: str
    well_known: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMail:
    """A mail in a mailbox. `id` changes when it is moved, `immutable_id` never does."""

    id: str
    immutable_id: str
    folder: str
    received_at: datetime
    content: bytes = field(repr=False)
    is_read: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a mail in a folder. Numbers grow, over all folders of a mailbox."""

    number: int
    folder: str
    kind: Kind
    mail: ReceivedMail


class TenantMailbox:
    """One mailbox: its folders, its mail, its changes."""

    def __init__(self, address: str, clock: Clock) -> None:
        self.address = address
        self.changes: list[Change] = []
        self._clock = clock
        self._made = 0
        self._mails: dict[str, ReceivedMail] = {}
        self._folders = {
            name: MailFolder(_identifier("F", address, name), title, name)
            for name, title in WELL_KNOWN.items()
        }

    @property
    def folders(self) -> tuple[MailFolder, ...]:
        return tuple(self._folders.values())

    def folder(self, name: str) -> MailFolder | None:
        """The folder with this id or well-known name (any case)."""
        for folder in self._folders.values():
            if name == folder.id or (folder.well_known and name.lower() == folder.well_known):
                return folder
        return None

    def make_folder(self, name: str) -> MailFolder:
        folder = MailFolder(_identifier("F", self.address, name), name)
        self._folders[name] = folder
        return folder

    def deliver(
        self, content: bytes, *, folder: str = "inbox", received_at: datetime | None = None
    ) -> ReceivedMail:
        """A new mail; it was received now unless told otherwise."""
        target = self.folder(folder)
        assert target is not None, f"there is no folder {folder}"
        self._made += 1
        mail = ReceivedMail(
            id=_identifier("M", self.address, f"{self._made}.0"),
            immutable_id=_identifier("I", self.address, str(self._made)),
            folder=target.id,
            received_at=(received_at or self._clock()).replace(microsecond=0),
            content=content,
        )
        self._note("created", mail)
        return mail

    def mails(self, folder: MailFolder | None = None) -> list[ReceivedMail]:
        """The mail of a folder, or all, in the order of arrival in the mailbox."""
        return [m for m in self._mails.values() if folder is None or m.folder == folder.id]

    def received(self) -> list[ReceivedMail]:
        """All mail but that in Sent Items."""
        sent = self._folders["sentitems"].id
        return [mail for mail in self._mails.values() if mail.folder != sent]

    def find(self, identifier: str) -> ReceivedMail | None:
        """The mail with this id, of either kind."""
        for mail in self._mails.values():
            if identifier in (mail.id, mail.immutable_id):
                return mail
        return None

    def mark(self, mail: ReceivedMail, *, is_read: bool) -> ReceivedMail:
        changed = replace(mail, is_read=is_read)
        self._note("updated", changed)
        return changed

    def move(self, mail: ReceivedMail, target: MailFolder) -> ReceivedMail:
        """The mail in its new folder, under a new id."""
        self._note("deleted", mail)
        self._made += 1
        identifier = _identifier("M", self.address, f"{self._made}.moved")
        moved = replace(mail, folder=target.id, id=identifier)
        self._note("created", moved)
        return moved

    def delete(self, mail: ReceivedMail) -> None:
        self._note("deleted", mail)

    def _note(self, kind: Kind, mail: ReceivedMail) -> None:
        self._mails.pop(mail.immutable_id, None)
        if kind != "deleted":
            self._mails[mail.immutable_id] = mail
        self.changes.append(Change(len(self.changes) + 1, mail.folder, kind, mail))


class TenantMailboxes:
    """The mailboxes of a tenant."""

    def __init__(self, addresses: Iterable[str], *, clock: Clock = utc_now) -> None:
        self._mailboxes = {one.lower(): TenantMailbox(one, clock) for one in addresses}
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def all(self) -> tuple[TenantMailbox, ...]:
        return tuple(self._mailboxes.values())

    def get(self, address: str) -> TenantMailbox | None:
        """The mailbox with this address (any case)."""
        return self._mailboxes.get(address.lower())

    def deliver(self, address: str, content: bytes, *, folder: str = "inbox") -> None:
        """A mail for a mailbox of the tenant; for others it is dropped. Wakes those who wait."""
        mailbox = self.get(address)
        if mailbox is None:
            return
        mailbox.deliver(content, folder=folder)
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def save_sent(self, address: str, content: bytes) -> None:
        """A copy of what was sent, for the mailbox's Sent Items."""
        mailbox = self.get(address)
        if mailbox is not None:
            mailbox.deliver(content, folder="sentitems")

    async def wait_for(
        self, address: str, predicate: Callable[[ReceivedMail], bool], seconds: float = 10.0
    ) -> ReceivedMail:
        """The first received mail of a mailbox that fits, waiting for it; TimeoutError if none
        came."""
        mailbox = self._mailboxes[address.lower()]
        async with asyncio.timeout(seconds):
            while True:
                for mail in mailbox.received():
                    if predicate(mail):
                        return mail
                arrival: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiting.append(arrival)
                try:
                    await arrival
                finally:
                    self._waiting.remove(arrival)


def _identifier(kind: str, address: str, name: str) -> str:
    """In the looks of Graph's ids: URL-safe base64, which people must not take apart."""
    return "AAMk" + base64.urlsafe_b64encode(f"{kind}|{address}|{name}".encode()).decode()
