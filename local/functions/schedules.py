"""The state of timers, kept in blobs as Azure's host keeps it, and the lock on them.

Container `azure-webjobs-hosts`: `timers/<host id>/Host.Functions.<name>/status` holds each timer's
state; whoever has the lease on `locks/<host id>/Host.Timers.Listener` runs the timers.
"""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)

from local.functions.ncrontab import Schedule

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobLeaseClient, BlobServiceClient

_log = logging.getLogger("Host.Timers")
_CONTAINER = "azure-webjobs-hosts"
NEVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """When a timer ran last (NEVER: not yet), is due next, and when that was worked out."""

    last: datetime
    next: datetime
    last_updated: datetime

    def as_json(self) -> dict[str, str]:
        return {
            "Last": self.last.isoformat(),
            "Next": self.next.isoformat(),
            "LastUpdated": self.last_updated.isoformat(),
        }


def first_status(schedule: Schedule, now: datetime) -> ScheduleStatus:
    return ScheduleStatus(last=NEVER, next=schedule.next_after(now), last_updated=now)


def checked_status(
    recorded: ScheduleStatus | None, schedule: Schedule, now: datetime
) -> ScheduleStatus:
    """The status to start from: what was recorded, unless the schedule has changed since.

    A timer is past due if its `next` is then over.
    """
    if recorded is None:
        return first_status(schedule, now)
    basis = next((at for at in (recorded.last, recorded.last_updated) if at > NEVER), now)
    expected = schedule.next_after(basis)
    if expected == recorded.next:
        return recorded
    if now > expected:
        return first_status(schedule, now)
    return ScheduleStatus(last=NEVER, next=expected, last_updated=basis)


class ScheduleStore:
    """Timers' states in blob storage."""

    def __init__(self, service: BlobServiceClient, host_id: str) -> None:
        self._service = service
        self._host_id = host_id

    async def read(self, function: str) -> ScheduleStatus | None:
        blob = self._service.get_blob_client(_CONTAINER, self._path(function))
        try:
            content = await (await blob.download_blob()).readall()
            value: dict[str, Any] = json.loads(content)
            return ScheduleStatus(
                last=_time(value["Last"]),
                next=_time(value["Next"]),
                last_updated=_time(value["LastUpdated"]),
            )
        except ResourceNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            _log.warning(
                "The state of timer '%s' is unreadable, and made anew: %s", function, error
            )
            return None

    async def write(self, function: str, status: ScheduleStatus) -> None:
        blob = self._service.get_blob_client(_CONTAINER, self._path(function))
        await blob.upload_blob(json.dumps(status.as_json()).encode(), overwrite=True)

    def _path(self, function: str) -> str:
        return f"timers/{self._host_id}/Host.Functions.{function}/status"


class TimerLock:
    """The lease that makes one host of several run the timers."""

    def __init__(self, service: BlobServiceClient, host_id: str, *, seconds: int) -> None:
        self._service = service
        self._path = f"locks/{host_id}/Host.Timers.Listener"
        self._seconds = seconds
        self._lease: BlobLeaseClient | None = None

    async def acquire(self) -> bool:
        blob = self._service.get_blob_client(_CONTAINER, self._path)
        try:
            self._lease = await blob.acquire_lease(lease_duration=self._seconds)
        except ResourceNotFoundError:
            await self._create()
            return await self.acquire()
        except ResourceExistsError:  # 409 LeaseAlreadyPresent
            return False
        return True

    async def renew(self) -> bool:
        """False: another has it. Raises AzureError if that cannot be known now."""
        assert self._lease is not None
        try:
            await self._lease.renew()
        except HttpResponseError as error:
            if error.status_code in (404, 409, 412):
                return False
            raise
        return True

    async def release(self) -> None:
        if self._lease is None:
            return
        try:
            await self._lease.release()
        except AzureError as error:
            _log.warning("The lock on the timers is left to run out: %s", error)
        self._lease = None

    async def _create(self) -> None:
        with contextlib.suppress(ResourceExistsError):
            await self._service.create_container(_CONTAINER)
        with contextlib.suppress(ResourceExistsError):
            await self._service.get_blob_client(_CONTAINER, self._path).upload_blob(b"")


def _time(text: str) -> datetime:
    """ISO 8601; .NET writes seven digits of a second, and may leave the offset out."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
