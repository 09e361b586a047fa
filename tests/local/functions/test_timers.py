"""Timers against real storage: what runs at a start, what is skipped, who runs them."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.blob.aio import BlobServiceClient
from hypothesis import given
from hypothesis import strategies as st

from local.azurite import Azurite
from local.functions.bindings import FunctionDefinition, TimerTrigger
from local.functions.ncrontab import parse
from local.functions.protocol import TypedData
from local.functions.schedules import NEVER, ScheduleStatus, ScheduleStore, checked_status
from local.functions.timers import TimerListener
from local.functions.worker import InvocationResult
from tests.local.functions.conftest import Sample, eventually, sample_app

NOON = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
HOURLY = parse("0 0 * * * *")
APP = """
@app.timer_trigger("timer", "0 0 */2 * * *")
async def late(timer: func.TimerRequest) -> None:
    note(kind="late", past_due=timer.past_due, status=timer.schedule_status,
         schedule=timer.schedule)

@app.timer_trigger("timer", "0 0 0 1 1 *")
async def yearly(timer: func.TimerRequest) -> None:
    note(kind="yearly")

@app.timer_trigger("timer", "0 0 0 1 2 *", run_on_startup=True)
def at_startup(timer: func.TimerRequest) -> None:
    note(kind="startup", past_due=timer.past_due)

@app.timer_trigger("timer", "%EVERY%")
async def ticking(timer: func.TimerRequest) -> None:
    note(kind="tick", status=timer.schedule_status)
    await asyncio.sleep(1.2)
    note(kind="tock")
    raise ValueError("an error does not stop the schedule")
"""
EVERY_SECOND = """
@app.timer_trigger("timer", "* * * * * *")
async def second(timer: func.TimerRequest) -> None:
    note(kind="second", due=int(time.time()))
"""


class Recorder:
    """Stands where the host calls functions: takes `duration` of the test's time for each."""

    def __init__(self, clock: "Clock", duration: timedelta = timedelta(0)) -> None:
        self._clock = clock
        self._duration = duration
        self.runs: list[datetime] = []
        self.payloads: list[dict[str, object]] = []
        self.stopping = asyncio.Event()
        self.last = 1

    async def run(
        self,
        function: FunctionDefinition,
        value: TypedData,
        metadata: Mapping[str, TypedData],
        *,
        reason: str,
    ) -> InvocationResult:
        self.runs.append(self._clock())
        self.payloads.append(json.loads(value.json))
        self._clock.now += self._duration
        if len(self.runs) >= self.last:
            self.stopping.set()
        return InvocationResult(succeeded=False, error="it fails each time")


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
async def blobs(storage: Azurite) -> AsyncIterator[BlobServiceClient]:
    async with BlobServiceClient.from_connection_string(
        storage.connection_string, retry_total=0
    ) as service:
        container = service.get_container_client("azure-webjobs-hosts")
        if not await container.exists():
            await container.create_container()
        yield service


def timer(schedule: str, name: str) -> FunctionDefinition:
    trigger = TimerTrigger("timer", schedule, run_on_startup=False, use_monitor=True)
    return FunctionDefinition(name, name, trigger)


async def test_starts_of_a_host_past_due_first_and_on_startup(
    storage: Azurite, blobs: BlobServiceClient, tmp_path: Path
) -> None:
    schedule = parse("0 0 */2 * * *")
    last = datetime.now(UTC) - timedelta(days=1)
    recorded = ScheduleStatus(last, schedule.next_after(last), last)
    store = ScheduleStore(blobs, "starts")
    await store.write("late", recorded)
    settings = {"AzureFunctionsWebHost__hostid": "Starts", "EVERY": "* * * * * *"}
    async with sample_app(tmp_path, APP, storage=storage, settings=settings) as sample:
        [late] = await sample.noted("late")
        assert late["past_due"] is True
        assert late["schedule"] == {"AdjustForDST": True}
        assert late["status"] == recorded.as_json()
        [startup] = await sample.noted("startup")
        assert startup["past_due"] is False
        ticks = await sample.noted("tick", 3)
        # Under a minute there is no state; each call had ended before the next began.
        assert ticks[0]["status"] == {}
        kinds = [line["kind"] for line in sample.notes() if line["kind"] in ("tick", "tock")]
        assert kinds[:5] == ["tick", "tock", "tick", "tock", "tick"]
        assert sample.notes("yearly") == []
        yearly = await store.read("yearly")
        assert yearly is not None
        assert yearly.last == NEVER
        assert (yearly.next.month, yearly.next.day) == (1, 1)
        written = await store.read("late")
        assert written is not None
        assert written.last > last + timedelta(hours=23)
        assert await store.read("ticking") is None
        assert await sample.host.stop() == 0
        # Once more: nothing is past due now, and the schedule is kept.
        await sample.host.start()
        await sample.noted("startup", 2)
        assert len(sample.notes("late")) == 1
        assert await store.read("yearly") == yearly


