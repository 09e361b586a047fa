"""/api/suppressions, /api/topics, /api/preferences: set, lifted, listed, imported, exported."""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest

from shared.api.answers import Answer
from shared.api.recipients import PreferencesApi
from shared.api.suppressions import CURSOR, SuppressionsApi
from shared.api.topics import TopicsApi
from shared.preferences import Preferences, Topics
from shared.storage.connection import StorageConnection
from shared.suppression import Ladder, Suppression, Suppressions
from tests.api.conftest import check_problem, value_of
from tests.storage.account import StoppedClock

JSON = {"content-type": "application/json"}
CSV = {"content-type": "text/csv", "x-mailroom-author": "Ana"}


@pytest.fixture
def suppressions(storage: StorageConnection) -> Suppressions:
    return Suppressions(storage)


@pytest.fixture
def api(suppressions: Suppressions, clock: StoppedClock) -> SuppressionsApi:
    return SuppressionsApi(suppressions, clock=clock)


@pytest.fixture
def topics(storage: StorageConnection, clock: StoppedClock) -> Topics:
    return Topics(storage, clock=clock)


async def put(api: SuppressionsApi, address: str, **values: Any) -> Answer:
    return await api.put(address, json.dumps({"by": "Ana", **values}).encode(), JSON)


async def test_an_address_is_suppressed_shown_and_lifted(api: SuppressionsApi) -> None:
    check_problem(await api.get("way@example.com"), 404)
    made = await put(api, "Way@Example.com.", scope="topic:news", detail="by phone")
    assert made.status == 201
    assert (await put(api, "way@example.com", scope="topic:news")).status == 200
    await put(api, "way@example.com", reason="complained", message_id="m-1")
    shown = value_of(await api.get("WAY@example.com"))
    assert shown["address"] == "way@example.com"
    assert [(s["scope"], s["reason"], s["by"], s["source"]) for s in shown["suppressions"]] == [
        ("topic:news", "manual", "Ana", "api"),
        ("everything", "complained", "Ana", "api"),
    ]
    query = {"by": "Ben", "why": "asked for it", "scope": "everything"}
    left = value_of(await api.delete("way@example.com", query))
    assert [s["scope"] for s in left["suppressions"]] == ["topic:news"]
    check_problem(await api.delete("way@example.com", query), 404)
    left = value_of(await api.delete("way@example.com", {"by": "Cid", "why": "too"}))
    assert left["suppressions"] == []
    assert [(r["by"], r["why"], r["scopes"]) for r in left["removals"]] == [
        ("Ben", "asked for it", ["everything"]),
        ("Cid", "too", ["topic:news"]),
    ]


async def test_a_lease_is_shown_as_such(
    api: SuppressionsApi, suppressions: Suppressions, clock: StoppedClock
) -> None:
    bounce = Suppression(
        address="soft@example.com", scope="everything", reason="bounced", source="dsn",
        since=clock(), detail="452 4.2.2",
    )  # fmt: skip
    ladder = Ladder(leases=(timedelta(hours=24),), forgiven=timedelta(days=7))
    await suppressions.count_soft(bounce, "event", ladder)
    shown = value_of(await api.get("soft@example.com"))
    [lease] = shown["suppressions"]
    assert (lease["reason"], lease["active"], shown["rung"]) == ("soft_bounced", True, 1)
    listed = value_of(await api.list({"reason": "soft_bounced"}))
    assert [entry["address"] for entry in listed["suppressions"]] == ["soft@example.com"]
    clock.advance(days=2)
    assert value_of(await api.get("soft@example.com"))["suppressions"][0]["active"] is False
    assert value_of(await api.list({"reason": "soft_bounced", "ended": "false"})) == {
        "suppressions": [], "cursor": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"scope": "all"}, "/scope"),
        ({"scope": "topic:"}, "/scope"),
        ({"scope": ""}, "/scope"),
        ({"reason": "because"}, "/reason"),
        ({"by": ""}, "/by"),
        ({"until": "2020-01-01T00:00:00Z"}, "/until"),
        ({"detail": "a\nb"}, "/detail"),
        ({"colour": "red"}, "/colour"),
    ],
)
async def test_what_cannot_be_set(
    api: SuppressionsApi, values: dict[str, Any], pointer: str
) -> None:
    document = check_problem(await put(api, "bad@example.com", **values), 422)
    assert [error["pointer"] for error in document["errors"]] == [pointer]
    check_problem(await put(api, "no address"), 422)
    check_problem(await api.delete("bad@example.com", {"by": "Ana"}), 422)


