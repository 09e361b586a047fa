"""Reads again what was kept, after an upgrade: what is understood now is handed on."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from shared.errors import NotFoundError
from shared.feedback.intake import ReturnedMailIntake
from shared.feedback.kept import KeptFilter, KeptMail, KeptMails
from shared.inbox.mail import FetchedMail

_PAGE = 100


@dataclass(frozen=True, slots=True)
class Reread:
    """What became of one kept mail. events: how many were, or would be, handed on."""

    mail: KeptMail
    kind: str
    events: int
    why: str


class Rereading:
    """Goes through what is kept. Run twice it changes nothing the second time: the events are the
    same ones, and a mail that is understood goes from the list when its events are on their way."""

    def __init__(self, intake: ReturnedMailIntake, kept: KeptMails) -> None:
        self._intake = intake
        self._kept = kept

    async def run(self, *, dry_run: bool) -> AsyncIterator[Reread]:
        """Tells of each mail, newest first. dry_run: nothing is handed on or removed."""
        cursor, more = "", True
        while more:
            page, cursor = await self._kept.page(KeptFilter(), after=cursor, limit=_PAGE)
            for kept in page:
                try:
                    yield await self._again(kept, dry_run=dry_run)
                except NotFoundError:
                    continue  # deleted meanwhile
            more = bool(cursor)

    async def _again(self, kept: KeptMail, *, dry_run: bool) -> Reread:
        mail = FetchedMail(
            mailbox=kept.mailbox,
            folder=kept.folder,
            key=kept.id,
            received_at=kept.received_at,
            content=await self._kept.content(kept.id),
            cut=kept.cut,
        )
        reading = await self._intake.read(mail)
        if reading.events and not dry_run:
            await self._intake.publish(reading)
            await self._kept.remove(kept.id)
        return Reread(kept, reading.report.kind, len(reading.events), reading.why)
