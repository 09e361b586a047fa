"""Recipients refused at RCPT become events; the handler notes them, and suppresses the dead."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.delivery.refusals import RefusalEvents, reject_reason
from shared.delivery.replies import Reply
from shared.errors import StorageUnavailableError
from shared.events import InvalidEventError, read_event
from shared.suppression import Suppressions
from tests.operations.conftest import Office

MIXED = [
    {"email": f"{name}@example.com"}
    for name in ("ana", "Unknown", "mistyped", "blocked", "full", "refused")
]


def suppressions(office: Office) -> Suppressions:
    return Suppressions(office.app._storage)


async def events(office: Office) -> list[dict[str, Any]]:
    return [json.loads(text) for _, text in await office.take("bounce-events")]


async def test_each_recipient_refused_for_good_is_an_event(office: Office) -> None:
    message_id = await office.post(to=MIXED)
    await office.deliver()
    found = {event["data"]["recipient"]: event for event in await events(office)}
    assert found.keys() == {f"{n}@example.com" for n in ("Unknown", "mistyped", "blocked")}
    event = found["Unknown@example.com"]
    assert event["specversion"] == "1.0"
    assert event["type"] == "mailroom.message.bounced"
    assert event["source"] == "/mailroom/delivery"
    assert event["subject"] == message_id
    assert event["datacontenttype"] == "application/json"
    assert event["time"].endswith("Z")
    data = event["data"]
    assert (data["status"], data["reason"], data["permanent"]) == ("5.1.10", "bounced", True)
    assert data["reply"].startswith("550 5.1.10 RESOLVER.ADR.RecipientNotFound")
    assert (data["source"], data["mailbox"], data["attempt"]) == ("smtp", "billing@contoso.test", 1)
    assert found["blocked@example.com"]["data"]["reason"] == "blocked"


async def test_the_handler_notes_each_and_suppresses_the_dead(office: Office) -> None:
    message_id = await office.post(to=MIXED)
    await office.deliver()
    for event in [*(found := await events(office)), *found]:  # each twice
        await office.app.feedback.bounces.handle(json.dumps(event).encode())
    view = await office.view(message_id)
    bounced = [entry for entry in view["timeline"] if entry["type"] == "bounced"]
    assert {entry["recipients"][0].partition("@")[0]: entry["detail"] for entry in bounced} == {
        "Unknown": "bounced; the address is suppressed",
        "mistyped": "bounced; the address is suppressed",
        "blocked": "blocked",
    }
    assert len(bounced) == 3
    by_recipient = {entry["email"]: entry["status"] for entry in view["recipients"]}
    assert by_recipient["Unknown@example.com"] == "rejected"
    [entry] = await suppressions(office).find("unknown@example.com.")
    assert (entry.scope, entry.reason, entry.source) == ("everything", "bounced", "smtp")
    assert entry.message_id == message_id
    assert entry.detail.startswith("550 5.1.10")
    for name in ("ana", "blocked", "full", "refused"):
        assert await suppressions(office).find(f"{name}@example.com") == ()


async def test_an_event_published_twice_is_one(office: Office) -> None:
    message_id = await office.post()
    record = await office.app._ledger.get(message_id)
    assert record is not None
    refused = {"unknown@example.com": Reply(550, "5.1.1 No such user")}
    publisher = office.app.delivery._refusals
    assert [await publisher.publish(record, refused) for _ in range(2)] == [1, 1]
    first, second = await events(office)
    assert first["id"] == second["id"]
    assert await publisher.publish(record, {"full@example.com": Reply(452, "4.2.2 full")}) == 0


async def test_storage_that_takes_no_events_does_not_cost_the_outcome(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> int:
        raise StorageUnavailableError("Storage does not answer.")

    monkeypatch.setattr(RefusalEvents, "publish", away)
    monkeypatch.setattr("shared.storage.connection.PERSIST_TRIES", 1)
    message_id = await office.post(to=MIXED[:2])
    await office.deliver()
    assert (await office.view(message_id))["status"] == "sent"


@pytest.mark.parametrize(
    ("code", "text", "reason"),
    [
        (550, "5.1.1 User unknown", "bounced"),
        (501, "5.1.3 Invalid address", "invalid"),
        (550, "5.2.1 Mailbox disabled", "bounced"),
        (550, "5.7.1 Refused as spam", "spam"),
        (550, "5.7.1 Not authorised", "blocked"),
        (550, "Considered SPAM", "spam"),
        (550, "5.3.0 Trouble", "other"),
        (550, "no", "other"),
    ],
)
def test_reasons_are_django_anymails(code: int, text: str, reason: str) -> None:
    assert reject_reason(Reply(code, text)) == reason


def event(**changes: Any) -> dict[str, Any]:
    data = {
        "recipient": "dead@example.com",
        "status": "5.1.1",
        "reply": "550 5.1.1 No such user",
        "reason": "bounced",
        "permanent": True,
        "source": "dsn",
        **changes.pop("data", {}),
    }
    return {
        "specversion": "1.0",
        "type": "mailroom.message.bounced",
        "source": "/test",
        "id": "1",
        "subject": "order-1",
        "time": "2026-12-01T08:00:00Z",
        "data": data,
        **changes,
    }


@pytest.mark.parametrize(
    ("data", "kept_from"),
    [
        ({}, "for good"),
        ({"reply": "smtp; something else"}, "for good"),  # the status decides then
        ({"reply": "", "status": "5.1.10"}, "for good"),
        ({"status": "5.2.2", "reply": "550 5.2.2 Mailbox full"}, "for a day"),
        ({"status": "5.7.1", "reply": "550 5.7.1 Policy", "reason": "blocked"}, ""),
        (
            {"status": "5.4.1", "reply": "550 5.4.1 Recipient address rejected: Access denied"},
            "for good",
        ),
        ({"status": "5.4.1", "reply": "550 5.4.1 No answer from host"}, "for a day"),
        ({"permanent": False}, ""),
        ({"permanent": "yes"}, ""),
        ({"hard": False, "cause": "filtered"}, "for a day"),
        ({"hard": True, "cause": "no-mail", "status": "", "reply": ""}, "for good"),
        ({"hard": True, "forwarded": True}, "for a day"),
        ({"hard": True, "match": "message-id"}, "for good"),
        ({"hard": True, "match": "unsigned"}, ""),
        ({"hard": True, "match": "guess"}, ""),
        ({"hard": False, "cause": "spam"}, ""),
        ({"hard": False, "cause": "too-large"}, ""),
        ({"hard": False, "cause": "expired", "permanent": False}, "for a day"),
    ],
)
async def test_the_rules(office: Office, data: dict[str, Any], kept_from: str) -> None:
    await office.app.feedback.bounces.handle(json.dumps(event(data=data)).encode())
    spans = {
        "for good": [None],
        "for a day": [datetime(2026, 12, 2, 8, tzinfo=UTC)],
        "": [],
    }
    found = await suppressions(office).find("dead@example.com")
    assert [suppression.until for suppression in found] == spans[kept_from]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[" * 5000,
        b"{}",
        json.dumps(event(type="mailroom.message.complained")).encode(),
        json.dumps(event(id="")).encode(),
        json.dumps(event(time="yesterday")).encode(),
        json.dumps(event(time="2026-12-01T08:00:00")).encode(),
        json.dumps(event(data={"recipient": ""})).encode(),
        json.dumps(event(data={"recipient": "no address"})).encode(),
        json.dumps(event(data={"reply": 7})).encode(),
        json.dumps(event(data={"match": "sure"})).encode(),
        b'{"specversion": "1.0"}',
    ],
)
async def test_what_is_no_bounce_goes_to_poison_with_the_reason(
    office: Office, body: bytes
) -> None:
    await office.app.feedback.bounces.handle(body)
    [(_, text)] = await office.take("bounce-events-poison")
    assert json.loads(text)["reason"]
    assert await office.rows("suppressions") == []


async def test_a_bounce_of_an_unknown_message_leaves_no_timeline(office: Office) -> None:
    for subject in ("never-was", "no/id"):
        await office.app.feedback.bounces.handle(json.dumps(event(subject=subject)).encode())
    assert await office.rows("timeline") == []


def test_an_event_with_data_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidEventError, match="data"):
        read_event(json.dumps({**event(), "data": [1]}).encode())
