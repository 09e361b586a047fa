"""Soft bounces of one address: a ladder of leases. Pure: values in, values out.

The first soft bounce suppresses the address for a day, the next one for two, and so on. A bounce
while a lease lasts is one of a message that was sent before it: it is counted, but climbs no rung.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

_REMEMBERED = 50  # events


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """leases: the length of each rung's, the last one for all further; () for none.

    forgiven: after a message was sent to the address again, how long without a bounce makes the
    next soft bounce the first.
    """

    leases: Sequence[timedelta]
    forgiven: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftBounces:
    """What is remembered. level: the rung, 0 for none. last: the time of the bounce that led to it.

    until: the end of its lease. passed_at: when a message was first sent after that. events: ids of
    what has been counted, the last 50: an event that comes twice counts once.
    """

    level: int = 0
    last: datetime | None = None
    until: datetime | None = None
    passed_at: datetime | None = None
    events: tuple[str, ...] = ()


def count(state: SoftBounces, event: str, at: datetime, ladder: Ladder) -> SoftBounces:
    """The state after a soft bounce at this time."""
    if event in state.events or not ladder.leases:
        return state
    state = replace(state, events=(*state.events, event)[-_REMEMBERED:])
    if state.until is not None and at < state.until:
        return state
    passed = state.passed_at
    forgiven = passed is not None and at >= passed + ladder.forgiven
    level = 1 if forgiven else state.level + 1
    lease = ladder.leases[min(level, len(ladder.leases)) - 1]
    return replace(state, level=level, last=at, until=at + lease, passed_at=None)


def lift(state: SoftBounces, event: str, at: datetime) -> SoftBounces:
    """The state after a message is known to have reached the address at this time."""
    if event in state.events or state.last is None or at <= state.last:
        return state
    return SoftBounces(events=(*state.events, event)[-_REMEMBERED:])


def let_through(state: SoftBounces, at: datetime) -> SoftBounces:
    """The state after a message was sent at this time, the lease being over."""
    if state.until is None or at < state.until or state.passed_at is not None:
        return state
    return replace(state, passed_at=at)
