"""One address's row of the table `suppressions`: all that is against sending to it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from shared.storage.tables import Row
from shared.suppression.ladder import SoftBounces

# django-anymail's reject reasons where it has one.
SuppressionReason = Literal["bounced", "complained", "unsubscribed", "manual"]

EVERYTHING = "everything"
BULK = "bulk"
_TOPIC = "topic:"


def topic_scope(topic: str) -> str:
    """The scope of one topic."""
    return f"{_TOPIC}{topic}"


def topic_of(scope: str) -> str:
    """The topic of such a scope, "" of another one."""
    return scope.removeprefix(_TOPIC) if scope.startswith(_TOPIC) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One reason to send nothing, or not all, to an address.

    scope: `everything`, `bulk`, or `topic:` and a topic's name. source: who said so: a server
    (`smtp`, `dsn`), the recipient, an operator. message_id: of the message that it came of.
    detail: the reply, or a remark. until: when it ends by itself. by: the person who set it.
    """

    address: str
    scope: str
    reason: SuppressionReason
    source: str
    since: datetime
    message_id: str = ""
    detail: str = ""
    until: datetime | None = None
    by: str = ""

    def holds(self, at: datetime) -> bool:
        """Whether it has not ended by then."""
        return self.until is None or at < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Somebody removed suppressions. scope: "" for all of them. scopes: what there was."""

    at: datetime
    by: str
    why: str
    scope: str = ""
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """own: the suppressions that somebody or something added. soft: the soft bounces, whose lease
    suppresses too; cause: the bounce that the lease is of. removals: the last 20, oldest first.

    opted_in: topics that the recipient has chosen, which matters where a topic goes to nobody else.
    preferences: what else is wished, as `shared.preferences` writes it, "" for nothing.
    erased: the row holds the address no more. cursor: for `Suppressions.page`, what comes after it.
    """

    address: str
    own: tuple[Suppression, ...] = ()
    soft: SoftBounces = field(default_factory=SoftBounces)
    cause: Suppression | None = None
    removals: tuple[Removal, ...] = ()
    opted_in: tuple[str, ...] = ()
    preferences: str = ""
    erased: bool = False
    cursor: str = field(default="", compare=False)

    @property
    def suppressions(self) -> tuple[Suppression, ...]:
        """All of them, the lease included."""
        return self.own if self.lease is None else (*self.own, self.lease)

    @property
    def lease(self) -> Suppression | None:
        """The one that soft bounces make, if there is one."""
        if self.soft.until is None or self.cause is None:
            return None
        return replace(self.cause, address=self.address, until=self.soft.until)

    @property
    def empty(self) -> bool:
        there = self.own or self.removals or self.opted_in or self.preferences
        return not there and self.soft == SoftBounces()


def entry_values(entry: Entry) -> dict[str, Any]:
    """The row's properties."""
    address = "" if entry.erased else entry.address
    own = [_written({**asdict(s), "address": ""}) for s in entry.own]
    soft = _written({**asdict(entry.soft), "events": list(entry.soft.events)})
    cause = _written({**asdict(entry.cause), "address": ""}) if entry.cause else None
    removals = [_written(asdict(removal)) for removal in entry.removals]
    return {
        "address": address,
        "entries": json.dumps(own, ensure_ascii=False),
        "soft": json.dumps(soft) if entry.soft != SoftBounces() else "",
        "soft_cause": json.dumps(cause, ensure_ascii=False) if cause else "",
        "removals": json.dumps(removals, ensure_ascii=False) if removals else "",
        "opted_in": json.dumps(entry.opted_in) if entry.opted_in else "",
        "preferences": entry.preferences,
        "erased": entry.erased,
    }


def read_entry(row: Row, address: str = "") -> Entry:
    """What the row holds. address: the one that was asked for; of a row that was erased, and is
    met in a list, there is none."""
    values = row.values
    address = address or values["address"]
    soft, cause = values.get("soft", ""), values.get("soft_cause", "")
    return Entry(
        address=address,
        own=tuple(_suppression(entry, address) for entry in json.loads(values["entries"])),
        soft=_soft(json.loads(soft)) if soft else SoftBounces(),
        cause=_suppression(json.loads(cause), address) if cause else None,
        removals=tuple(
            Removal(**{**_read(removal), "scopes": tuple(removal["scopes"])})
            for removal in json.loads(values.get("removals") or "[]")
        ),
        opted_in=tuple(json.loads(values.get("opted_in") or "[]")),
        preferences=values.get("preferences", ""),
        erased=values.get("erased", False),
        cursor=f"{row.partition}:{row.key}",
    )


def _suppression(values: Mapping[str, Any], address: str) -> Suppression:
    return Suppression(**{**_read(values), "address": address})


def _soft(values: Mapping[str, Any]) -> SoftBounces:
    return SoftBounces(**{**_read(values), "events": tuple(values["events"])})


def _written(values: Mapping[str, Any]) -> dict[str, Any]:
    return {n: v.isoformat() if isinstance(v, datetime) else v for n, v in values.items()}


_TIMES = frozenset({"since", "until", "last", "passed_at", "at"})


def _read(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        n: datetime.fromisoformat(v) if n in _TIMES and v is not None else v
        for n, v in values.items()
    }
