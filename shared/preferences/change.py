"""A change of what a recipient wishes. Pure: an entry of `suppressions` in, the changed one out.

Topics that are off, everything off and a pause are suppressions of the reason `unsubscribed`; what
bounces, complaints or an operator brought about is never touched.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, get_args

from shared.errors import MailroomError
from shared.suppression import BULK, Entry, Suppression, topic_of, topic_scope

Cadence = Literal["each", "daily", "weekly", "none"]
CADENCES: tuple[str, ...] = get_args(Cadence)

_MOST = 100  # topics of one recipient; a property of a row holds 32 K characters


class PreferenceError(MailroomError, ValueError):
    """A change that cannot be stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceChange:
    """What is not named stays as it is.

    topics: on or off. all_off: no bulk mail at all; False ends it. paused_until: no bulk mail until
    then; resume ends a pause. cadences: "none" is the topic off, another one turns it on, unless
    `topics` says off. language: BCP 47, time_zone: IANA; "" forgets it.
    """

    topics: Mapping[str, bool] = field(default_factory=dict)
    all_off: bool | None = None
    paused_until: datetime | None = None
    resume: bool = False
    cadences: Mapping[str, Cadence] = field(default_factory=dict)
    language: str | None = None
    time_zone: str | None = None


def read_wishes(entry: Entry) -> dict[str, Any]:
    """cadences, language and time zone, as far as they are stored."""
    wishes: dict[str, Any] = json.loads(entry.preferences) if entry.preferences else {}
    return wishes


def topics_off(entry: Entry) -> frozenset[str]:
    """The topics that the recipient wants no more."""
    return frozenset(topic_of(s.scope) for s in entry.own if _chosen(s)) - {""}


def is_all_off(entry: Entry) -> bool:
    """Whether the recipient wants no bulk mail at all."""
    return any(_chosen(s) and s.scope == BULK and s.until is None for s in entry.own)


def pause_of(entry: Entry, now: datetime) -> datetime | None:
    """Until when the recipient wants no bulk mail, if that is not over."""
    ends = (s.until for s in entry.own if _chosen(s) and s.scope == BULK)
    return max((end for end in ends if end is not None and end > now), default=None)


def change_entry(entry: Entry, change: PreferenceChange, template: Suppression) -> Entry:
    """The entry after the change; the same change again changes nothing.

    template: what new suppressions are made of (address, source, message, time). Raises
    PreferenceError where there are too many topics.
    """
    topics = {t: c != "none" for t, c in change.cadences.items()} | dict(change.topics)
    own, opted_in = _with_topics(entry, topics, template)
    own = _with_bulk(own, change, template)
    changed = replace(
        entry, own=own, opted_in=opted_in, preferences=_with_wishes(read_wishes(entry), change)
    )
    if max(len(own), len(opted_in), len(read_wishes(changed).get("cadences", ()))) > _MOST:
        raise PreferenceError(
            f"A recipient can have preferences for {_MOST} topics.",
            fix="Turn everything off, or keep fewer topics.",
        )
    return changed


def _with_topics(
    entry: Entry, topics: Mapping[str, bool], template: Suppression
) -> tuple[tuple[Suppression, ...], tuple[str, ...]]:
    there = topics_off(entry)
    on = {topic for topic, wanted in topics.items() if wanted}
    off = {topic for topic, wanted in topics.items() if not wanted}
    kept = tuple(s for s in entry.own if not (_chosen(s) and topic_of(s.scope) in on))
    new = tuple(replace(template, scope=topic_scope(topic)) for topic in sorted(off - there))
    return (*kept, *new), tuple(sorted((set(entry.opted_in) | on) - off))


def _with_bulk(
    own: tuple[Suppression, ...], change: PreferenceChange, template: Suppression
) -> tuple[Suppression, ...]:
    def is_(suppression: Suppression, *, pause: bool) -> bool:
        bulk = _chosen(suppression) and suppression.scope == BULK
        return bulk and (suppression.until is not None) == pause

    if change.all_off is False:
        own = tuple(s for s in own if not is_(s, pause=False))
    elif change.all_off and not any(is_(s, pause=False) for s in own):
        own = (*own, replace(template, scope=BULK))
    if change.paused_until is None and not change.resume:
        return own
    pauses = [s for s in own if is_(s, pause=True)]
    if not change.resume and [s.until for s in pauses] == [change.paused_until]:
        return own
    own = tuple(s for s in own if s not in pauses)
    if change.resume or change.paused_until is None:
        return own
    return (*own, replace(template, scope=BULK, until=change.paused_until))


def _with_wishes(wishes: dict[str, Any], change: PreferenceChange) -> str:
    cadences = dict(wishes.get("cadences", {}))
    cadences.update({t: c for t, c in change.cadences.items() if c != "none"})
    wishes["cadences"] = {topic: c for topic, c in sorted(cadences.items()) if c != "each"}
    given = {"language": change.language, "time_zone": change.time_zone}
    wishes |= {name: value for name, value in given.items() if value is not None}
    kept = {name: value for name, value in wishes.items() if value}
    return json.dumps(kept, ensure_ascii=False, sort_keys=True) if kept else ""


def _chosen(suppression: Suppression) -> bool:
    return suppression.reason == "unsubscribed"
