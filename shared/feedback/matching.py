"""Which message a returned mail is about, and how surely.

Anybody can send a mail that looks like a bounce. What was written into our mail and cannot be
guessed (the signed id, the Message-ID with its tag, the id that Exchange gave) proves that the
report's author has seen that mail; ids that callers choose prove nothing.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import timedelta

from shared.accounts.signing import MESSAGE_ID, Signing
from shared.concurrency import run_bounded
from shared.errors import CredentialUnavailableError, StorageUnavailableError
from shared.feedback.rules import Certainty
from shared.messages.identity import (
    envelope_id,
    has_tag,
    is_message_id,
    read_envelope_id,
    read_message_id_header,
)
from shared.messages.ledger import Ledger
from shared.messages.record import MessageRecord
from shared.returned.report import Report, ReportedRecipient
from shared.suppression import AddressError, normalise

_MOST_IDS = 10  # of a report's Message-IDs
_GUESSED = frozenset({"bounce", "delayed", "complaint"})
_AROUND = timedelta(minutes=15)
_MOST_GUESSED = 8  # messages of a partition
_MOST_FOREIGN = 3  # …of those that are not ours: each costs a read in all partitions


@dataclass(frozen=True, slots=True)
class Match:
    """The message, None if the report fits none of ours, and how surely."""

    certainty: Certainty
    record: MessageRecord | None


@dataclass(frozen=True, slots=True)
class MatchedRecipient:
    """The message's own recipient whom a report means.

    forwarded: the report names another address, behind that one.
    """

    address: str
    forwarded: bool
    reported: ReportedRecipient


class Matching:
    """Finds the message of a report."""

    def __init__(self, ledger: Ledger, signing: Signing) -> None:
        self._ledger = ledger
        self._signing = signing

    async def find(self, report: Report, mailbox: str = "") -> Match:
        """The message that the report is about. mailbox: where it came back, to guess by.

        Raises StorageUnavailableError where that cannot be told now.
        """
        try:
            signed, away = await self._by_signature(report), None
        except CredentialUnavailableError as error:
            signed, away = None, error
        if signed is not None:
            return Match("signed", signed)
        found = [m async for m in self._candidates(report)]
        for match in found:
            if match.certainty == "message-id":
                return match
        if away is not None:
            raise StorageUnavailableError(
                "A returned mail's mark cannot be verified: the signing keys cannot be read.",
                fix=away.fix,
            )
        return found[0] if found else await self._guess(report, mailbox)

    async def _guess(self, report: Report, mailbox: str) -> Match:
        """The only message that this mailbox sent to one of the report's recipients at about the
        time at which the reporting server got it. In a busy quarter of an hour nothing is
        guessed: it would cost a read for each message of it."""
        reported = {compared(a) for r in report.recipients for a in (r.address, r.original) if a}
        if report.arrival is None or report.kind not in _GUESSED or not (mailbox and reported):
            return Match("none", None)
        ids = await self._ledger.finished_between(
            report.arrival - _AROUND, report.arrival + _AROUND, most=_MOST_GUESSED
        )

        def fits(record: MessageRecord) -> bool:
            own = {compared(recipient.email) for recipient in record.recipients}
            return record.mailbox.lower() == mailbox.lower() and bool(own & reported)

        records = await run_bounded(self.record, ids or (), at_once=_MOST_GUESSED)
        fitting = [record for record in records if record is not None and fits(record)]
        return Match("guess", fitting[0]) if len(fitting) == 1 else Match("none", None)

    async def _by_signature(self, report: Report) -> MessageRecord | None:
        if not report.mailroom_id:
            return None
        return await self.record(await self._signing.verify(MESSAGE_ID, report.mailroom_id))

    async def _candidates(self, report: Report) -> AsyncIterator[Match]:
        headers = tuple(dict.fromkeys(report.original_message_ids))[:_MOST_IDS]
        for header in headers:
            record = await self.record(read_message_id_header(header))
            if record is not None and record.message_id == header:
                yield Match("message-id" if has_tag(header) else "unsigned", record)
        for text in read_envelope_id(report.envelope_id):
            record = await self.record(text)
            if record and envelope_id(record.id, record.message_id) == report.envelope_id:
                yield Match("message-id" if has_tag(record.message_id) else "unsigned", record)
        foreign = [h for h in headers if read_message_id_header(h) is None][:_MOST_FOREIGN]
        for header in foreign:
            record = await self.record(await self._ledger.find_by_server_id(header))
            if record is not None:
                yield Match("message-id", record)
        for text in read_envelope_id(report.mailroom_id):  # the bare id, or a forged signature
            record = await self.record(text)
            if record is not None:
                yield Match("unsigned", record)

    async def record(self, message_id: str | None) -> MessageRecord | None:
        """The record of what may be a message's id."""
        if not message_id or not is_message_id(message_id):
            return None
        return await self._ledger.get(message_id)


def match_recipients(report: Report, record: MessageRecord) -> list[MatchedRecipient]:
    """The message's recipients of whom the report tells, each once.

    By the address that failed or by the one that the sender gave (ORCPT). Where the message has one
    recipient only, another address is one behind it, and a report without any is about it.
    """
    own = {compared(recipient.email): recipient.email for recipient in record.recipients}
    only = record.recipients[0].email if len(own) == 1 else None
    found: dict[str, MatchedRecipient] = {}
    for reported in report.recipients:
        named = (own.get(compared(a)) for a in (reported.address, reported.original) if a)
        address = _first(named)
        if address is not None:
            if address not in found or found[address].forwarded:
                found[address] = MatchedRecipient(address, False, reported)  # noqa: FBT003
        elif only is not None:
            found.setdefault(only, MatchedRecipient(only, True, reported))  # noqa: FBT003
    if not report.recipients and only is not None:
        found[only] = MatchedRecipient(only, False, ReportedRecipient(address=only))  # noqa: FBT003
    return list(found.values())


def _first(named: Iterable[str | None]) -> str | None:
    return next((address for address in named if address is not None), None)


def compared(address: str) -> str:
    """An address as addresses are compared; what is none stays as it is."""
    try:
        return normalise(address)
    except AddressError:
        return address
