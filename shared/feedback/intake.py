"""Takes what was fetched from a mailbox: read, matched to its message, handed on as events.

It may be handed over any number of times: the events are the same, and what is kept is kept once.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.concurrency import run_bounded
from shared.events import event_id, event_json
from shared.feedback.aftermath import clean
from shared.feedback.kept import KeptMail, KeptMails, kept_id
from shared.feedback.leaving import LeavingRequests
from shared.feedback.matching import Match, Matching
from shared.feedback.reported import Outgoing, events_of
from shared.feedback.reputation import Occurrence, Reputation
from shared.inbox.mail import FetchedMail
from shared.returned.report import Report
from shared.storage.queues import Queue

logger = logging.getLogger(__name__)

_AT_ONCE = 8
# What must not go by unseen if it fits no message.
_OF_CONCERN = frozenset({"bounce", "delayed", "complaint", "unsubscribe"})
_NO_REPORT = Report(kind="other", understood=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a mail says. events: what it brings about. why: it is kept, "" if it need not be."""

    report: Report
    match: Match
    events: tuple[Outgoing, ...] = ()
    why: str = ""


class ReturnedMailIntake:
    """The `Intake` of the reader of mailboxes. parse: never raises; it is called in a thread."""

    def __init__(
        self,
        *,
        parse: Callable[[bytes], Report],
        matching: Matching,
        leaving: LeavingRequests,
        queues: Mapping[str, Queue],
        kept: KeptMails,
        reputation: Reputation,
    ) -> None:
        """queues: by name, those that events go to."""
        self._parse = parse
        self._matching = matching
        self._leaving = leaving
        self._queues = queues
        self._kept = kept
        self._reputation = reputation

    async def take(self, mail: FetchedMail) -> bool:
        """Does what follows from a mail. True: it was about a message of Mailroom's.

        What concerns nobody here is left alone: people may use the mailbox too. Raises
        StorageUnavailableError where it is to be handed over again.
        """
        reading = await self.read(mail)
        await self.publish(reading)
        if reading.why:
            await self._keep(mail, reading)
        return bool(reading.events)

    async def read(self, mail: FetchedMail) -> Reading:
        """What a mail says and which message it is about; nothing is changed."""
        report = await self._report(mail)
        if not report.understood:
            match = await self._matching.find(report)
            return Reading(report, match, (), "What it says could not be made out.")
        leaving = await self._leaving.read(report, mail)
        if leaving is not None:
            report = replace(report, kind="unsubscribe")
            return Reading(report, leaving.match, leaving.events, leaving.why)
        if report.kind == "other":
            return Reading(report, Match("none", None))
        match = await self._matching.find(report, mail.mailbox)
        events = tuple(events_of(report, match, mail))
        return Reading(report, match, events, "" if events else _why(report, match))

    async def publish(self, reading: Reading) -> None:
        """Sends the events; may be repeated."""

        async def send(outgoing: Outgoing) -> None:
            await self._queues[outgoing.queue].send(event_json(outgoing.event))

        await run_bounded(send, reading.events, at_once=_AT_ONCE)

    async def _report(self, mail: FetchedMail) -> Report:
        try:
            return await asyncio.to_thread(self._parse, mail.content)
        except Exception:
            # The parser promises not to; a mail on which it did must not stop all behind it.
            logger.exception("a returned mail could not be parsed", extra=_about(mail))
            return _NO_REPORT

    async def _keep(self, mail: FetchedMail, reading: Reading) -> None:
        report, match = reading.report, reading.match
        kept = KeptMail(
            id=kept_id(mail),
            mailbox=mail.mailbox,
            folder=mail.folder,
            received_at=mail.received_at,
            kind=report.kind,
            understood=report.understood,
            match=match.certainty,
            why=reading.why,
            subject=clean(report.subject, 300),
            message_id=match.record.id if match.record else "",
            size=len(mail.content),
            cut=mail.cut,
        )
        await self._kept.keep(kept, mail.content)
        what = "unmatched" if report.understood else "not-understood"
        occurrence = Occurrence(mail.mailbox, "", what, report.kind)
        await self._reputation.count(event_id("kept", kept.id), mail.received_at, occurrence)
        logger.info("returned mail kept: %s", what, extra=_about(mail) | {"kept": kept.id})


def _why(report: Report, match: Match) -> str:
    if match.record is not None:
        return "It names no recipient of the message that it is about."
    return "It fits no message of Mailroom's." if report.kind in _OF_CONCERN else ""


def _about(mail: FetchedMail) -> dict[str, Any]:
    return {"mailbox": mail.mailbox, "received_at": mail.received_at.isoformat()}
