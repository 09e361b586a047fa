"""From what gathered to the message: which items, in which order and groups. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.digests.definition import Definition, Digest
from shared.digests.item import PendingItem
from shared.digests.recipients import Reader
from shared.digests.schedule import (
    CronSchedule,
    DailySchedule,
    Schedule,
    WeeklySchedule,
    time_zone,
    with_cadence,
)
from shared.digests.window import Window
from shared.messages.model import Message, TemplateUse

MOST_GROUPS = 20

_FEW_DAYS = 3


def fresh_items(
    items: Sequence[PendingItem], definition: Definition, now: datetime
) -> list[PendingItem]:
    """Those that have not waited too long."""
    oldest = now - timedelta(days=definition.retention_days)
    return [item for item in items if item.added_at >= oldest]


def compose_digest(
    digest: Digest,
    window: Window,
    reader: Reader,
    items: Sequence[PendingItem],
    *,
    others: int,
    message_id: str,
    since: datetime,
    until: datetime,
    cadence_url: str,
) -> Message:
    """The message that tells a recipient of these items, of which there is at least one.

    items: oldest first; others: how many there are besides. since, until: between them they
    gathered. cadence_url: where the recipient says how often it comes; "": nowhere.
    """
    definition = digest.definition
    data = digest_data(digest, reader, items, others=others, since=since, until=until)
    if window.name:
        data["name"] = window.name
    if cadence_url:
        data["cadence_url"] = cadence_url
    subject = items[0].subject if definition.own_subject and len(items) + others == 1 else ""
    recipient: dict[str, Any] = {"email": window.email, "name": window.name}
    return Message.model_validate(
        {
            "id": message_id,
            "from": definition.sender,
            "to": (recipient,),
            "subject": subject,
            "template": TemplateUse(
                name=definition.template, data=data, language=reader.language,
                time_zone=reader.time_zone,
            ),
            "category": definition.category,
            "topic": digest.topic,
            "tags": {"digest": digest.name},
        },
        by_alias=True,
    )  # fmt: skip


def digest_data(
    digest: Digest,
    reader: Reader,
    items: Sequence[PendingItem],
    *,
    others: int,
    since: datetime,
    until: datetime,
) -> dict[str, Any]:
    """What the template is given: `groups` of `entries`, `total` (all items, shown or not), `more`
    (those not shown), `since` and `until` (the recipient's days), `cadence`, `digest`."""
    definition, zone = digest.definition, time_zone(reader.time_zone)
    kept = items[-definition.cap :] if definition.cap_keeps == "last" else items[: definition.cap]
    groups = _groups(definition, digest.name, items, kept)
    shown = sum(len(group["entries"]) for group in groups)
    data: dict[str, Any] = {
        "digest": digest.name,
        "cadence": cadence_of(
            with_cadence(definition.schedule, reader.cadence, definition.at)
        ),
        "since": since.astimezone(zone).date().isoformat(),
        "until": until.astimezone(zone).date().isoformat(),
        "total": len(items) + others,
        "more": len(items) + others - shown,
        "shown": max(len(group["entries"]) for group in groups),
        "groups": groups,
    }  # fmt: skip
    if definition.title:
        data["title"] = definition.title
    return data


def cadence_of(schedule: Schedule) -> str:
    """How often it comes, as the template's texts say it; "" for now and then."""
    match schedule:
        case DailySchedule():
            return "daily"
        case WeeklySchedule(days=days):
            return "weekly" if len(set(days)) <= _FEW_DAYS else "daily"
        case CronSchedule(expression=expression):
            *_, day, month, week_day = expression.split()
            if day == month == "*":
                return "daily" if week_day in {"*", "mon-fri", "1-5"} else "weekly"
            return "monthly" if month == "*" else "irregular"
        case _:
            return "irregular"


def _groups(
    definition: Definition,
    name: str,
    items: Sequence[PendingItem],
    kept: Sequence[PendingItem],
) -> list[dict[str, Any]]:
    """The groups that have an item to show, in the order of their first one."""
    totals: dict[str, int] = {}
    for item in items:
        title = _title(definition, name, item)
        totals[title] = totals.get(title, 0) + 1
    ordered = kept if definition.order == "oldest-first" else tuple(reversed(kept))
    entries: dict[str, list[dict[str, Any]]] = {}
    for item in ordered:
        title = _title(definition, name, item)
        if title in entries or len(entries) < MOST_GROUPS:
            entries.setdefault(title, []).append(_entry(definition, item))
    return [
        {"title": title, "entries": shown, "total": totals[title]}
        for title, shown in entries.items()
    ]


def _title(definition: Definition, name: str, item: PendingItem) -> str:
    value = item.data.get(definition.group_by) if definition.group_by else None
    return str(value) if value not in (None, "") else definition.title or name


def _entry(definition: Definition, item: PendingItem) -> dict[str, Any]:
    """The item's own data, and when it occurred; its group is told by the group's title."""
    own = {key: value for key, value in item.data.items() if key != definition.group_by}
    return {"at": item.occurred_at.isoformat().replace("+00:00", "Z"), **own}
