"""What recipients ask for by their links: looked up, done at once, and told as events.

A request has its effect before it is answered, so that the very next message is held back. Its
event then tells of it, with `applied`: whoever handles it later must not do it again, for the
recipient may have taken it back meanwhile. Only where storage refuses the effect does the event
carry it; where it refuses both, the caller learns so and repeats the request, without harm.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.errors import ChangedError, CredentialUnavailableError, StorageUnavailableError
from shared.events import SUBSCRIBED, UNSUBSCRIBED, Event, event_id, event_json
from shared.messages.record import MessageRecord
from shared.preferences import PreferenceChange, Preferences, RecipientPreferences, Topic, Topics
from shared.unsubscribing.limits import VisitLimit
from shared.unsubscribing.tokens import Seals, Subscriber, Tokens

logger = logging.getLogger(__name__)

SOURCE = "/mailroom/unsubscribe"


class Records(Protocol):
    """Where messages are remembered, for as long as they are."""

    async def get(self, message_id: str) -> MessageRecord | None: ...


class EventSender(Protocol):
    """The queue `unsubscribe-events`."""

    async def send(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a recipient can choose, and has chosen. record: the message that led here, None if it
    is not remembered any more."""

    subscriber: Subscriber
    preferences: RecipientPreferences
    topics: tuple[Topic, ...]
    record: MessageRecord | None = None

    @property
    def names(self) -> frozenset[str]:
        """The topics that may be changed here: more than are shown, so that whoever has left one
        for a chosen few can take that back."""
        return frozenset(self.preferences.topics) | {self.subscriber.topic}

    def gets(self, topic: str) -> bool:
        """Whether the topic is on; one that nobody has decided about is."""
        return self.preferences.topics.get(topic, True)


class UnsubscribeRequests:
    """Does what the holders of tokens ask for."""

    def __init__(
        self,
        *,
        seals: Seals,
        preferences: Preferences,
        topics: Topics,
        records: Records,
        events: EventSender,
        limit: VisitLimit,
        clock: Callable[[], datetime],
    ) -> None:
        self._tokens = Tokens(seals)
        self._preferences = preferences
        self._topics = topics
        self._records = records
        self._events = events
        self._limit = limit
        self._clock = clock

    async def read(self, token: str) -> Subscriber | None:
        """Whom a token names, None if it is none of ours. Raises StorageUnavailableError where
        that cannot be told now."""
        try:
            return await self._tokens.read(token)
        except CredentialUnavailableError as error:
            raise StorageUnavailableError(error.detail, fix=error.fix) from error

    async def admit(self, token: str) -> bool:
        """Whether this link may change something once more; what cannot be counted may."""
        try:
            return await self._limit.admit(token)
        except StorageUnavailableError as error:
            logger.warning("a change by a link is not counted: %s", error.detail)
            return True

    async def look(self, subscriber: Subscriber) -> Choices:
        """What the page shows; nothing is changed. Raises AddressError, StorageUnavailableError."""
        preferences = await self._preferences.get(subscriber.address)
        known = await self._topics.known()
        names = {subscriber.topic} | {
            name
            for name in preferences.topics
            if name not in known or _is_offered(known[name], preferences)
        }
        topics = (known.get(name) or Topic(name=name) for name in sorted(names))
        record = await self._records.get(subscriber.message_id)
        return Choices(
            subscriber=subscriber, preferences=preferences, topics=tuple(topics), record=record
        )

    async def leave(self, subscriber: Subscriber, source: str) -> None:
        """No more of the token's topic. Raises StorageUnavailableError where neither the effect
        nor its event could be stored."""
        change = PreferenceChange(topics={subscriber.topic: False})
        applied = True
        try:
            await self._preferences.change(
                subscriber.address, change, source=source, message_id=subscriber.message_id
            )
        except (StorageUnavailableError, ChangedError) as error:
            logger.warning("an unsubscription is left to its event: %s", error.detail)
            applied = False
        await self._tell(subscriber, UNSUBSCRIBED, subscriber.topic, source=source, applied=applied)

    async def change(
        self, before: Choices, change: PreferenceChange, source: str
    ) -> RecipientPreferences:
        """What holds after the change. Raises StorageUnavailableError, ChangedError,
        PreferenceError."""
        subscriber = before.subscriber
        after = await self._preferences.change(
            subscriber.address, change, source=source, message_id=subscriber.message_id
        )
        for kind, topic in _differences(before, after):
            await self._tell(subscriber, kind, topic, source=source, applied=True)
        return after

    async def _tell(
        self, subscriber: Subscriber, kind: str, topic: str, *, source: str, applied: bool
    ) -> None:
        now = self._clock()
        # Who asks again in the same minute has asked once: mail providers repeat themselves.
        identity = event_id(
            kind, subscriber.message_id, subscriber.address, topic, f"{now:%Y%m%d%H%M}"
        )
        event = Event(
            type=kind, id=identity, subject=subscriber.message_id, time=now, source=SOURCE,
            data={
                "recipient": subscriber.address, "topic": topic, "match": "signed",
                "source": source, "applied": applied,
            },
        )  # fmt: skip
        await self._events.send(event_json(event))


def _is_offered(topic: Topic, preferences: RecipientPreferences) -> bool:
    """Whether a recipient learns of a topic: those for a chosen few only if they are among them."""
    return topic.default_on or preferences.topics.get(topic.name, False)


def _differences(before: Choices, after: RecipientPreferences) -> Iterator[tuple[str, str]]:
    """The events that tell of a change, each with its topic, "" for all of them."""
    if before.preferences.all_off != after.all_off:
        yield (UNSUBSCRIBED if after.all_off else SUBSCRIBED), ""
    for topic in sorted(before.names):
        now = after.topics.get(topic, True)
        if before.gets(topic) != now:
            yield (SUBSCRIBED if now else UNSUBSCRIBED), topic
