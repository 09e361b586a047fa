"""Digests through their public doors, to the submission server."""

import base64
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.digests.conftest import ANA, BODY, JSON, Desk, item, publish
from tests.operations.conftest import BILLING, Json, OpenOffice, pointers, read

BEN = "ben@example.com"


async def test_what_gathers_becomes_one_mail(desk: Desk) -> None:
    assert await desk.add(item("one"), item("two", ANA, BEN)) == {
        "accepted": 3, "repeated": 0, "unwanted": 0,
    }  # fmt: skip
    await desk.add(item("three"))
    assert await desk.pass_time(minutes=59) == {}
    assert await desk.pass_time(minutes=2) == {"sent": 2}
    assert await desk.send() == {}
    mails = await desk.mails()
    assert [mail.to for mail in mails] == [ANA, BEN]
    assert mails[0].subject == "3 news"
    assert "[News 3: one two three] total 3 more 0 irregular" in mails[0].text
    assert "[News 1: two] total 1" in mails[1].text
    rows = {row["RowKey"].partition("-")[0] for row in await desk.office.rows("digests")}
    assert rows == {"name", "seen", "forget"}  # windows and items are gone


async def test_what_comes_afterwards_opens_a_window_of_its_own(desk: Desk) -> None:
    await desk.add(item("one"))
    await desk.pass_time(minutes=61)
    await desk.add(item("two"))
    assert await desk.send() == {}
    await desk.pass_time(minutes=61)
    assert ["one" in m.text for m in await desk.mails()] == [True, False]


async def test_an_item_is_taken_once(desk: Desk) -> None:
    first = item("one", id="event-1")
    await desk.add(first)
    assert (await desk.add(first, item("two", id="event-2")))["repeated"] == 1
    await desk.pass_time(minutes=61)
    assert (await desk.add(first))["accepted"] == 0  # though its mail has gone
    assert await desk.pass_time(minutes=61) == {}
    assert len(await desk.mails()) == 1
    assert await desk.add(item("x"), key="k") == {"accepted": 1, "repeated": 0, "unwanted": 0}
    assert await desk.add(item("x"), key="k") == {"accepted": 0, "repeated": 1, "unwanted": 0}
    assert (await desk.add(item("y"), key="k"))["accepted"] == 1


@pytest.mark.parametrize(("on_same_key", "shown"), [("replace", "late"), ("keep", "early")])
async def test_items_of_one_key(desk: Desk, on_same_key: str, shown: str) -> None:
    await desk.define(on_same_key=on_same_key)
    await desk.add(item("early", key="order-7"))
    await desk.add(item("late", key="order-7"))
    await desk.pass_time(minutes=61)
    [mail] = await desk.mails()
    assert f"[News 1: {shown}]" in mail.text


async def test_dedupe_by_a_field(desk: Desk) -> None:
    await desk.define(dedupe_by="title")
    await desk.add(item("same"), item("same"), item("other"))
    await desk.pass_time(minutes=61)
    [mail] = await desk.mails()
    assert "total 2" in mail.text


async def test_a_removed_item_is_not_mailed(desk: Desk) -> None:
    await desk.add(item("stays", key="a"), item("goes", ANA, BEN, key="comment/7"))
    api = desk.office.app.digests_api
    answer = await api.delete_items("news", "comment/7", {})
    assert read(answer) == {"removed": 2, "too_late": 0}
    assert (await api.delete_items("news", "comment/7", {})).status == 404
    assert await desk.pass_time(minutes=61) == {"sent": 1, "empty": 1}
    [mail] = await desk.mails()
    assert (mail.to, "[News 1: stays]" in mail.text) == (ANA, True)


async def test_urgent_items_take_along_what_has_gathered(desk: Desk) -> None:
    await desk.add(item("one"))
    await desk.add(item("now", urgent=True))
    [mail] = await desk.mails()
    assert "[News 2: one now]" in mail.text


async def test_a_look_back_sends_the_first_at_once_and_gathers_the_rest(desk: Desk) -> None:
    await desk.define(schedule={"kind": "look-back", "minutes": 30})
    await desk.add(item("first"))
    assert len(await desk.mails()) == 1
    await desk.add(item("second"))
    await desk.add(item("third"))
    assert await desk.pass_time(minutes=29) == {}
    assert await desk.pass_time(minutes=2) == {"sent": 1}
    assert await desk.pass_time(minutes=31) == {"quiet": 1}
    await desk.add(item("fourth"))
    mails = await desk.mails()
    assert sorted(mail.text.partition(" total")[0] for mail in mails) == [
        "[News 1: first]", "[News 1: fourth]", "[News 2: second third]",
    ]  # fmt: skip


