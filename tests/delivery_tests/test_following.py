"""Tests are followed by a timer or by who asks, end within bounds, and survive what dies."""

import asyncio
import json
from datetime import timedelta

import pytest

from shared.errors import ConflictError, InvalidMessageError, NotFoundError
from shared.messages.acceptance import Acceptance
from tests.delivery_tests.conftest import Desk
from tests.lint.spamd_server import running_spamd
from tests.operations.conftest import OpenOffice

MAILBOXES = json.dumps(["probe@fabrikam.test", "junk@fabrikam.test"])


async def test_the_timer_follows_them_all(desk: Desk) -> None:
    for to in ("probe@fabrikam.test", "junk@fabrikam.test", "lost@fabrikam.test"):
        await desk.sent(to)
    await desk.office.app.read_returned_mail()
    assert [test.status for test in await desk.all()] == ["waiting", "arrived", "arrived"]
    desk.office.clock.ahead += timedelta(minutes=14)
    await desk.tests.run()
    assert (await desk.all())[0].status == "waiting"
    desk.office.clock.ahead += timedelta(minutes=2)
    await desk.tests.run()
    lost = (await desk.all())[0]
    assert (lost.status, lost.detail) == ("not_arrived", "It did not arrive within 15 minutes.")
    assert "Get-MessageTraceV2" in lost.fix
    looks = desk.office.services.graph.requests["list"]
    await desk.tests.run()
    await desk.tests.run()
    assert desk.office.services.graph.requests["list"] == looks  # nothing is open: nobody looks


async def test_who_asks_often_does_not_look_as_often(desk: Desk) -> None:
    test = await desk.sent("lost@fabrikam.test")
    await desk.tests.get(test.id)
    looks = desk.office.services.graph.requests["list"]
    for _ in range(5):
        assert (await desk.tests.get(test.id)).status == "waiting"
    assert desk.office.services.graph.requests["list"] == looks
    desk.office.clock.ahead += timedelta(seconds=10)
    await desk.tests.get(test.id)
    assert desk.office.services.graph.requests["list"] > looks


async def test_a_probe_that_is_not_sent_ends_the_test(desk: Desk) -> None:
    test = await desk.begin()
    assert (await desk.tests.get(test.id)).status == "sending"
    desk.office.clock.ahead += timedelta(minutes=16)
    ended = await desk.tests.get(test.id)
    assert ended.status == "not_sent"
    assert "still queued" in ended.detail
    assert test.message_id in ended.fix


async def test_a_probe_that_is_cancelled_ends_the_test(desk: Desk) -> None:
    test = await desk.begin()
    await desk.office.app.operations.cancel(test.message_id)
    ended = await desk.tests.get(test.id)
    assert (ended.status, bool(ended.fix)) == ("not_sent", True)


async def test_a_process_that_dies_before_the_probe_is_accepted_loses_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(Acceptance, "accept", die)
        with pytest.raises(asyncio.CancelledError):
            await desk.begin(key="k")
    [test] = await desk.all()
    assert await desk.office.deliver() == 0
    await desk.tests.run()
    await desk.tests.run()
    assert await desk.office.deliver() == 1
    assert (await desk.tests.begin(key="k"))[0].id == test.id
    desk.office.clock.ahead += timedelta(seconds=10)
    assert (await desk.tests.get(test.id)).status == "arrived"
    assert len(desk.office.mails(test.message_id)) == 1


async def test_the_same_key_begins_one_test(desk: Desk) -> None:
    begun = await asyncio.gather(*(desk.tests.begin(key="same") for _ in range(4)))
    assert len({test.id for test, _ in begun}) == 1
    assert [repeated for _, repeated in begun].count(False) == 1
    with pytest.raises(ConflictError):
        await desk.tests.begin(to="junk@fabrikam.test", key="same")
    assert await desk.office.deliver() == 1


async def test_two_that_look_at_once_agree(desk: Desk) -> None:
    test = await desk.sent()
    seen = await asyncio.gather(*(desk.tests.get(test.id) for _ in range(3)), desk.tests.run())
    assert {one.status for one in seen if one is not None} == {"arrived"}


async def test_every_day_has_its_tests_once(open_office: OpenOffice) -> None:
    settings = {
        "MAILROOM_DELIVERY_TEST_DAILY": "true",
        "MAILROOM_DELIVERY_TEST_MAILBOXES": MAILBOXES,
    }
    first, second = Desk(open_office(**settings)), Desk(open_office(**settings))
    await asyncio.gather(first.tests.run_daily(), second.tests.run_daily())
    assert sorted(test.to for test in await first.all()) == sorted(json.loads(MAILBOXES))
    assert all(test.daily for test in await first.all())
    first.office.clock.ahead += timedelta(days=1)
    await first.tests.run_daily()
    assert len(await first.all()) == 4


async def test_none_runs_daily_unless_asked_for(desk: Desk) -> None:
    await desk.tests.run_daily()
    assert await desk.all() == []


async def test_the_score_of_spamd_is_told(open_office: OpenOffice) -> None:
    async with running_spamd() as server:
        desk = Desk(open_office(MAILROOM_SPAMD=server.address))
        test = await desk.sent()
        arrival = (await desk.tests.get(test.id)).arrival
        assert arrival is not None
        assert arrival.spam is not None
        assert (arrival.spam.score, arrival.spam.threshold) == (1.5, 5.0)
        # What is scored is the mail as it arrived, with its way.
        assert server.questions[-1].startswith(b"Return-Path:")
        server.answer = b"no spamd"
        test = await desk.sent()
        ended = await desk.tests.get(test.id)
        assert ended.status == "arrived"
        assert "SpamAssassin gave no score" in ended.observations[0].what


async def test_without_a_recipient_or_a_sender_it_is_refused(open_office: OpenOffice) -> None:
    desk = Desk(open_office(MAILROOM_DELIVERY_TEST_MAILBOXES=""))
    with pytest.raises(InvalidMessageError, match="MAILROOM_DELIVERY_TEST_MAILBOXES"):
        await desk.begin()
    with pytest.raises(InvalidMessageError):
        await desk.begin("ana@example.com", sender="nobody@else.test", key="k")
    assert await desk.all() == []
    await desk.begin("ana@example.com", key="k")  # nothing is left of the refused one


async def test_old_tests_go_with_their_keys(desk: Desk) -> None:
    old = await desk.sent(key="old")
    await desk.tests.get(old.id)
    desk.office.clock.ahead += timedelta(days=364)
    await desk.begin(key="new")
    assert await desk.tests.delete_expired(desk.office.clock()) == 0
    desk.office.clock.ahead += timedelta(days=2)
    await desk.office.app.delete_expired()
    assert [test.asked_at > old.asked_at for test in await desk.all()] == [True]
    with pytest.raises(NotFoundError):
        await desk.tests.get(old.id)
    assert len(await desk.office.rows("deliverytests")) == 3  # test, mark and key of the new one
