"""The headroom as `GET /api/quota` shows it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from shared.quota.limits import QuotaLimits
from shared.quota.mailbox import Mailbox
from shared.quota.mailboxes import Mailboxes
from shared.quota.pauses import Pause
from shared.quota.tenant import TENANT, Tenant

Time = Callable[[float], datetime]


def overview(mailboxes: Mailboxes, names: Sequence[str], *, time: Time) -> dict[str, Any]:
    """JSON of what is left of each limit, from the rows as last read."""
    rows, limits = mailboxes.rows, mailboxes.limits
    now = rows.now()
    return {
        "at": time(now).isoformat(),
        "mailboxes": [
            {"mailbox": name, **_mailbox(mailboxes, mailboxes.box(name), now, time)}
            for name in names
        ],
        "tenant": _tenant(rows.get(TENANT), limits, now, time),
    }


def _mailbox(mailboxes: Mailboxes, box: Mailbox, now: float, time: Time) -> dict[str, Any]:
    limits = mailboxes.limits
    used = box.day.used(now)
    free_at = box.day.free_at(now, 1, limits.recipients_per_day)
    return {
        "messages_per_minute": {
            "limit": limits.messages_per_minute,
            "next_slot": time(mailboxes.pace.next_slot(box.slots, now)).isoformat(),
        },
        "connections": {
            "limit": limits.connections,
            "used": sum(permit.sessions for permit in box.live(now)),
        },
        "recipients_24h": {
            "limit": limits.recipients_per_day,
            "used": used,
            "left": max(0, limits.recipients_per_day - used),
            "free_at": time(free_at).isoformat() if free_at > now else None,
        },
        "pause": _pause(box.pause, time),
    }


def _tenant(tenant: Tenant, limits: QuotaLimits, now: float, time: Time) -> dict[str, Any]:
    def budget(name: str, limit: int | None) -> dict[str, Any]:
        used = tenant.window(name).used(now)
        left = None if limit is None else max(0, limit - used)
        return {"limit": limit, "used": used, "left": left}

    pauses = {scope: _pause(pause, time) for scope, pause in tenant.pauses.items()}
    return {
        "external_24h": {
            **budget("external", limits.external),
            "left_to_people": limits.external_reserved,
        },
        "onmicrosoft_24h": budget("onmicrosoft", limits.onmicrosoft),
        "pauses": {scope: pause for scope, pause in pauses.items() if pause},
    }


def _pause(pause: Pause | None, time: Time) -> dict[str, Any] | None:
    if pause is None or not pause.in_force:
        return None
    return {
        "until": time(pause.until).isoformat(),
        "kind": pause.kind,
        "reason": pause.reason,
        "fix": pause.fix,
        "in_a_row": pause.strikes,
    }
