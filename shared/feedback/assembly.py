"""The parts of feedback, joined: what queues and timers call."""

from collections.abc import Callable
from datetime import datetime, timedelta

from shared.accounts.signing import Signing
from shared.feedback.aftermath import Aftermath, EventQueue
from shared.feedback.bounces import BounceEvents
from shared.feedback.complaints import ComplaintEvents
from shared.feedback.deliveries import DeliveryEvents
from shared.feedback.intake import ReturnedMailIntake
from shared.feedback.kept import KeptMails, cutoff
from shared.feedback.leaving import LeavingRequests
from shared.feedback.matching import Matching
from shared.feedback.reputation import Reputation
from shared.feedback.rereading import Rereading
from shared.feedback.rules import FeedbackRules
from shared.feedback.unsubscribes import UnsubscribeEvents
from shared.messages.ledger import Ledger
from shared.messages.timeline import Timeline
from shared.preferences import Preferences
from shared.returned.report import Report
from shared.settings import Settings
from shared.storage.connection import StorageConnection
from shared.storage.names import (
    BOUNCE_EVENTS,
    COMPLAINT_EVENTS,
    DELIVERY_EVENTS,
    POISON,
    UNSUBSCRIBE_EVENTS,
)
from shared.storage.queues import Queue
from shared.suppression import Suppressions
from shared.unsubscribing import Tokens


class Feedback:
    """What comes back: taken in, and handled. parse: as for `ReturnedMailIntake`."""

    def __init__(
        self,
        settings: Settings,
        storage: StorageConnection,
        *,
        ledger: Ledger,
        timeline: Timeline,
        suppressions: Suppressions,
        preferences: Preferences,
        signing: Signing,
        parse: Callable[[bytes], Report],
    ) -> None:
        self._settings = settings
        self.kept = KeptMails(storage)
        self.reputation = Reputation(storage)
        rules, aftermath = FeedbackRules.of(settings), Aftermath(ledger, timeline)
        names = (BOUNCE_EVENTS, COMPLAINT_EVENTS, UNSUBSCRIBE_EVENTS, DELIVERY_EVENTS)
        queues = {name: Queue(storage, name) for name in names}
        events = {
            name: EventQueue(queue, Queue(storage, name + POISON)) for name, queue in queues.items()
        }
        self.bounces = BounceEvents(
            events[BOUNCE_EVENTS], rules=rules, aftermath=aftermath, suppressions=suppressions,
            reputation=self.reputation,
        )  # fmt: skip
        self.complaints = ComplaintEvents(
            events[COMPLAINT_EVENTS], rules=rules, aftermath=aftermath, suppressions=suppressions,
            reputation=self.reputation,
        )  # fmt: skip
        self.unsubscribes = UnsubscribeEvents(
            events[UNSUBSCRIBE_EVENTS], aftermath=aftermath, preferences=preferences
        )
        self.deliveries = DeliveryEvents(
            events[DELIVERY_EVENTS], rules=rules, aftermath=aftermath, suppressions=suppressions
        )
        matching = Matching(ledger, signing)
        leaving = LeavingRequests(
            matching, Tokens(signing), apply=settings.unsubscribe_replies == "apply"
        )
        self.intake = ReturnedMailIntake(
            parse=parse, matching=matching, leaving=leaving, queues=queues, kept=self.kept,
            reputation=self.reputation,
        )  # fmt: skip
        self.rereading = Rereading(self.intake, self.kept)

    async def delete_expired(self, now: datetime) -> int:
        """Deletes kept mail and counts that are too old; returns how many."""
        before = now - timedelta(days=self._settings.timeline_days)
        counts = await self.reputation.forget(before.date())
        return counts + await self.kept.forget(cutoff(now, self._settings.returned_days))
