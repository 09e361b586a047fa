"""Storage's time, which is what all instances have in common.

Slots are reserved in storage's time: an instance whose clock is wrong would else hand its messages
over at other times than it reserved. Each answer's Date header (whole seconds) bounds the
difference between the two clocks: storage's time was in [Date, Date + 1 s) at some moment between
sending and receiving. The bounds of many answers together are much narrower than a second.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_SLACK = 0.1  # seconds: storage's front ends have clocks of their own
_DRIFT = 0.001  # seconds a second by which older bounds widen


class StorageClock:
    """The local clock, corrected where storage's answers prove it wrong; to 0.1 s it is trusted."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._low = self._high = 0.0
        self._seen: datetime | None = None

    def local_now(self) -> datetime:
        return self._clock()

    def observe(self, date: datetime, sent: datetime) -> None:
        """Learns from one answer: its Date, and the local time when its request was sent."""
        received = self._clock()
        if received < sent:
            return  # the local clock was set back in between
        low = (date - received).total_seconds()
        high = (date - sent).total_seconds() + 1.0
        if self._seen is not None:
            widened = abs((received - self._seen).total_seconds()) * _DRIFT
            older_low, older_high = self._low - widened, self._high + widened
            # No overlap: one of the clocks was set, and what was known of it is void.
            if older_low - _SLACK <= high and low <= older_high + _SLACK:
                low, high = max(low, older_low), min(high, older_high)
        self._low, self._high, self._seen = low, max(low, high), received

    @property
    def offset(self) -> float:
        """Seconds to add to the local time: none where the bounds allow that."""
        if self._seen is None or self._low - _SLACK <= 0.0 <= self._high + _SLACK:
            return 0.0
        return (self._low + self._high) / 2

    def now(self) -> float:
        """Storage's time, in seconds since the epoch."""
        return self._clock().timestamp() + self.offset

    def to_local(self, time: float) -> datetime:
        """What the local clock shows at a time of storage's."""
        return datetime.fromtimestamp(time, UTC) - timedelta(seconds=self.offset)
