"""Pacing: when a mailbox may hand its next message over, so that no minute ever holds too many.

A mailbox keeps the times of its last `burst` slots. With T = `interval`:

    slot_n ≥ slot_(n - burst) + burst × T      and, while slot_(n-1) is still ahead,
    slot_n ≥ slot_(n - 1) + T

so after idleness a burst goes at once, and what follows is even. `burst` divides the messages a
minute (m), hence slot_(n+m) ≥ slot_n + m × T = a minute and MARGIN: no 60 seconds hold m + 1 slots.
MARGIN is how much later than its slot a message may be handed over for that to stay true.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_MINUTE = 60.0
MARGIN = 0.3  # seconds a minute, 0.5 % of the rate: event loops and networks are not that exact
AT_ONCE = 0.001  # seconds ahead that are none, since times are rounded up
MAX_BURST = 3  # a mailbox has no more connections for it


def _ceil(seconds: float) -> float:
    """Times are kept to a tenth of a millisecond; rounding must never bring two slots nearer."""
    return math.ceil(round(seconds * 10_000, 2)) / 10_000


@dataclass(frozen=True, slots=True)
class Pace:
    """The rate of a mailbox: seconds between slots, and how many may go at once after idleness."""

    interval: float
    burst: int

    @classmethod
    def per_minute(cls, messages: int) -> "Pace":
        """The fastest pace that never has more than so many messages in any 60 seconds."""
        burst = next(b for b in range(MAX_BURST, 0, -1) if messages % b == 0)
        return cls((_MINUTE + MARGIN) / messages, burst)

    def next_slot(self, taken: Sequence[float], now: float) -> float:
        """The earliest time for one more slot after those `taken` (in order, the last ones)."""
        slot = now
        if len(taken) >= self.burst:
            slot = max(slot, taken[-self.burst] + self.burst * self.interval)
        if taken and taken[-1] > now + AT_ONCE:
            slot = max(slot, taken[-1] + self.interval)
        return _ceil(slot)

    def keep(self, taken: Sequence[float]) -> tuple[float, ...]:
        """As many of the last slots as the next ones depend on."""
        return tuple(taken[-self.burst :])