async def test_cap_order_and_groups(desk: Desk) -> None:
    await desk.define(cap=4, cap_keeps="last", order="newest-first", group_by="project")
    await desk.add(
        *(
            item(f"i{n}") | {"data": {"title": f"i{n}", "project": "AB"[n % 2]}}
            for n in range(10)
        )
    )  # fmt: skip
    await desk.pass_time(minutes=61)
    [mail] = await desk.mails()
    assert mail.text.startswith("[B 5: i9 i7][A 5: i8 i6] total 10 more 6")
    await desk.define(cap=2, cap_keeps="first")
    await desk.add(
        item("late", occurred_at="2026-05-01T12:00:00Z"),
        item("early", occurred_at="2026-05-01T10:00:00+02:00"),
        item("latest", occurred_at="2026-05-01T13:00:00Z"),
    )
    await desk.pass_time(minutes=61)
    assert "[News 3: early late] total 3 more 1" in (await desk.mails())[-1].text


async def test_a_single_item_may_have_its_own_subject(desk: Desk) -> None:
    await desk.add(item("one", subject="Ben has answered"))
    await desk.add(item("one", BEN, subject="Ana has answered"), item("two", BEN, subject="No"))
    await desk.pass_time(minutes=61)
    assert [mail.subject for mail in await desk.mails()] == ["Ben has answered", "2 news"]


async def test_nothing_goes_to_whom_nothing_may_go(desk: Desk) -> None:
    suppression = desk.office.app._suppressions
    from shared.suppression import Suppression

    await suppression.add(
        Suppression(
            address=ANA, scope="everything", reason="bounced", source="test",
            since=desk.office.clock(),
        )
    )  # fmt: skip
    await desk.add(item("one"))
    await desk.pass_time(minutes=61)
    assert await desk.mails() == []
    [row] = [r for r in await desk.office.rows() if r["RowKey"].startswith("message-")]
    assert row["status"] == "suppressed"


async def test_each_at_eight_of_their_own_day_across_the_change_of_the_clock(desk: Desk) -> None:
    """Vienna's clocks go back on 25 October 2026, Lord Howe's went forward on the 4th."""
    await desk.define(schedule={"kind": "daily", "at": "08:00"})
    zones = {ANA: "Europe/Vienna", BEN: "Asia/Kathmandu", "c@example.com": "Australia/Lord_Howe"}
    people = [{"email": email, "time_zone": zone} for email, zone in zones.items()]
    expected = {
        "2026-10-23T20:00": set(zones),
        "2026-10-23T21:00": {"c@example.com"},  # 08:00+11
        "2026-10-24T02:15": {BEN},  # 08:00+05:45
        "2026-10-24T06:00": {ANA},  # 08:00+02
        "2026-10-24T21:00": {"c@example.com"},
        "2026-10-25T02:15": {BEN},
        "2026-10-25T07:00": {ANA},  # 08:00+01
    }
    desk.at(datetime(2026, 10, 23, 20, tzinfo=UTC))
    seen = 0
    for moment, who in list(expected.items())[1:]:
        await desk.add({"to": people, "data": {"title": "x"}})
        desk.at(datetime.fromisoformat(f"{moment}:00Z").replace(second=0))
        assert await desk.send() == {"sent": len(who)}
        seen += len(who)
    mails = await desk.mails()
    assert len(mails) == seen


async def test_a_backlog_is_sent_once_with_all_of_it(desk: Desk) -> None:
    await desk.define(schedule={"kind": "daily", "at": "08:00"})
    await desk.add(item("one", key="a"))
    await desk.add(item("newer", key="a"), item("two"))
    assert await desk.pass_time(days=3) == {"sent": 1}
    [mail] = await desk.mails()
    assert "[News 2: newer two] total 2 more 0 daily" in mail.text


async def test_the_callers_word_on_language_zone_and_cadence(desk: Desk) -> None:
    person = {"email": ANA, "time_zone": "Asia/Kathmandu", "cadence": "weekly", "name": "Ana"}
    desk.at(datetime(2026, 12, 1, 12, tzinfo=UTC))  # a Tuesday
    await desk.add({"to": [person], "data": {"title": "one"}})
    answer = await desk.office.app.digests_api.preview("news", {"recipient": ANA.upper()})
    assert answer.status == 200, answer.body
    view = read(answer)
    assert view["due"] == "2026-12-07T02:15:00Z"  # Monday, 08:00+05:45
    assert (view["time_zone"], view["language"], view["total"]) == ("Asia/Kathmandu", "en", 1)
    assert "one" in view["html"]
    assert view["subject"] == "1 news"
    assert await desk.mails() == []
    none = person | {"cadence": "none"}
    taken = await desk.add({"to": [none], "data": {"title": "two"}})
    assert taken == {"accepted": 0, "repeated": 0, "unwanted": 1}