async def test_lists_are_filtered_and_paged(api: SuppressionsApi, clock: StoppedClock) -> None:
    for number in range(7):
        await put(api, f"p{number}@list.example", scope="bulk")
    clock.advance(days=1)
    await put(api, "late@list.example")
    await put(api, "else@other.example")

    async def found(**query: str) -> set[str]:
        names: list[str] = []
        cursor = ""
        while True:
            page = value_of(await api.list({**query, "limit": "3", "cursor": cursor}))
            assert len(page["suppressions"]) <= 3
            names += (entry["address"].partition("@")[0] for entry in page["suppressions"])
            cursor = page["cursor"] or ""
            if not cursor:
                assert len(names) == len(set(names))
                return set(names)

    everybody = {f"p{number}" for number in range(7)} | {"late"}
    assert await found(domain="List.Example") == everybody
    assert await found(domain="list.example", scope="bulk") == everybody - {"late"}
    assert await found(domain="list.example", since=clock().isoformat()) == {"late"}
    assert await found(domain="nobody.example") == set()
    assert await found() >= everybody | {"else"}
    check_problem(await api.list({"cursor": "xx"}), 422)
    check_problem(await api.list({"limit": "0"}), 422)


HOSTILE = """\ufeffEmail;Reason;Detail;Colour\r
ok@import.example;hard_bounce;550 5.1.1;red\r
BÜCHER@Bücher.example;;"says ""no""; really";\r
no address;;;\r
plus+tag@import.example;because;;\r
quote@import.example;;"open;\r
few@import.example;\r
long@import.example;;{long};\r
\r
'=formula@import.example;complaint;'=1+1;\r
Ok@Import.Example.;bounce;again;\r
"""


async def test_csv_lines_are_stored_or_refused_each_for_itself(api: SuppressionsApi) -> None:
    body = HOSTILE.format(long="x" * 9000).encode()
    report = value_of(await api.take(body, CSV))
    assert report["stored"] == 3
    assert report["unchanged"] == 1
    assert report["ignored_columns"] == ["colour"]
    assert [refused["line"] for refused in report["refused"]] == [4, 5, 6, 7, 8]
    for refused, why in zip(
        report["refused"],
        ["e-mail address", "reason is unknown", "quotes", "2 fields", "longer than"],
        strict=True,
    ):
        assert why in refused["why"]
        assert "import.example" not in refused["why"]
    [kept] = value_of(await api.get("bücher@xn--bcher-kva.example"))["suppressions"]
    assert (kept["reason"], kept["detail"], kept["by"]) == ("manual", 'says "no"; really', "Ana")
    again = value_of(await api.take(body, CSV))
    assert (again["stored"], again["unchanged"]) == (0, 4)
    [formula] = value_of(await api.get("=formula@import.example"))["suppressions"]
    assert formula["detail"] == "=1+1"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"name,reason\nx,y\n", 400),
        (b"email,address\na@b.example,c@d.example\n", 400),
        ("address\na@example.com\n".encode("utf-16"), 400),
        (b"\xff\xfe\x00", 400),
        (b'"address\na@example.com\n', 400),
        (b"address\n" + b"a@example.com\n" * 5001, 413),
        (b"address\n" + b"x" * 4_200_000, 413),
    ],
)
async def test_bodies_that_are_refused_whole(
    api: SuppressionsApi, body: bytes, status: int
) -> None:
    check_problem(await api.take(body, CSV), status)


