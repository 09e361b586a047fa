"""Returned mail that could not be read, or fits no message: kept, listed, and read again later.

The mail is a blob of the container `returned-mail`, what is known of it a row of the table
`returned`, newest first. The blob is written first and goes first with its row: no row without it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.errors import NotFoundError
from shared.inbox.mail import FetchedMail
from shared.storage.blobs import Container
from shared.storage.connection import StorageConnection
from shared.storage.names import RETURNED, RETURNED_MAIL
from shared.storage.tables import Row, Table, Write

_PARTITION = "mail"
_END = 10**14  # in milliseconds: year 5138. Keys count down to it, so that the newest comes first.
_ID_LENGTH = 14 + 1 + 24
_LARGEST = 64 * 1024 * 1024
_SCANNED = 5000  # rows that one page looks at


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMail:
    """One mail. why: for people. match: how surely it fits a message, message_id: which."""

    id: str
    mailbox: str
    folder: str
    received_at: datetime
    kind: str
    understood: bool
    match: str
    why: str
    subject: str
    message_id: str = ""
    size: int = 0
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFilter:
    """Which mails; "" and None mean all. matched: whether it fits a message."""

    kind: str = ""
    matched: bool | None = None
    since: datetime | None = None

    def fits(self, mail: KeptMail) -> bool:
        """Whether a mail is one of them, but for the time."""
        if self.kind and mail.kind != self.kind:
            return False
        return self.matched is None or self.matched == (mail.match != "none")


def kept_id(mail: FetchedMail) -> str:
    """The id under which a mail is kept: the same each time that it is handed over."""
    whole = mail.mailbox.lower().encode() + b"\x00" + mail.content
    return f"{_countdown(mail.received_at)}-{hashlib.sha256(whole).hexdigest()[:24]}"


def is_kept_id(text: str) -> bool:
    """Whether a text has the form of such an id."""
    time, dash, digest = text[:14], text[14:15], text[15:]
    return (
        len(text) == _ID_LENGTH
        and dash == "-"
        and time.isascii()
        and time.isdigit()
        and set(digest) <= set("0123456789abcdef")
    )


def _countdown(time: datetime) -> str:
    return f"{_END - int(time.timestamp() * 1000):014d}"


class KeptMails:
    """Keeps, lists and deletes them."""

    def __init__(self, storage: StorageConnection) -> None:
        self._table = Table(storage, RETURNED)
        self._container = Container(storage, RETURNED_MAIL)

    async def keep(self, mail: KeptMail, content: bytes) -> None:
        """Stores a mail; the same id again stores it again."""
        await self._container.write(_blob(mail.id), content, content_type="message/rfc822")
        await self._table.write(Write("put", Row(_PARTITION, mail.id, _values(mail))))

    async def park(self, mail: FetchedMail) -> str:
        """Keeps a mail that taking it in has failed at, again and again; returns its id."""
        kept = KeptMail(
            id=kept_id(mail), mailbox=mail.mailbox, folder=mail.folder,
            received_at=mail.received_at, kind="other", understood=False, match="none",
            why="Mailroom failed at it three times: its log says how. It can be read again.",
            subject="", size=len(mail.content), cut=mail.cut,
        )  # fmt: skip
        await self.keep(kept, mail.content)
        return kept.id

    async def find(self, kept: str) -> KeptMail:
        """What is known of a mail. Raises NotFoundError."""
        row = await self._table.read(_PARTITION, kept) if is_kept_id(kept) else None
        if row is None:
            raise NotFoundError(
                "No returned mail is kept under this id.",
                fix="List what is kept by GET /api/returned-mail; it is deleted after "
                "MAILROOM_RETURNED_DAYS.",
            )
        return _mail(row)

    async def content(self, kept: str) -> bytes:
        """The mail's octets. Raises NotFoundError."""
        await self.find(kept)
        return await self._container.read(_blob(kept), limit=_LARGEST)

    async def page(
        self, wanted: KeptFilter, *, after: str = "", limit: int = 100
    ) -> tuple[Sequence[KeptMail], str]:
        """Mails that the filter finds, newest first, and the cursor of the next page ("": none).

        A page looks at 5,000 rows at most: it may be short, or empty, and still have a next one.
        """
        low = f"{after}~" if after else ""
        high = f"{_countdown(wanted.since)}~" if wanted.since else "~"
        found: list[KeptMail] = []
        last, scanned = "", 0
        async for row in self._table.query(_PARTITION, low, high, limit=_SCANNED):
            mail = _mail(row)
            last, scanned = mail.id, scanned + 1
            if wanted.fits(mail):
                found.append(mail)
            if len(found) == limit:
                return found, last
        return found, last if scanned == _SCANNED else ""

    async def remove(self, kept: str) -> None:
        """Deletes a mail; one that is gone is no error."""
        await self._container.delete(_blob(kept))
        await self._table.write(Write("delete", Row(_PARTITION, kept)))

    async def forget(self, before: datetime, *, limit: int = 1000) -> int:
        """Deletes what was received earlier, `limit` mails at most; returns how many."""
        rows = self._table.query(_PARTITION, _countdown(before), "~", limit=limit)
        ids = [row.key async for row in rows]
        for kept in ids:
            await self.remove(kept)
        return len(ids)


def _blob(kept: str) -> str:
    return f"{kept}.eml"


def _values(mail: KeptMail) -> dict[str, Any]:
    return {
        "mailbox": mail.mailbox,
        "folder": mail.folder,
        "received_at": mail.received_at.astimezone(UTC).isoformat(),
        "kind": mail.kind,
        "understood": mail.understood,
        "match": mail.match,
        "why": mail.why,
        "subject": mail.subject,
        "message_id": mail.message_id,
        "size": mail.size,
        "cut": mail.cut,
    }


def _mail(row: Row) -> KeptMail:
    values = {name: row.values[name] for name in KeptMail.__dataclass_fields__ if name != "id"}
    received = datetime.fromisoformat(values.pop("received_at"))
    return KeptMail(id=row.key, received_at=received, **values)


def cutoff(now: datetime, days: int) -> datetime:
    """What was received before is to be deleted."""
    return now - timedelta(days=days)
