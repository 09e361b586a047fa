"""Somebody wants to be forgotten: what goes, what holds, and what a crash leaves."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from shared.api.erasures import ErasuresApi
from shared.erasure import Erasures, MessageErasure
from shared.errors import NotFoundError
from shared.messages.contents import Contents
from shared.messages.ledger import Ledger
from shared.messages.model import Message
from shared.messages.parsing import parse_message
from shared.messages.record import MessageRecord, MessageStatus, RecipientRecord, TimelineEntry
from shared.messages.timeline import Timeline
from shared.preferences import PreferenceChange, Preferences, Topics
from shared.storage.tables import Table
from shared.suppression import Suppression, SuppressionCheck, Suppressions
from tests.api.conftest import check_problem, value_of
from tests.storage.account import StoppedClock, connect, running_azurite

ANA, BEN = "ana@löschhof.example", "ben@example.com"
FORM = "ana@xn--lschhof-90a.example"


@dataclass
class Office:
    """All that knows of a person."""

    ledger: Ledger
    contents: Contents
    timeline: Timeline
    suppressions: Suppressions
    preferences: Preferences
    erasures: Erasures
    clock: StoppedClock
    tables: dict[str, Table]
    blobs: dict[str, str] = field(default_factory=dict)

    async def add(
        self, message_id: str, *recipients: str, status: MessageStatus = "sent", size: int = 10
    ) -> MessageRecord:
        """A message with content (a blob where it is large), history and timeline."""
        content = {
            "from": {"email": "a@contoso.test"}, "to": [{"email": r} for r in recipients],
            "subject": "s", "text": "x" * size,
        }  # fmt: skip
        raw = json.dumps(content)
        message: Message = parse_message(raw.encode())
        now = self.clock()
        final = status == "sent"
        record = MessageRecord(
            id=message_id, status=status, accepted_at=now, source="http", content_hash="h",
            sender="a@contoso.test", message_id="<m@contoso.test>", tags={"customer": "77"},
            recipients=tuple(RecipientRecord(r, "sent", "250", f"for {r}") for r in recipients),
            finished_at=now if final else None, due=None if final else now,
            history=(TimelineEntry(type="sent", at=now, recipients=recipients, reply="250 ok"),),
        )  # fmt: skip
        kept = await self.contents.keep(message_id, message)
        self.blobs[message_id] = kept.get("content_blob", "")
        record = await self.ledger.add(record, kept)
        for recipient in recipients:
            entry = TimelineEntry(type="delivered", at=now, recipients=(recipient,), reply="2.0.0")
            await self.timeline.note(message_id, f"event-{recipient[:3]}", entry)
        return record

    async def everything(self) -> str:
        """All rows of all tables, as text."""
        found: list[Any] = []
        for table in self.tables.values():
            async for entity in table._table.list_entities():
                values = dict(entity)
                if "recipientsParts" in values:
                    record = await self.ledger.get(entity["RowKey"].removeprefix("message-"))
                    values["record"] = record
                found.append(values)
        return repr(found)


@pytest.fixture(scope="module")
async def office() -> AsyncIterator[Office]:
    async with running_azurite() as azurite:
        storage = connect(azurite.connection_string)
        clock = StoppedClock()
        ledger, timeline = Ledger(storage), Timeline(storage)
        contents, suppressions = Contents(storage, size_limit=10**6), Suppressions(storage)
        erasures = Erasures(
            storage, ledger=ledger, suppressions=suppressions, clock=clock,
            messages=MessageErasure(ledger=ledger, contents=contents, timeline=timeline),
        )  # fmt: skip
        topics = Topics(storage, clock=clock)
        names = ("messages", "timeline", "suppressions", "erasures")
        yield Office(
            ledger, contents, timeline, suppressions,
            Preferences(suppressions, topics, clock=clock), erasures, clock,
            {name: Table(storage, name) for name in names},
        )  # fmt: skip
        await storage.aclose()


async def test_a_person_is_forgotten_but_not_mailed_again(office: Office) -> None:
    await office.add("alone", ANA, size=100_000)
    await office.add("both", ANA.upper(), BEN)
    await office.add("other", BEN)
    await office.preferences.change(
        ANA, PreferenceChange(topics={"news": False, "tips": True}, language="de"), source="page"
    )
    await office.suppressions.add(
        Suppression(
            address=ANA, scope="everything", reason="complained", source="arf",
            since=office.clock(), message_id="alone", detail=f"from {ANA}",
        )
    )  # fmt: skip
    begun = await office.erasures.begin(f" {ANA}.", by="Eve", why="article 17")
    found = await office.preferences.get(ANA)
    assert (found.language, found.topics) == ("", {"news": False})
    office.clock.advance(minutes=5)
    await office.erasures.run()

    done = await office.erasures.get(begun.id)
    assert done.finished_at == office.clock()
    assert done.scanned >= 3  # other tests' messages may lie beside
    assert (done.erased, done.waiting, done.address) == (2, (), "")
    everything = (await office.everything()).lower()
    assert "löschhof" not in everything
    assert "xn--lschhof" not in everything

    for message_id in ("alone", "both"):
        record, values = await office.ledger.get_with_content(message_id) or (None, {})
        assert record is not None
        assert await office.contents.find(values) is None
        assert record.status == "sent"
        assert record.recipients[0].email.endswith("@erased.invalid")
        assert record.expires_at is not None
    with pytest.raises(NotFoundError):
        await office.contents.claim(office.blobs["alone"])
    assert await office.timeline.read("alone") == []
    both = await office.timeline.read("both")
    told = {recipient for entry in both for recipient in entry.recipients}
    assert BEN in told
    assert all(recipient == BEN or recipient.endswith("@erased.invalid") for recipient in told)
    record, values = await office.ledger.get_with_content("other") or (None, {})
    assert await office.contents.find(values) is not None

    check = SuppressionCheck(office.suppressions, clock=office.clock)
    assert await check.blocked([ANA], category="transactional", topic="")
    kept = await office.suppressions.find(ANA)
    assert {(s.scope, s.message_id, s.detail) for s in kept} == {
        ("topic:news", "", ""), ("everything", "", ""),
    }  # fmt: skip
    [listed] = [e for e in await office.suppressions.page(limit=1000) if e.erased]
    assert listed.address == ""
    await office.suppressions.add(replace(kept[0], scope="bulk", address=ANA))
    assert "lschhof" not in await office.everything()


async def test_messages_that_have_not_ended_are_waited_for(office: Office) -> None:
    await office.add("early", "cid@example.com", status="queued")
    begun = await office.erasures.begin("cid@example.com", by="Eve", why="x")
    await office.add("later", "cid@example.com")
    office.clock.advance(minutes=5)
    await office.erasures.run()
    halfway = await office.erasures.get(begun.id)
    assert (halfway.waiting, halfway.finished_at) == (("early",), None)
    record = await office.ledger.get("early")
    assert record is not None
    ended = replace(record, status="sent", finished_at=office.clock())
    await office.ledger.change(record, ended)
    await office.erasures.run()
    done = await office.erasures.get(begun.id)
    assert (done.erased, done.waiting) == (2, ())
    assert done.finished_at is not None
    # Nothing suppresses the address: its row is gone.
    assert (await office.suppressions.entry("cid@example.com")).cursor == ""


async def test_a_scan_that_has_no_time_left_goes_on(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.erasure.erasures._PAGE", 1)
    for number in range(40):
        await office.add(f"many-{number}", "dan@example.com" if number % 2 else BEN)
    begun = await office.erasures.begin("dan@example.com", by="Eve", why="x")
    office.clock.advance(minutes=1)
    step = office.clock.advance
    ledger_recipients = office.ledger.recipients

    async def slow(*args: Any, **kwargs: Any) -> Any:
        step(seconds=20)
        return await ledger_recipients(*args, **kwargs)

    monkeypatch.setattr(office.ledger, "recipients", slow)
    runs = 0
    while (await office.erasures.get(begun.id)).finished_at is None:
        await office.erasures.run()
        runs += 1
        assert runs < 30
    assert runs > 1
    assert (await office.erasures.get(begun.id)).erased == 20
    for number in range(1, 40, 2):
        record = await office.ledger.get(f"many-{number}")
        assert record is not None
        assert record.recipients[0].email.endswith("@erased.invalid")


async def test_the_api(office: Office) -> None:
    api = ErasuresApi(office.erasures)
    check_problem(await api.delete(BEN, {"by": "Eve"}), 422)
    check_problem(await api.delete("nobody", {"by": "Eve", "why": "x"}), 422)
    begun = await api.delete("fay@example.com", {"by": "Eve", "why": "article 17"})
    assert begun.status == 202
    shown = value_of(begun)
    assert (shown["done"], shown["by"], shown["status_url"]) == (
        False, "Eve", f"/api/erasures/{shown['id']}",
    )  # fmt: skip
    assert "fay" not in begun.body.decode()
    office.clock.advance(minutes=1)
    await office.erasures.run()
    assert value_of(await api.get(shown["id"]))["done"] is True
    check_problem(await api.get("0" * 32), 404)


async def test_an_old_message_expires_as_before(office: Office) -> None:
    record = await office.add("old", "gus@example.com")
    await office.erasures.begin("gus@example.com", by="Eve", why="x")
    office.clock.advance(minutes=1)
    await office.erasures.run()
    after = await office.ledger.get("old")
    assert after is not None
    assert record.expires_at is not None
    assert after.expires_at == record.finished_at + timedelta(days=30)  # type: ignore[operator]
