"""Requests by mail to get no more: with a token of ours, or as a plain answer to a bulk message."""

import re
from dataclasses import dataclass

from shared.errors import CredentialUnavailableError, StorageUnavailableError
from shared.feedback.matching import Match, Matching, compared
from shared.feedback.reported import Outgoing, unsubscription
from shared.inbox.mail import FetchedMail
from shared.messages.record import MessageRecord
from shared.returned.report import Report
from shared.unsubscribing import Subscriber, Tokens
from shared.unsubscribing.replies import asks_to_stop
from shared.unsubscribing.tokens import MAX_TOKEN

_TOKEN = re.compile(
    rf"\bunsubscribe[\s:]+(1[A-Za-z0-9_-]{{40,{MAX_TOKEN}}})(?:\s|$)", re.IGNORECASE
)
_PROVEN = frozenset({"signed", "message-id"})
_NOBODY = Match("none", None)


@dataclass(frozen=True, slots=True)
class Request:
    """What a mail asks for. events: what it brings about. why: somebody must see it."""

    match: Match
    events: tuple[Outgoing, ...] = ()
    why: str = ""


class LeavingRequests:
    """Reads them. apply: whether a plain answer has its effect, or is only proposed."""

    def __init__(self, matching: Matching, tokens: Tokens, *, apply: bool) -> None:
        self._matching = matching
        self._tokens = tokens
        self._apply = apply

    async def read(self, report: Report, mail: FetchedMail) -> Request | None:
        """What the mail asks for, None if it asks for nothing of the kind.

        Raises StorageUnavailableError where that cannot be told now.
        """
        if report.kind not in {"unsubscribe", "other"}:
            return None
        subscriber = await self._subscriber(report)
        if subscriber is not None:
            match = Match("signed", await self._matching.record(subscriber.message_id))
            return Request(match, tuple(unsubscription(report, subscriber, mail)))
        if report.kind == "unsubscribe" or asks_to_stop(report.subject, report.text):
            answer = await self._answer(report, mail)
            if answer is not None:
                return answer
        if report.kind == "other":
            return None  # people may write to the mailbox about other things
        why = "It asks to unsubscribe, but has no token of ours: somebody must see to it."
        return Request(_NOBODY, (), why)

    async def _subscriber(self, report: Report) -> Subscriber | None:
        """Whom the token names that stands in the subject, or where that was lost in the text."""
        found = _TOKEN.search(report.subject) or _TOKEN.search(report.text)
        if found is None:
            return None
        try:
            return await self._tokens.read(found[1])
        except CredentialUnavailableError as error:
            raise StorageUnavailableError(error.detail, fix=error.fix) from error

    async def _answer(self, report: Report, mail: FetchedMail) -> Request | None:
        """An answer to a message that can be unsubscribed from, None if it is none.

        Who answers must be its recipient, and know a mark of it that nobody can guess: else
        somebody could unsubscribe others.
        """
        match = await self._matching.find(report)
        record = match.record
        if record is None or not (record.category == "bulk" or record.listed):
            return None
        subscriber = _recipient(record)
        own = compared(report.sender) == compared(subscriber.address)
        if self._apply and own and match.certainty in _PROVEN:
            return Request(match, tuple(unsubscription(report, subscriber, mail)))
        why = f"It answers a message about {record.topic}, and asks for no more of it: decide."
        return Request(match, (), why)


def _recipient(record: MessageRecord) -> Subscriber:
    return Subscriber(record.recipients[0].email, record.topic, record.id)
