"""The tenant's row, and this process's part of it: external recipients, drawn in blocks.

Two budgets: `external` (TERRL, less what is left to people) and `onmicrosoft` (senders at
*.onmicrosoft.com). A block is counted when it is drawn; what is not spent within its bucket's time
(windows.py) is given back with the next block.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

from shared.quota.limits import QuotaLimits
from shared.quota.model import Demand
from shared.quota.pauses import Pause, PauseKind, paused
from shared.quota.rows import Key, Rows
from shared.quota.windows import Window, bucket_of, usable_until

Budget = Literal["external", "onmicrosoft"]
Scope = Literal["all", "external", "onmicrosoft"]

BLOCK = 100
_BLOCKS_LEFT = 20  # near the limit blocks shrink, so that no process sits on what others need
_MARK_LIFE = 3600.0

FIXES: Mapping[Budget, str] = {
    "external": "Wait, send less, or raise MAILROOM_LICENCES or lower MAILROOM_PEOPLE_SHARE if "
    "the tenant has more to give.",
    "onmicrosoft": "Send from a domain of your own.",
}
REASONS: Mapping[Budget, str] = {
    "external": "Mailroom's share of the tenant's external recipients of 24 hours is used up.",
    "onmicrosoft": "The 100 external recipients in 24 hours of *.onmicrosoft.com senders are used "
    "up.",
}


@dataclass(frozen=True, slots=True)
class Tenant:
    """The row. marks: holder to (mark of its last write, time)."""

    windows: Mapping[str, Window] = field(default_factory=dict)
    pauses: Mapping[str, Pause] = field(default_factory=dict)
    marks: Mapping[str, tuple[str, float]] = field(default_factory=dict)

    @classmethod
    def decode(cls, text: str) -> Self:
        if not text:
            return cls()
        value = json.loads(text)
        pauses = {scope: Pause.of(pause) for scope, pause in value["pauses"].items()}
        return cls(
            windows={name: Window.of(counts) for name, counts in value["windows"].items()},
            pauses={scope: pause for scope, pause in pauses.items() if pause is not None},
            marks={holder: (mark, at) for holder, (mark, at) in value["marks"].items()},
        )

    def encode(self) -> str:
        value: dict[str, Any] = {
            "windows": {name: window.as_json() for name, window in self.windows.items()},
            "pauses": {scope: pause.as_json() for scope, pause in self.pauses.items()},
            "marks": self.marks,
        }
        return json.dumps(value, separators=(",", ":"))

    def window(self, budget: str) -> Window:
        return self.windows.get(budget, Window())

    def marked(self, holder: str, mark: str, now: float) -> "Tenant":
        kept = {h: (m, at) for h, (m, at) in self.marks.items() if now - at < _MARK_LIFE}
        return replace(self, marks={**kept, holder: (mark, now)})

    def with_pause(self, scope: str, pause: Pause) -> "Tenant":
        return replace(self, pauses={**self.pauses, scope: pause})


TENANT = Key("tenant", Tenant)


def scope_of(kind: PauseKind) -> Scope:
    """What of the tenant's mail a pause of this kind stops."""
    return kind if kind in ("external", "onmicrosoft") else "all"


def scopes(demand: Demand) -> list[Scope]:
    """The pauses that a message minds."""
    found: list[Scope] = ["all"]
    if demand.external:
        found.append("external")
        if demand.onmicrosoft:
            found.append("onmicrosoft")
    return found


type Parts = tuple[tuple[str, int, int], ...]


