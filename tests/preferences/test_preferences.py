"""What recipients wish: stored in the row of their suppressions, and kept to."""

import asyncio
from datetime import timedelta

import pytest

from shared.preferences import PreferenceChange, PreferenceError, Topic
from shared.suppression import Suppression
from tests.preferences.conftest import Desk

PAGE = "preference-page"


async def blocked(desk: Desk, address: str, topic: str, category: str = "bulk") -> bool:
    return bool(await desk.check.blocked([address], category=category, topic=topic))


async def test_topics_are_on_or_off_as_they_say_until_somebody_chooses(desk: Desk) -> None:
    await desk.topics.put(Topic(name="news", names={"en": "News"}))
    await desk.topics.put(Topic(name="offers", default_on=False))
    found = await desk.preferences.get("ana@example.com")
    assert found.topics == {"news": True, "offers": False}
    assert found.cadences == {"news": "each", "offers": "none"}
    assert not await blocked(desk, "ana@example.com", "news")
    assert await blocked(desk, "ana@example.com", "offers")
    changed = await desk.preferences.change(
        "Ana@Example.com", PreferenceChange(topics={"news": False, "offers": True}), source=PAGE
    )
    assert changed.topics == {"news": False, "offers": True}
    assert await blocked(desk, "ana@example.com", "news")
    assert not await blocked(desk, "ana@example.com", "offers")
    assert not await blocked(desk, "ana@example.com", "news", "transactional")


async def test_a_change_twice_is_one(desk: Desk) -> None:
    change = PreferenceChange(topics={"t": False}, all_off=True, cadences={"u": "daily"})
    await desk.preferences.change("ben@example.com", change, source=PAGE, message_id="m-1")
    before = await desk.suppressions.entry("ben@example.com")
    desk.clock.advance(hours=1)
    await desk.preferences.change("ben@example.com", change, source=PAGE, message_id="m-2")
    after = await desk.suppressions.entry("ben@example.com")
    assert after == before
    assert {(s.scope, s.message_id) for s in after.own} == {("topic:t", "m-1"), ("bulk", "m-1")}


async def test_undoing_leaves_what_others_brought_about(desk: Desk) -> None:
    for scope, reason in (("everything", "bounced"), ("bulk", "manual"), ("topic:t", "manual")):
        await desk.suppressions.add(
            Suppression(
                address="eve@example.com",
                scope=scope,
                reason=reason,  # type: ignore[arg-type]
                source="api",
                since=desk.clock(),
            )
        )
    off = PreferenceChange(topics={"t": False}, all_off=True, paused_until=desk.clock.now)
    on = PreferenceChange(topics={"t": True}, all_off=False, resume=True)
    await desk.preferences.change("eve@example.com", off, source=PAGE)
    assert len((await desk.suppressions.entry("eve@example.com")).own) == 6
    found = await desk.preferences.change("eve@example.com", on, source=PAGE)
    assert (found.all_off, found.paused_until) == (False, None)
    assert {s.reason for s in await desk.suppressions.find("eve@example.com")} == {
        "bounced", "manual",
    }  # fmt: skip


async def test_a_pause_ends_by_itself_and_stands_beside_all_off(desk: Desk) -> None:
    until = desk.clock() + timedelta(days=30)
    change = PreferenceChange(paused_until=until, all_off=True)
    found = await desk.preferences.change("fay@example.com", change, source=PAGE)
    assert (found.paused_until, found.all_off) == (until, True)
    await desk.preferences.change("fay@example.com", PreferenceChange(all_off=False), source=PAGE)
    assert await blocked(desk, "fay@example.com", "any")
    longer = until + timedelta(days=60)
    found = await desk.preferences.change(
        "fay@example.com", PreferenceChange(paused_until=longer), source=PAGE
    )
    assert found.paused_until == longer
    desk.clock.advance(days=91)
    assert not await blocked(desk, "fay@example.com", "any")
    assert (await desk.preferences.get("fay@example.com")).paused_until is None


async def test_cadences_turn_topics_on_and_off(desk: Desk) -> None:
    async def change(**values: object) -> str:
        found = await desk.preferences.change(
            "gus@example.com", PreferenceChange(**values), source=PAGE  # type: ignore[arg-type]
        )  # fmt: skip
        return f"{found.topics['d']} {found.cadences['d']}"

    assert await change(cadences={"d": "weekly"}) == "True weekly"
    assert await change(cadences={"d": "none"}) == "False none"
    assert await change(topics={"d": True}) == "True weekly"
    assert await change(topics={"d": False}, cadences={"d": "daily"}) == "False none"
    assert await change(topics={"d": True}) == "True daily"
    assert await change(cadences={"d": "each"}) == "True each"


async def test_an_unsubscription_by_event_shows_and_can_be_undone(desk: Desk) -> None:
    await desk.suppressions.add(
        Suppression(
            address="hal@example.com", scope="topic:x", reason="unsubscribed", source="mailto",
            since=desk.clock(),
        )
    )  # fmt: skip
    assert (await desk.preferences.get("hal@example.com")).topics["x"] is False
    found = await desk.preferences.change(
        "hal@example.com", PreferenceChange(topics={"x": True}), source=PAGE
    )
    assert found.topics["x"] is True
    assert await desk.suppressions.find("hal@example.com") == ()


async def test_changes_at_once_are_all_kept(desk: Desk) -> None:
    changes = [PreferenceChange(topics={f"t{n}": False}) for n in range(6)]
    await asyncio.gather(
        *(desk.preferences.change("ida@example.com", c, source=PAGE) for c in changes)
    )
    found = await desk.preferences.get("ida@example.com")
    assert [found.topics[f"t{n}"] for n in range(6)] == [False] * 6


async def test_language_and_time_zone_are_kept_and_forgotten(desk: Desk) -> None:
    change = PreferenceChange(language="de-AT", time_zone="Europe/Vienna")
    await desk.preferences.change("jo@example.com", change, source=PAGE)
    found = await desk.preferences.get("jo@example.com")
    assert (found.language, found.time_zone) == ("de-AT", "Europe/Vienna")
    change = PreferenceChange(language="", time_zone="")
    await desk.preferences.change("jo@example.com", change, source=PAGE)
    assert (await desk.suppressions.entry("jo@example.com")).empty


async def test_too_many_topics_are_refused(desk: Desk) -> None:
    change = PreferenceChange(topics={f"t{n}": False for n in range(101)})
    with pytest.raises(PreferenceError, match="100 topics"):
        await desk.preferences.change("kim@example.com", change, source=PAGE)


async def test_an_exempt_topics_transactional_mail_goes_to_who_complained(desk: Desk) -> None:
    await desk.suppressions.add(
        Suppression(
            address="lea@example.com", scope="everything", reason="complained", source="arf",
            since=desk.clock(),
        )
    )  # fmt: skip
    await desk.topics.put(Topic(name="security", exempt=True))
    assert not await blocked(desk, "lea@example.com", "security", "transactional")
    assert await blocked(desk, "lea@example.com", "security", "bulk")
    assert await blocked(desk, "lea@example.com", "news", "transactional")
    await desk.topics.remove("security")
    assert await blocked(desk, "lea@example.com", "security", "transactional")


async def test_the_check_reads_topics_once_for_many_messages(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    query = desk.topics._table.query

    def counted(*args: str, limit: int) -> object:
        reads.append(args[0])
        return query(*args, limit=limit)

    monkeypatch.setattr(desk.topics._table, "query", counted)
    desk.clock.advance(minutes=1)
    for number in range(50):
        await blocked(desk, f"p{number}@example.com", "news")
    assert len(reads) == 1
