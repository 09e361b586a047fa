"""A recipient's window of a digest: what gathers now, and what is being sent. Pure.

A window is open from its first item on until it is claimed; then it is closing, its items are
fixed, and what comes meanwhile opens the next one.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from shared.messages.identity import keyed_message_id
from shared.suppression.addresses import normalise

_TIMES = ("opened_at", "due", "closing_opened_at", "claimed_at", "lease_until", "quiet_until")
_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a recipient of a digest is kept: all rows of both are in one partition."""

    uid: str
    recipient: str

    @property
    def partition(self) -> str:
        return hashlib.sha256(f"{self.uid}-{self.recipient}".encode()).hexdigest()[0]


def place_of(uid: str, address: str) -> Place:
    """uid: the digest's. Raises AddressError."""
    return Place(uid, hashlib.sha256(normalise(address).encode()).hexdigest()[:32])


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A recipient's state in a digest.

    open, opened_at, due: of the window that gathers; "" and None where none is open. urgent: it
    waits for nothing.
    closing, closing_opened_at, claimed_at: of the one being sent. claim: who is at work on it,
    until lease_until. tries: how often it was claimed; problem: why it could not be sent.
    quiet_until: of a look-back. language, time_zone, cadence: as callers gave them.
    """

    digest: str
    uid: str
    email: str
    name: str = ""
    language: str = ""
    time_zone: str = ""
    cadence: str = ""
    open: str = ""
    opened_at: datetime | None = None
    due: datetime | None = None
    urgent: bool = False
    closing: str = ""
    closing_opened_at: datetime | None = None
    claimed_at: datetime | None = None
    claim: str = ""
    lease_until: datetime | None = None
    tries: int = 0
    problem: str = ""
    quiet_until: datetime | None = None
    etag: str = ""

    @property
    def place(self) -> Place:
        return place_of(self.uid, self.email)

    @property
    def wakes_at(self) -> datetime | None:
        """When somebody must look at it; None: it need not be kept."""
        if self.closing:
            return self.lease_until
        return self.due if self.open else self.quiet_until

    @property
    def message_id(self) -> str:
        """Of the mail that the closing window becomes: however often it is made, it is one."""
        place = self.place
        return keyed_message_id("digests", f"{place.uid}\x00{place.recipient}\x00{self.closing}")


def claim_window(window: Window, now: datetime, claim: str, until: datetime) -> Window:
    """The window with what gathered fixed, or taken over from somebody whose lease is over; until:
    when this one's is."""
    if window.closing:
        return replace(window, claim=claim, lease_until=until, tries=window.tries + 1)
    return replace(
        window, closing=window.open, closing_opened_at=window.opened_at, claimed_at=now,
        claim=claim, lease_until=until, tries=1, problem="", open="", opened_at=None, due=None,
        urgent=False,
    )  # fmt: skip


def postpone_window(window: Window, now: datetime, problem: str) -> Window:
    """The window that could not be sent now: it is tried again, at ever longer intervals."""
    wait = min(_FIRST_WAIT * 2 ** min(window.tries, 16), _LONGEST_WAIT)
    return replace(window, claim="", lease_until=now + wait, problem=problem[:1000])


def close_window(window: Window, quiet_until: datetime | None) -> Window:
    """The window after its items are on their way, or dropped."""
    due = window.due
    if window.open and quiet_until is not None and due is not None and not window.urgent:
        due = max(due, quiet_until)
    return replace(
        window, closing="", closing_opened_at=None, claimed_at=None, claim="", lease_until=None,
        tries=0, problem="", due=due, quiet_until=quiet_until,
    )  # fmt: skip


def write_window(window: Window) -> str:
    """As the table keeps it; what is not set takes no room."""
    values = {name: value for name, value in asdict(window).items() if value and name != "etag"}
    for name in _TIMES:
        if name in values:
            values[name] = values[name].isoformat()
    return json.dumps(values, ensure_ascii=False)


def read_window(text: str, etag: str) -> Window:
    values = json.loads(text)
    read: Callable[[str], datetime] = datetime.fromisoformat
    times = {name: read(values[name]) for name in _TIMES if name in values}
    return Window(**{**values, **times}, etag=etag)