async def test_no_item_waits_longer_than_it_may(desk: Desk) -> None:
    await desk.define(
        schedule={"kind": "cron", "expression": "0 8 1 1 *"}, maximum_wait_minutes=120
    )
    await desk.add(item("one"))
    assert await desk.pass_time(minutes=119) == {}
    assert await desk.pass_time(minutes=2) == {"sent": 1}


async def test_a_template_that_cannot_be_filled_keeps_what_gathered(desk: Desk) -> None:
    await publish(desk.office, "{{ absent }}")
    await desk.pass_time(minutes=1)
    await desk.add(item("one"))
    assert await desk.pass_time(minutes=61) == {"refused": 1}
    assert await desk.mails() == []
    view = await desk.office.app.digests_api.preview("news", {"recipient": ANA})
    assert view.status == 422
    await publish(desk.office, BODY)
    await desk.add(item("two"))
    assert await desk.pass_time(minutes=10) == {"sent": 1}
    assert await desk.pass_time(minutes=61) == {"sent": 1}
    texts = [mail.text.partition(" total")[0] for mail in await desk.mails()]
    assert texts == ["[News 1: one]", "[News 1: two]"]


async def test_the_queue_takes_items_and_tells_why_it_takes_none(desk: Desk) -> None:
    digests = desk.office.app.digests
    body = json.dumps({"digest": "news", "items": [item("queued")]}).encode()
    for content in (body, base64.b64encode(body)):  # delivered at least once
        await digests.take(content, queue_id="q1")
    for bad in (b"{", b'{"digest": "news", "items": [{}]}', b'{"digest": "no", "items": [{}]}',
                json.dumps({"digest": "other", "items": [item("x")]}).encode()):  # fmt: skip
        await digests.take(bad, queue_id="q2")
    poison = [json.loads(text) for _, text in await desk.office.take("digest-items-poison")]
    assert len(poison) == 4
    assert all(one["reason"] and base64.b64decode(one["original"]) for one in poison)
    assert any("PUT /api/digests" in one["fix"] for one in poison)
    await desk.pass_time(minutes=61)
    [mail] = await desk.mails()
    assert "[News 1: queued]" in mail.text


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"schedule": {"kind": "daily", "at": "24:00"}}, "/schedule/daily/at"),
        ({"schedule": {"kind": "cron", "expression": "0 8 * *"}}, "/schedule/cron/expression"),
        ({"schedule": {"kind": "never"}}, "/schedule"),
        ({"template": "nowhere"}, "/template"),
        ({"from": {"email": "eve@elsewhere.test"}}, "/from/email"),
        ({"cap": 51}, "/cap"),
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"colour": "red"}, "/colour"),
    ],
)
async def test_definitions_that_are_refused(desk: Desk, changes: Json, pointer: str) -> None:
    answer = await desk.define(**changes)
    assert (answer.status, pointers(answer)) == (422, {pointer})


@pytest.mark.parametrize(
    ("items", "pointer"),
    [
        ([], "/items"),
        ([item("x")] * 501, "/items"),
        ([{"to": [], "data": {}}], "/items/0/to"),
        ([item("x"), item("x", ANA, "not an address")], "/items/1/to/1/email"),
        ([item("x", id="a b")], "/items/0/id"),
        ([item("x", occurred_at=5)], "/items/0/occurred_at"),
        ([item("x" * 9000)], "/items/0/data"),
        ([{"to": [{"email": f"p{n}@example.com"} for n in range(100)]}] * 11, "/items"),
        (["x"], "/items/0"),
    ],
)
async def test_items_that_are_refused(desk: Desk, items: list[Any], pointer: str) -> None:
    body = json.dumps({"items": items}).encode()
    answer = await desk.office.app.digests_api.post_items("news", body, JSON)
    assert (answer.status, pointers(answer)) == (422, {pointer})
    assert not [r for r in await desk.office.rows("digests") if r["RowKey"].startswith("item-")]