async def test_two_hosts_run_each_tick_once_and_one_takes_over(
    storage: Azurite, tmp_path: Path
) -> None:
    settings = {"AzureFunctionsWebHost__hostid": "two-hosts"}
    async with AsyncExitStack() as stack:
        samples: list[Sample] = [
            await stack.enter_async_context(
                sample_app(tmp_path / name, EVERY_SECOND, storage=storage, settings=settings)
            )
            for name in ("one", "two")
        ]
        await eventually(lambda: any(len(s.notes("second")) >= 3 for s in samples))
        runner, waiting = sorted(samples, key=lambda s: -len(s.notes("second")))
        assert waiting.notes("second") == []
        await runner.host.stop()
        await waiting.noted("second", 2)
        ran = [note["due"] for sample in samples for note in sample.notes("second")]
        assert len(ran) == len(set(ran))
        log = waiting.host.log()
    assert "This host runs the timers" in log


async def test_a_first_start_waits_and_a_restart_after_the_time_is_past_due(
    blobs: BlobServiceClient,
) -> None:
    store = ScheduleStore(blobs, "restarts")
    clock = Clock(NOON)
    recorder = Recorder(clock)
    first = TimerListener(timer("0 0 * * * *", "hourly"), store, recorder, clock=clock)
    running = asyncio.create_task(first.run(recorder.stopping))
    await asyncio.sleep(0.2)
    assert recorder.runs == []
    recorder.stopping.set()
    await running
    assert await store.read("hourly") == ScheduleStatus(
        NEVER, datetime(2026, 11, 23, 13, tzinfo=UTC), NOON
    )
    clock.now = NOON + timedelta(hours=5)
    recorder.stopping.clear()
    again = TimerListener(timer("0 0 * * * *", "hourly"), store, recorder, clock=clock)
    await again.run(recorder.stopping)
    assert recorder.runs == [NOON + timedelta(hours=5)]  # five were missed: one is made up for
    assert recorder.payloads[0]["IsPastDue"] is True
    assert await store.read("hourly") == ScheduleStatus(
        clock.now, datetime(2026, 11, 23, 18, tzinfo=UTC), clock.now
    )


async def test_ticks_missed_during_a_long_call_are_skipped(blobs: BlobServiceClient) -> None:
    store = ScheduleStore(blobs, "long")
    clock = Clock(datetime(2026, 11, 23, 12, tzinfo=UTC) - timedelta(milliseconds=50))
    recorder = Recorder(clock, timedelta(hours=3, minutes=30))
    recorder.last = 2
    listener = TimerListener(timer("0 0 * * * *", "hourly"), store, recorder, clock=clock)
    running = asyncio.create_task(listener.run(recorder.stopping))
    await asyncio.sleep(0.05)
    clock.now += timedelta(milliseconds=50)
    await running
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    # 13:00 was due while the first ran, and is late; 14:00 and 15:00 are not made up for.
    assert recorder.runs == [noon, noon + timedelta(hours=3, minutes=30)]
    written = await store.read("hourly")
    assert written is not None
    assert written.next == noon + timedelta(hours=4)


async def test_an_unreadable_state_is_made_anew(blobs: BlobServiceClient) -> None:
    store = ScheduleStore(blobs, "unreadable")
    path = "timers/unreadable/Host.Functions.one/status"
    await blobs.get_blob_client("azure-webjobs-hosts", path).upload_blob(b'{"Last": 7}')
    assert await store.read("one") is None


async def test_the_state_that_azures_host_wrote_is_read(blobs: BlobServiceClient) -> None:
    store = ScheduleStore(blobs, "azure")
    path = "timers/azure/Host.Functions.one/status"
    text = (
        '{"Last":"0001-01-01T00:00:00+00:00","Next":"2026-11-23T13:00:00+00:00",'
        '"LastUpdated":"2026-11-23T12:00:30.1234567+00:00"}'
    )
    await blobs.get_blob_client("azure-webjobs-hosts", path).upload_blob(text.encode())
    assert await store.read("one") == ScheduleStatus(
        NEVER,
        datetime(2026, 11, 23, 13, tzinfo=UTC),
        datetime(2026, 11, 23, 12, 0, 30, 123456, tzinfo=UTC),
    )


def test_a_changed_schedule_is_not_past_due() -> None:
    recorded = ScheduleStatus(NOON, parse("0 30 * * * *").next_after(NOON), NOON)
    later = NOON + timedelta(hours=7)
    status = checked_status(recorded, HOURLY, later)
    assert status == ScheduleStatus(NEVER, datetime(2026, 11, 23, 20, tzinfo=UTC), later)
    soon = checked_status(recorded, HOURLY, NOON + timedelta(minutes=1))
    assert soon.next == datetime(2026, 11, 23, 13, tzinfo=UTC)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)))
def test_an_unchanged_schedule_keeps_its_recorded_state(off: timedelta) -> None:
    recorded = ScheduleStatus(NOON, HOURLY.next_after(NOON), NOON)
    status = checked_status(recorded, HOURLY, NOON + off)
    assert status is recorded
    assert (NOON + off > status.next) == (off > timedelta(minutes=59, seconds=30))
