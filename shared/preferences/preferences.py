"""What each recipient wishes, kept in the very row that tells what is suppressed: one read tells
all, one write changes both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.preferences.change import (
    Cadence,
    PreferenceChange,
    change_entry,
    is_all_off,
    pause_of,
    read_wishes,
    topics_off,
)
from shared.preferences.topics import Topics
from shared.suppression import BULK, Entry, Suppression, Suppressions


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientPreferences:
    """topics, cadences: of every topic that is known, or that the recipient has decided about; a
    topic that is off has the cadence "none". all_off and a pause count beside them.

    language (BCP 47) and time_zone (IANA): "" where they are not known.
    """

    topics: Mapping[str, bool]
    all_off: bool
    paused_until: datetime | None
    cadences: Mapping[str, Cadence]
    language: str
    time_zone: str


class Preferences:
    """Reads and changes them, by address in whatever form it comes."""

    def __init__(
        self, suppressions: Suppressions, topics: Topics, *, clock: Callable[[], datetime]
    ) -> None:
        self._suppressions = suppressions
        self._topics = topics
        self._clock = clock

    async def get(self, address: str) -> RecipientPreferences:
        """One point read. Raises AddressError, StorageUnavailableError."""
        return await self._read(await self._suppressions.entry(address))

    async def change(
        self, address: str, change: PreferenceChange, *, source: str, message_id: str = ""
    ) -> RecipientPreferences:
        """What holds after the change; the same change twice changes nothing the second time.

        source, message_id: what stands with each new suppression. Raises AddressError,
        PreferenceError, ChangedError, StorageUnavailableError.
        """
        template = Suppression(
            address=address, scope=BULK, reason="unsubscribed", source=source,
            since=self._clock(), message_id=message_id,
        )  # fmt: skip

        def edit(entry: Entry) -> Entry:
            return change_entry(entry, change, template)

        return await self._read((await self._suppressions.change(address, edit))[1])

    async def _read(self, entry: Entry) -> RecipientPreferences:
        off = topics_off(entry)
        defaults = {topic.name: topic.default_on for topic in (await self._topics.known()).values()}
        wishes = read_wishes(entry)
        stored: Mapping[str, Cadence] = wishes.get("cadences", {})
        names = sorted({*defaults, *off, *entry.opted_in, *stored})
        topics = {
            name: name not in off and (name in entry.opted_in or defaults.get(name, True))
            for name in names
        }
        return RecipientPreferences(
            topics=topics,
            all_off=is_all_off(entry),
            paused_until=pause_of(entry, self._clock()),
            cadences={n: stored.get(n, "each") if topics[n] else "none" for n in names},
            language=wishes.get("language", ""),
            time_zone=wishes.get("time_zone", ""),
        )
