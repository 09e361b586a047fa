"""Office 365's sending limits as the service counts them. Times are seconds since the epoch."""

from collections import deque
from collections.abc import Sequence

from . import replies
from .counters import Counters
from .replies import Reply
from .tenant import Limits, Mailbox, Tenant

_MINUTE = 60.0
_DAY = 86_400.0
_ONMICROSOFT = ".onmicrosoft.com"


class MinuteRate:
    """Messages of one mailbox in a sliding minute: what is over the rate waits for its slot."""

    def __init__(self) -> None:
        self._slots: deque[float] = deque()

    def reserve(self, now: float, limit: int) -> float:
        """Take the next slot; return the seconds until it comes."""
        slots, limit = self._slots, max(limit, 1)
        slot = max(now, slots[-limit] + _MINUTE) if limit <= len(slots) else now
        slots.append(slot)
        while len(slots) > limit:
            slots.popleft()
        return slot - now


class DayCount:
    """A count in a sliding 24 hours."""

    def __init__(self) -> None:
        self._entries: deque[tuple[float, int]] = deque()
        self._sum = 0

    def used(self, now: float) -> int:
        """Return what was added in the 24 hours before `now`."""
        while self._entries and self._entries[0][0] <= now - _DAY:
            self._sum -= self._entries.popleft()[1]
        return self._sum

    def add(self, now: float, amount: int) -> None:
        """Count `amount` at `now`."""
        self._entries.append((now, amount))
        self._sum += amount


class Quotas:
    """All counts of one tenant that limit submissions."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._minutes: dict[str, MinuteRate] = {}
        self._days: dict[str, DayCount] = {}
        self._external = DayCount()
        self._onmicrosoft = DayCount()

    def refusal(
        self, mailbox: Mailbox, recipients: int, external: int, *, limits: Limits, now: float
    ) -> Reply | None:
        """Return Exchange's refusal if these recipients would break a limit of 24 hours."""
        day = self._days.get(mailbox.address)
        checks = [
            (
                "recipients_per_day",
                (day.used(now) if day else 0) + recipients,
                limits.recipients_per_day,
                replies.QUOTA_EXCEEDED,
            ),
        ]
        if external:
            checks.append(
                (
                    "tenant_external_recipients_per_day",
                    self._external.used(now) + external,
                    limits.tenant_external_recipients_per_day,
                    replies.TENANT_LIMIT,
                )
            )
        if external and mailbox.address.lower().endswith(_ONMICROSOFT):
            checks.append(
                (
                    "onmicrosoft_recipients_per_day",
                    self._onmicrosoft.used(now) + external,
                    limits.onmicrosoft_recipients_per_day,
                    replies.ONMICROSOFT_LIMIT,
                )
            )
        for name, total, limit, reply in checks:
            if limit is not None and total > limit:
                self._counters.over_limit[name] += 1
                return reply
        return None

    def take(
        self, mailbox: Mailbox, recipients: int, external: int, *, limits: Limits, now: float
    ) -> float:
        """Count an accepted message; return the seconds that its reply is delayed."""
        if limits.recipients_per_day is not None:
            self._days.setdefault(mailbox.address, DayCount()).add(now, recipients)
        if limits.tenant_external_recipients_per_day is not None and external:
            self._external.add(now, external)
        if external and mailbox.address.lower().endswith(_ONMICROSOFT):
            self._onmicrosoft.add(now, external)
        if limits.messages_per_minute is None:
            return 0.0
        rate = self._minutes.setdefault(mailbox.address, MinuteRate())
        delay = rate.reserve(now, limits.messages_per_minute)
        if delay > 0:
            self._counters.over_limit["messages_per_minute"] += 1
            self._counters.delayed += 1
        return delay

    def clear(self) -> None:
        """Forget everything counted so far."""
        self._minutes.clear()
        self._days.clear()
        self._external = DayCount()
        self._onmicrosoft = DayCount()


def count_external(addresses: Sequence[str], tenant: Tenant) -> int:
    """Return how many of the addresses lie outside the tenant."""
    return sum(1 for address in addresses if tenant.is_external(address))
