"""Lists suppressed addresses, those that a query asks for, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.suppression.entry import Entry, Suppression
from shared.suppression.suppressions import Suppressions

SOFT = "soft_bounced"  # the reason of a lease, where reasons are told to people

_SCANNED = 5000  # rows that one page looks at
_READ = 1000  # rows at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionQuery:
    """Which addresses: those with one suppression that fits all; "" and None fit any.

    reason: a suppression's, or `soft_bounced`. since: it came about then, or later. domain: of the
    address, in A-labels. at: what has ended by then does not count; None: it counts.
    """

    reason: str = ""
    scope: str = ""
    since: datetime | None = None
    domain: str = ""
    at: datetime | None = None

    def fits(self, entry: Entry) -> bool:
        """Whether the address is one of them."""
        if self.domain and entry.address.rpartition("@")[2] != self.domain:
            return False
        return any(self._fits(suppression, entry) for suppression in entry.suppressions)

    def _fits(self, suppression: Suppression, entry: Entry) -> bool:
        return (
            self.reason in {"", reason_of(suppression, entry)}
            and self.scope in {"", suppression.scope}
            and (self.since is None or suppression.since >= self.since)
            and (self.at is None or suppression.holds(self.at))
        )


def reason_of(suppression: Suppression, entry: Entry) -> str:
    """Its reason, as people are told it."""
    return SOFT if suppression == entry.lease else suppression.reason


async def list_suppressed(
    suppressions: Suppressions, query: SuppressionQuery, *, after: str, limit: int
) -> tuple[Sequence[Entry], str]:
    """Addresses that the query asks for, and the cursor of the next page ("": none).

    A page looks at 5,000 rows at most: it may be short, or empty, and still have a next one.
    """
    found: list[Entry] = []
    scanned = 0
    while scanned < _SCANNED:
        size = limit if query == SuppressionQuery() else _READ
        page = await suppressions.page(after=after, limit=size)
        for entry in page:
            after = entry.cursor
            if query.fits(entry):
                found.append(entry)
            if len(found) == limit:
                return found, after
        scanned += len(page)
        if len(page) < size:
            return found, ""
    return found, after
