"""What is known of a recipient: from the call, from preferences, from the digest, from the app."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from shared.digests.definition import Digest
from shared.digests.schedule import Cadence
from shared.digests.window import Window
from shared.settings import Settings

_CADENCES = ("each", "daily", "weekly", "none")


class Wishes(Protocol):
    """What a recipient wishes. cadences: by topic; language, time_zone: "" where not known."""

    @property
    def cadences(self) -> Mapping[str, str]: ...
    @property
    def language(self) -> str: ...
    @property
    def time_zone(self) -> str: ...


class WishSource(Protocol):
    """Who knows what recipients wish (the preference page)."""

    async def get(self, address: str) -> Wishes: ...


@dataclass(frozen=True, slots=True)
class Reader:
    """How one recipient gets one digest."""

    language: str
    time_zone: str
    cadence: Cadence


class Readers:
    """Finds out how recipients get digests."""

    def __init__(self, settings: Settings, wishes: WishSource) -> None:
        self._language, self._time_zone = settings.language, settings.time_zone
        self._wishes = wishes

    async def find(self, digest: Digest, window: Window) -> Reader:
        """The caller's word comes first, then the recipient's own wishes, then defaults; but who
        wants none gets none, whatever the caller says."""
        wishes, definition = await self._wishes.get(window.email), digest.definition
        wanted = wishes.cadences.get(digest.topic, "each")
        cadence = wanted if wanted == "none" else window.cadence or wanted
        return Reader(
            language=window.language or wishes.language or definition.language or self._language,
            time_zone=(
                window.time_zone or wishes.time_zone or definition.time_zone or self._time_zone
            ),
            cadence=cast("Cadence", cadence if cadence in _CADENCES else "each"),
        )  # fmt: skip
