"""Timer listeners: each function of a schedule runs when it is due, one call at a time."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from azure.core.exceptions import AzureError

from local.functions.bindings import FunctionDefinition, TimerTrigger
from local.functions.ncrontab import Schedule, parse
from local.functions.protocol import TypedData
from local.functions.queues import Runner
from local.functions.schedules import (
    ScheduleStatus,
    ScheduleStore,
    TimerLock,
    checked_status,
    first_status,
)

_log = logging.getLogger("Host.Timers")
_LEAST_MONITORED = timedelta(minutes=1)
# Long waits are slept in parts: a machine that was suspended must not be late by the suspension.
_LONGEST_SLEEP = 30.0
_LOCK_POLL = 2.0


def utc_now() -> datetime:
    return datetime.now(UTC)


class TimerListener:
    """One timer. Without a store (no monitor, or an interval under a minute) it has no memory."""

    def __init__(
        self,
        function: FunctionDefinition,
        store: ScheduleStore,
        runner: Runner,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        assert isinstance(function.trigger, TimerTrigger)
        self._function = function
        self._trigger = function.trigger
        self._schedule: Schedule = parse(self._trigger.schedule)
        self._runner = runner
        self._clock = clock
        monitored = (
            self._trigger.use_monitor
            and self._schedule.shortest_interval(clock()) >= _LEAST_MONITORED
        )
        self._store = store if monitored else None
        self._started_before = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Run the function at each occurrence until `stopping` is set, then return when idle."""
        status = await self._start_status()
        past_due = self._store is not None and self._clock() > status.next
        if past_due or (self._trigger.run_on_startup and not self._started_before):
            reason = "past due" if past_due else "run on startup"
            status = await self._fire(status, past_due=past_due, reason=reason, on_time=False)
        self._started_before = True
        while await self._sleep_until(status.next, stopping):
            status = await self._fire(status, past_due=False, reason="due", on_time=True)

    async def _start_status(self) -> ScheduleStatus:
        now = self._clock()
        if self._store is None:
            return first_status(self._schedule, now)
        recorded = await self._store.read(self._function.name)
        status = checked_status(recorded, self._schedule, now)
        if status != recorded:
            await self._store.write(self._function.name, status)
        return status

    async def _fire(
        self, status: ScheduleStatus, *, past_due: bool, reason: str, on_time: bool
    ) -> ScheduleStatus:
        """Run once; missed occurrences are skipped, an error of the function changes nothing."""
        started = self._clock()
        payload = timer_payload(status if self._store else None, past_due=past_due)
        await self._runner.run(self._function, payload, {}, reason=f"Timer {reason}")
        at = max(started, status.next) if on_time else started
        updated = ScheduleStatus(last=at, next=self._schedule.next_after(at), last_updated=at)
        if self._store is not None:
            try:
                await self._store.write(self._function.name, updated)
            except AzureError as error:
                _log.warning(
                    "The state of timer '%s' is not written: %s", self._function.name, error
                )
        return updated

    async def _sleep_until(self, due: datetime, stopping: asyncio.Event) -> bool:
        """True when due, False when stopping."""
        while not stopping.is_set():
            left = (due - self._clock()).total_seconds()
            if left <= 0:
                return True
            try:
                async with asyncio.timeout(min(left, _LONGEST_SLEEP)):
                    await stopping.wait()
            except TimeoutError:
                continue
        return False


class Timers:
    """All timers of the app, run by whichever host holds the lock."""

    def __init__(
        self, listeners: Sequence[TimerListener], lock: TimerLock, *, lease_seconds: int
    ) -> None:
        self._listeners = listeners
        self._lock = lock
        self._interval = lease_seconds / 3
        self._lease = float(lease_seconds)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Start no more calls."""
        self._stopping.set()

    async def run(self) -> None:
        while not self._stopping.is_set():
            try:
                if await self._lock.acquire():
                    await self._hold()
            except AzureError as error:
                _log.warning("The timers wait for their storage: %s", error)
            await self._pause(_LOCK_POLL)

    async def _hold(self) -> None:
        """Run the timers while the lock is ours."""
        lost = asyncio.Event()
        tasks = [asyncio.create_task(self._keep(listener, lost)) for listener in self._listeners]
        _log.info("This host runs the timers")
        held = asyncio.get_running_loop().time()
        while not self._stopping.is_set():
            await self._pause(self._interval)
            now = asyncio.get_running_loop().time()
            try:
                if not await self._lock.renew():
                    break
                held = now
            except AzureError as error:
                _log.warning("The lock on the timers is not renewed: %s", error)
                if now - held > self._lease - self._interval:
                    break
        if not self._stopping.is_set():
            _log.warning("Another host runs the timers now")
        lost.set()
        await self._finish(tasks)
        await self._lock.release()

    async def _finish(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Running calls end in their own time; meanwhile the lock stays ours if it can."""
        pending = set(tasks)
        while pending:
            _, pending = await asyncio.wait(pending, timeout=self._interval)
            if pending:
                try:
                    await self._lock.renew()
                except AzureError as error:
                    _log.warning("The lock on the timers is not renewed: %s", error)

    async def _keep(self, listener: TimerListener, lost: asyncio.Event) -> None:
        while not lost.is_set():
            try:
                await listener.run(lost)
            except AzureError as error:
                _log.warning("A timer waits for its storage: %s", error)
                await self._pause(self._interval)
            except Exception:  # noqa: BLE001 - one broken timer must not end the others
                _log.exception("A timer broke, and starts again")
                await self._pause(self._interval)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


def timer_payload(
    status: ScheduleStatus | None, *, past_due: bool, adjust_for_dst: bool = True
) -> TypedData:
    """The trigger's JSON, as Azure's host makes it."""
    return TypedData(
        json=json.dumps(
            {
                "Schedule": {"AdjustForDST": adjust_for_dst},
                "ScheduleStatus": status.as_json() if status else None,
                "IsPastDue": past_due,
            }
        )
    )