async def test_lines_that_are_not_utf_8_or_lie(api: SuppressionsApi) -> None:
    check_problem(await api.take(b"address\n", {"content-type": "application/json"}), 415)
    lines = [
        b"address,reason,since,until,scope",
        b"m\xfcller@example.com,,,,",
        b"nul\0@example.com,,,,",
        b"soft@import.example,soft-bounce,,,",
        b"ended@import.example,,,2020-01-01,",
        b"future@import.example,,2099-01-01T00:00:00Z,,",
        b"when@import.example,,yesterday,,",
        b"where@import.example,,,,topic:No Such",
        b"lease@import.example,soft bounce,,2099-01-01T00:00:00+02:00,",
    ]
    report = value_of(await api.take(b"\n".join(lines), CSV))
    assert [refused["line"] for refused in report["refused"]] == [2, 3, 4, 5, 6, 7, 8]
    assert report["stored"] == 1


async def test_an_export_is_no_formula_and_can_be_imported(
    api: SuppressionsApi, suppressions: Suppressions, clock: StoppedClock
) -> None:
    details = ["=cmd|' /C calc'!A0", "@SUM(A1)", "'quoted", "+1", "-1", 'a "b", c', "two  lines"]
    for number, detail in enumerate(details):
        await suppressions.add(
            Suppression(
                address=f"={number}'+x@export.example", scope="bulk", reason="manual",
                source="api", since=clock(), detail=detail,
            )
        )  # fmt: skip
    query = {"domain": "export.example", "limit": "3"}
    pages: list[bytes] = []
    cursor = "start"
    while cursor:
        answer = await api.export(query)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        pages.append(answer.body)
        cursor = answer.headers.get(CURSOR, "")
        query["cursor"] = cursor
    rows = [row for page in pages for row in csv.DictReader(io.StringIO(page.decode(), newline=""))]
    assert len(rows) == len(details)
    assert all(value[:1] not in set("=+-@\t\r") for row in rows for value in row.values() if value)
    for row in rows:
        await suppressions.remove(row["address"].removeprefix("'"))
    for page in pages:
        assert value_of(await api.take(page, CSV))["refused"] == []
    for number, detail in enumerate(details):
        [back] = await suppressions.find(f"={number}'+x@export.example")
        assert back.detail == " ".join(detail.split())
        assert back.since == clock()


async def test_topics_are_made_changed_and_forgotten(topics: Topics) -> None:
    api = TopicsApi(topics)
    settings = {"names": {"en": "Security", "de": "Sicherheit"}, "exempt": True}
    made = await api.put("security", json.dumps(settings).encode(), JSON)
    assert made.status == 200
    assert value_of(await api.get("security")) == value_of(made)
    assert value_of(made)["names"]["de"] == "Sicherheit"
    assert "security" in [topic["name"] for topic in value_of(await api.list())["topics"]]
    assert (await api.delete("security")).status == 204
    check_problem(await api.delete("security"), 404)
    check_problem(await api.get("Not A Topic"), 422)
    for bad in (
        {"names": {"not a language": "x"}},
        {"names": {"en": ""}},
        {"exempt": True, "default_on": False},
        {"exempt": "yes"},
    ):
        check_problem(await api.put("security", json.dumps(bad).encode(), JSON), 422)


async def test_preferences_are_shown_and_changed(
    suppressions: Suppressions, topics: Topics, clock: StoppedClock
) -> None:
    api = PreferencesApi(Preferences(suppressions, topics, clock=clock), clock=clock)

    async def change(**values: Any) -> Any:
        return value_of(await api.put("Pia@example.com", json.dumps(values).encode(), JSON))

    until = (clock() + timedelta(days=30)).isoformat()
    found = await change(
        topics={"a": False}, cadences={"b": "daily"}, paused_until=until, language="de",
        time_zone="Europe/Vienna",
    )  # fmt: skip
    assert found == value_of(await api.get("pia@example.com"))
    assert (found["topics"]["a"], found["cadences"]["b"]) == (False, "daily")
    assert found["paused_until"] == until.replace("+00:00", "Z")
    assert (await change(all_off=True))["paused_until"] is not None
    assert (await change(paused_until=None))["paused_until"] is None
    for bad in (
        {"topics": {"No Topic": True}},
        {"cadences": {"a": "hourly"}},
        {"paused_until": "2020-01-01T00:00:00Z"},
        {"language": "no language"},
        {"time_zone": "Mars/Phobos"},
    ):
        check_problem(await api.put("pia@example.com", json.dumps(bad).encode(), JSON), 422)
