"""The queue `unsubscribe-events`: somebody wants no more of a topic, or of all; or again."""

from shared.events import SUBSCRIBED, UNSUBSCRIBED, Event, InvalidEventError, read_event
from shared.feedback.aftermath import (
    Aftermath,
    EventQueue,
    check_type,
    entry_of,
    read_recipient,
    read_text,
)
from shared.preferences import PreferenceChange, Preferences
from shared.suppression import AddressError, is_topic, normalise

_ALL = "all topics"  # in the timeline, where an event names none


class UnsubscribeEvents:
    """Handles requests whose token was verified. The same event twice changes nothing.

    What is `applied` had its effect when it was asked for, and is only told: the recipient may have
    changed their mind since.
    """

    def __init__(
        self, queue: EventQueue, *, aftermath: Aftermath, preferences: Preferences
    ) -> None:
        self._queue = queue
        self._aftermath = aftermath
        self._preferences = preferences

    async def handle(self, body: bytes) -> None:
        """Does what the event asks for. What is no event goes to the poison queue, with reason."""
        try:
            event = read_event(body)
            recipient, topic = _check(event)
        except (InvalidEventError, AddressError) as error:
            await self._queue.refuse(body, error)
            return
        record = await self._aftermath.find(event)
        if record is not None and await self._aftermath.is_told(event):
            return  # done before
        if not event.data.get("applied"):
            change = PreferenceChange(topics={topic: False})
            await self._preferences.change(
                recipient, change, source=read_text(event.data, "source"), message_id=event.subject
            )
        if record is not None:
            kind = event.type.rpartition(".")[2]
            await self._aftermath.tell(event, entry_of(event, kind, recipient, topic or _ALL))


def _check(event: Event) -> tuple[str, str]:
    """The recipient and the topic, "" for all. Raises InvalidEventError, AddressError."""
    check_type(event, UNSUBSCRIBED, SUBSCRIBED)
    recipient = read_recipient(event.data)
    normalise(recipient)
    topic, applied = read_text(event.data, "topic"), event.data.get("applied", False)
    read_text(event.data, "source")
    if not is_topic(topic) and not (applied and not topic):
        raise InvalidEventError("Its topic is none.", fix="Name the message's topic.")
    if event.data.get("match") != "signed":
        raise InvalidEventError(
            "Its token was not verified.", fix="Verify it before the event is sent."
        )
    if event.type == SUBSCRIBED and not applied:
        raise InvalidEventError(
            "It asks for a subscription.", fix="Let the recipient choose it on the page."
        )
    return recipient, topic
