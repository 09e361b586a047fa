"""Whoever crashes, and however many are at work: each recipient gets one mail."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import StorageUnavailableError
from tests.digests.conftest import Desk, item
from tests.operations.conftest import OpenOffice


class CrashError(BaseException):
    """The process is gone: nothing catches it."""


class Fuse:
    """The process is gone at one of its calls: before or after that has done its work."""

    def __init__(self, target: Any, name: str, *, calls: int, after: bool) -> None:
        self._work = getattr(target, name)
        self._left = calls
        self._after = after
        setattr(target, name, self)

    async def __call__(self, *args: Any, **options: Any) -> Any:
        if self._left <= (0 if self._after else 1):
            raise CrashError
        result = await self._work(*args, **options)
        self._left -= 1
        if self._left <= 0:
            raise CrashError
        return result


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("part", "name"),
    [("_windows", "change"), ("_acceptance", "accept_queued"), ("_outbox", "enqueue"),
     ("_windows", "close")],
)  # fmt: skip
async def test_two_at_work_one_of_whom_crashes(
    desk: Desk, open_office: OpenOffice, part: str, name: str, *, after: bool
) -> None:
    people = [f"p{n}@example.com" for n in range(24)]
    await desk.add(item("one", *people), item("two", *people))
    other = open_office()
    other.clock.ahead = desk.office.clock.ahead = timedelta(minutes=61)
    Fuse(getattr(other.app.digests.sending, part), name, calls=5, after=after)
    results = await asyncio.gather(
        desk.office.app.digests.sending.run(), other.app.digests.sending.run(),
        return_exceptions=True,
    )  # fmt: skip
    assert [type(result) for result in results] == [Counter, CrashError]
    await desk.add(item("three", people[0], people[23]))
    for _ in range(3):
        await desk.pass_time(minutes=3)
    await desk.pass_time(minutes=61)
    await desk.office.app.reconciliation.run()  # brings back what was recorded, not enqueued
    mails = await desk.mails()
    texts = Counter((mail.to, mail.text.partition(" total")[0]) for mail in mails)
    assert texts == Counter(
        [(who, "[News 2: one two]") for who in people]
        + [(who, "[News 1: three]") for who in (people[0], people[23])]
    )


async def test_items_come_while_their_window_is_sent(desk: Desk) -> None:
    """None is lost, none comes twice, whenever the window is claimed."""
    sending = desk.office.app.digests.sending
    await desk.define(schedule={"kind": "look-back", "minutes": 1})

    for n in range(6):  # the clock moves between: a jump within an acceptance is no test of this
        await asyncio.gather(
            desk.add(item(f"<{n}>")), sending.run(), desk.add(item(f"<{n + 100}>")), sending.run()
        )
        await desk.pass_time(minutes=2)
    for _ in range(3):
        await desk.pass_time(minutes=4)
    shown = " ".join(mail.text for mail in await desk.mails())
    expected = [f"<{n}>" for n in (*range(6), *range(100, 106))]
    assert {title: shown.count(title) for title in expected} == dict.fromkeys(expected, 1)


async def test_storage_that_fails_leaves_the_window_due(desk: Desk) -> None:
    await desk.add(item("one"))
    windows = desk.office.app.digests.windows
    gathered = windows.gathered

    async def fail(*_: Any, **__: Any) -> Any:
        raise StorageUnavailableError("away")

    windows.gathered = fail  # type: ignore[method-assign]
    with pytest.raises(StorageUnavailableError):
        await desk.pass_time(minutes=61)
    windows.gathered = gathered  # type: ignore[method-assign]
    assert await desk.pass_time(minutes=1) == {}  # its lease is not over
    assert await desk.pass_time(minutes=3) == {"sent": 1}
    assert len(await desk.mails()) == 1
