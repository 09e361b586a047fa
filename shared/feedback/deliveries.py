"""The queue `delivery-events`: a server still tries, a message has arrived, a machine answers.

All of them are told in the timeline; one that arrived ends its address's lease.
"""

from shared.events import AUTORESPONDED, DEFERRED, DELIVERED, InvalidEventError, read_event
from shared.feedback.aftermath import (
    Aftermath,
    EventQueue,
    check_type,
    entry_of,
    read_recipient,
    read_text,
)
from shared.feedback.bounces import read_certainty
from shared.feedback.rules import FeedbackRules
from shared.suppression import AddressError, Suppressions, normalise


class DeliveryEvents:
    """Handles what is no failure. The same event handled twice changes nothing the second time."""

    def __init__(
        self,
        queue: EventQueue,
        *,
        rules: FeedbackRules,
        aftermath: Aftermath,
        suppressions: Suppressions,
    ) -> None:
        self._queue = queue
        self._rules = rules
        self._aftermath = aftermath
        self._suppressions = suppressions

    async def handle(self, body: bytes) -> None:
        """Does what the event asks for. What is no event goes to the poison queue, with reason."""
        try:
            event = read_event(body)
            check_type(event, DEFERRED, DELIVERED, AUTORESPONDED)
            recipient = read_recipient(event.data)
            normalise(recipient)
            certainty = read_certainty(event)
            detail = read_text(event.data, "reason")
        except (InvalidEventError, AddressError) as error:
            await self._queue.refuse(body, error)
            return
        record = await self._aftermath.find(event)
        if record is not None and await self._aftermath.is_told(event):
            return  # done before
        arrived = event.type == DELIVERED and event.data.get("forwarded") is not True
        if arrived and certainty in self._rules.trusted:
            await self._suppressions.lift(recipient, event.id, event.time)
        kind = event.type.rpartition(".")[2]
        if record is not None:
            await self._aftermath.tell(event, entry_of(event, kind, recipient, detail))