async def test_the_life_of_a_definition(desk: Desk) -> None:
    api = desk.office.app.digests_api
    await desk.define("other")
    page = read(await api.list({"limit": "1"}))
    assert ([d["name"] for d in page["digests"]], page["cursor"]) == (["news"], "news")
    page = read(await api.list({"cursor": "news"}))
    assert ([d["name"] for d in page["digests"]], page["cursor"]) == (["other"], None)
    got = await api.get("news")
    assert read(got)["definition"]["schedule"] == {"kind": "window", "minutes": 60}
    body = json.dumps({"from": {"email": BILLING}, "template": "gathered",
                       "schedule": {"kind": "daily", "at": "07:30"}}).encode()  # fmt: skip
    assert (await api.put("news", body, JSON | {"if-match": "other"})).status == 412
    assert (await api.put("news", body, JSON | {"if-none-match": "*"})).status == 412
    assert (await api.put("news", body, JSON | {"if-match": got.headers["ETag"]})).status == 200
    assert (await api.delete("other", {})).status == 204
    assert (await api.get("other")).status == 404
    assert (await api.put("No Name", body, JSON)).status == 422


@pytest.mark.parametrize(("pending", "sent"), [("send", 1), ("drop", 0)])
async def test_deleting_asks_what_becomes_of_the_pending(
    desk: Desk, pending: str, sent: int
) -> None:
    api = desk.office.app.digests_api
    await desk.add(item("old"))
    refused = await api.delete("news", {})
    assert refused.status == 409
    assert "pending=send" in read(refused)["fix"]
    assert (await api.delete("news", {"pending": "burn"})).status == 400
    assert (await api.delete("news", {"pending": pending})).status == 204
    assert (await api.post_items("news", b'{"items": [{}]}', JSON)).status in {404, 422}
    await desk.define()  # one of the same name does not inherit
    await desk.add(item("new"))
    await desk.pass_time(minutes=61)
    assert sum("old" in mail.text for mail in await desk.mails()) == sent
    assert sum("new]" in mail.text for mail in await desk.mails()) == 1


async def test_ids_are_forgotten_in_the_end(desk: Desk) -> None:
    await desk.define(retention_days=2)
    await desk.add(*(item(f"i{n}", id=f"e{n}") for n in range(60)))
    await desk.pass_time(minutes=61)
    digests, clock = desk.office.app.digests, desk.office.clock
    assert await digests.delete_expired(clock()) == 0
    await desk.pass_time(days=3)
    assert await digests.delete_expired(clock()) == 60
    assert [r["RowKey"] for r in await desk.office.rows("digests")] == ["name-news"]


async def test_urgent_items_of_the_queue_go_at_once(desk: Desk) -> None:
    await desk.add(item("one"))
    body = json.dumps({"digest": "news", "items": [item("now", urgent=True)]}).encode()
    for _ in range(2):  # delivered at least once
        await desk.office.app.digests.take(body, queue_id="q1")
    [mail] = await desk.mails()
    assert "[News 2: one now]" in mail.text


async def test_the_mail_leads_to_where_its_cadence_is_chosen(open_office: OpenOffice) -> None:
    office = open_office(MAILROOM_PUBLIC_URL="https://mail.contoso.test")
    await publish(office, "{{ total }} {{ cadence_url }}")
    desk = Desk(office, open_office(), len(office.services.office365.messages))
    await desk.define(category="bulk")
    await desk.add(item("one"))
    preview = read(await office.app.digests_api.preview("news", {"recipient": ANA}))
    await desk.pass_time(minutes=61)
    [mail] = await desk.mails()
    for content in (preview["text"], mail.text):
        found = re.search(r"https://mail\.contoso\.test/api/unsubscribe/(\S+)", content)
        assert found is not None
        page = await office.app.unsubscribing.serve("GET", found[1], b"", {})
        assert page.status == 200
        assert b'name="cadence-news"' in page.body


async def test_what_fails_unexpectedly_costs_no_item_of_the_queue(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The items are taken: their queue message must not come again until it is poison."""

    async def broken(*_: Any) -> None:
        raise RuntimeError("a fault")

    body = json.dumps({"digest": "news", "items": [item("now", urgent=True)]}).encode()
    with monkeypatch.context() as patch:
        patch.setattr(desk.office.app.digests.sending, "_close", broken)
        await desk.office.app.digests.take(body, queue_id="q1")
    assert await desk.mails() == []
    assert await desk.pass_time(minutes=3) == {"sent": 1}
    assert len(await desk.mails()) == 1
