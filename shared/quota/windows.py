"""Counts in a sliding 24 hours, kept in buckets of ten minutes.

A bucket counts until GRACE after its last moment is 24 hours old. So what was counted counts for at
least 24 hours and GRACE (it may be handed over that much later than it was counted), and for at
most GRACE and one bucket too long.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

BUCKET = 600.0
GRACE = 300.0
DAY = 86_400.0
_USABLE = GRACE - 120.0  # of the grace, two minutes are left for waiting and handing over


def bucket_of(time: float) -> int:
    return int(time // BUCKET)


def expires(bucket: int) -> float:
    """When a bucket counts no longer."""
    return (bucket + 1) * BUCKET + DAY + GRACE


def usable_until(bucket: int) -> float:
    """Until when something counted in the bucket may still be started."""
    return (bucket + 1) * BUCKET + _USABLE


@dataclass(frozen=True, slots=True)
class Window:
    """(bucket, count) in ascending order."""

    counts: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> "Window":
        """From what `as_json` made."""
        return cls(tuple(sorted((int(bucket), int(count)) for bucket, count in counts.items())))

    def as_json(self) -> dict[str, int]:
        return {str(bucket): count for bucket, count in self.counts}

    def used(self, now: float) -> int:
        return sum(count for bucket, count in self.counts if expires(bucket) > now)

    def add(self, now: float, amount: int) -> "Window":
        """With `amount` counted at `now`; what is over is forgotten."""
        live = {bucket: count for bucket, count in self.counts if expires(bucket) > now}
        if amount:
            live[bucket_of(now)] = live.get(bucket_of(now), 0) + amount
        return Window(tuple(sorted(live.items())))

    def subtract(self, unused: Iterable[tuple[int, int]]) -> "Window":
        """Without what was counted and not used: (bucket it was counted in, count)."""
        left = dict(self.counts)
        for bucket, count in unused:
            if bucket in left:
                left[bucket] = max(0, left[bucket] - count)
        return Window(tuple((bucket, count) for bucket, count in sorted(left.items()) if count))

    def free_at(self, now: float, amount: int, limit: int) -> float:
        """When `amount` more will fit under `limit`; a day from now if it never will."""
        if amount > limit:
            return now + DAY
        excess = self.used(now) + amount - limit
        if excess <= 0:
            return now
        for bucket, count in self.counts:
            if expires(bucket) > now:
                excess -= count
                if excess <= 0:
                    return expires(bucket)
        return now