@dataclass(slots=True)
class TenantBudget:
    """This process's blocks. Times are storage's."""

    rows: Rows
    limits: QuotaLimits
    holder: str
    now: Callable[[], float]
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _unspent: dict[tuple[str, int], int] = field(default_factory=dict)  # (budget, bucket)
    _back: list[tuple[str, int, int]] = field(default_factory=list)
    _pending: dict[str, dict[tuple[str, int], int]] = field(default_factory=dict)

    def limit(self, budget: str) -> int | None:
        return self.limits.external if budget == "external" else self.limits.onmicrosoft

    def needs(self, demand: Demand) -> dict[str, int]:
        """What a message takes of each budget."""
        needs: dict[str, int] = {}
        if demand.external and self.limits.external is not None:
            needs["external"] = demand.external
        if demand.external and demand.onmicrosoft and self.limits.onmicrosoft is not None:
            needs["onmicrosoft"] = demand.external
        return needs

    async def draw(self, demands: Sequence[Demand]) -> list[Parts | None]:
        """For each message its parts of the budgets, or None where they do not suffice.

        At most one write; none while this process's blocks last.
        """
        needs = [self.needs(demand) for demand in demands]
        total: dict[str, int] = {}
        for need in needs:
            for budget, count in need.items():
                total[budget] = total.get(budget, 0) + count
        if not total:
            return [()] * len(needs)
        async with self._lock:
            self._settle()
            if self._pending or any(self._usable(b) < count for b, count in total.items()):
                await self._draw_blocks(total)
            return [self._spend(need) for need in needs]

    def put_back(self, parts: Parts) -> None:
        """Takes back what was not used; it is used or given back with the next block."""
        self._back.extend(parts)

    def free_at(self, demand: Demand) -> tuple[float, Budget]:
        """When the budgets will suffice for a message, and which of them is the shorter one."""
        tenant, now = self.rows.get(TENANT), self.now()
        found: list[tuple[float, Budget]] = [(now, "external")]
        for budget in ("external", "onmicrosoft"):
            count, limit = self.needs(demand).get(budget, 0), self.limit(budget)
            if count and limit is not None:
                found.append((tenant.window(budget).free_at(now, count, limit), budget))
        return max(found)

    async def give_back(self, *, everything: bool) -> None:
        """Uncounts what can no longer be spent, or everything that is unspent."""
        async with self._lock:
            self._settle()
            now = self.now()
            if everything or any(usable_until(bucket) <= now for _, bucket in self._unspent):
                await self._draw_blocks({})

    def _settle(self) -> None:
        for budget, bucket, count in self._back:
            key = (budget, bucket)
            self._unspent[key] = self._unspent.get(key, 0) + count
        self._back = []

    def _usable(self, budget: str) -> int:
        now = self.now()
        return sum(
            n for (name, b), n in self._unspent.items() if name == budget and usable_until(b) > now
        )

    def _spend(self, need: Mapping[str, int]) -> Parts | None:
        if any(self._usable(budget) < count for budget, count in need.items()):
            return None
        parts: list[tuple[str, int, int]] = []
        for budget, needed in need.items():
            left = needed
            for key in sorted(k for k in self._unspent if k[0] == budget):
                if usable_until(key[1]) > self.now() and left:
                    count = min(left, self._unspent[key])
                    self._unspent[key] -= count
                    left -= count
                    parts.append((*key, count))
        self._unspent = {key: count for key, count in self._unspent.items() if count}
        return tuple(part for part in parts if part[2])

    async def _draw_blocks(self, total: Mapping[str, int]) -> None:
        """Gives all unspent blocks back and draws new ones, in one write."""

        def edit(tenant: Tenant, mark: str) -> tuple[Tenant, dict[tuple[str, int], int]]:
            self._absorb(tenant)
            new, drawn = self._redraw(tenant, total)
            if new is tenant:
                return tenant, self._unspent
            self._pending[mark] = drawn
            return new.marked(self.holder, mark, self.now()), drawn

        self._unspent = dict(
            await self.rows.change(
                TENANT, edit, mark_of=lambda tenant: tenant.marks.get(self.holder, ("", 0.0))[0]
            )
        )
        self._pending.clear()

    def _absorb(self, tenant: Tenant) -> None:
        found = self._pending.get(tenant.marks.get(self.holder, ("", 0.0))[0])
        if found is not None:
            self._pending.clear()
            self._unspent = dict(found)

    def _redraw(
        self, tenant: Tenant, total: Mapping[str, int]
    ) -> tuple[Tenant, dict[tuple[str, int], int]]:
        now = self.now()
        windows, drawn = dict(tenant.windows), {}
        for budget in {*total, *(name for name, _ in self._unspent)}:
            limit = self.limit(budget)
            if limit is None:
                continue
            unspent = [(b, n) for (name, b), n in self._unspent.items() if name == budget]
            window = tenant.window(budget).subtract(unspent)
            room = max(0, limit - window.used(now))
            needed = total.get(budget, 0)
            block = min(room, max(needed, min(BLOCK, room // _BLOCKS_LEFT))) if needed else 0
            if not block and not unspent:
                continue
            windows[budget] = window.add(now, block)
            if block:
                drawn[budget, bucket_of(now)] = block
        if windows == tenant.windows:
            return tenant, drawn
        return replace(tenant, windows=windows), drawn

    async def pause(self, *, kind: PauseKind, reason: str, fix: str) -> float:
        """Pauses what the kind is about; until when."""
        scope = scope_of(kind)

        def edit(tenant: Tenant, _mark: str) -> tuple[Tenant, float]:
            before = tenant.pauses.get(scope)
            pause = paused(before, self.now(), kind=kind, reason=reason, fix=fix)
            return (tenant if pause is before else tenant.with_pause(scope, pause)), pause.until

        async with self._lock:
            return await self.rows.change(TENANT, edit)

    def closed(self, demand: Demand) -> Pause | None:
        """The pause that keeps the message back, if one does."""
        now, tenant = self.now(), self.rows.get(TENANT)
        found = [p for s in scopes(demand) if (p := tenant.pauses.get(s)) and p.closed_until(now)]
        return max(found, key=lambda p: p.closed_until(now) or 0.0, default=None)

    def due(self, demand: Demand) -> tuple[Scope, ...]:
        """The pauses that are over and want a probe, which the message could be."""
        tenant = self.rows.get(TENANT)
        return tuple(
            s for s in scopes(demand) if (p := tenant.pauses.get(s)) is not None and p.in_force
        )

    async def claim_probe(self, wanted: Iterable[str]) -> bool:
        """Takes the probes of these pauses; False if somebody else has one."""

        def edit(tenant: Tenant, mark: str) -> tuple[Tenant, bool]:
            new, now = tenant, self.now()
            for scope in wanted:
                pause = tenant.pauses.get(scope)
                if pause is None or not pause.in_force:
                    continue
                if pause.closed_until(now):
                    return tenant, False
                new = new.with_pause(scope, pause.probed(now))
            return (tenant if new is tenant else new.marked(self.holder, mark, now)), True

        async with self._lock:
            return await self.rows.change(
                TENANT, edit, mark_of=lambda tenant: tenant.marks.get(self.holder, ("", 0.0))[0]
            )

    async def end_probe(self, wanted: Iterable[str], *, worked: bool) -> None:
        """The probe has worked, or was not used."""

        def edit(tenant: Tenant, _mark: str) -> tuple[Tenant, None]:
            new = tenant
            for scope in wanted:
                pause = tenant.pauses.get(scope)
                if pause is not None and pause.in_force:
                    after = pause.worked(self.now()) if worked else pause.unprobed()
                    new = new if after == pause else new.with_pause(scope, after)
            return new, None

        async with self._lock:
            await self.rows.change(TENANT, edit)
