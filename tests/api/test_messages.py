"""Posting messages and asking about them: statuses, header fields, problem documents."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.api.messages import MessagesApi
from shared.api.views import MessageView
from shared.errors import StorageUnavailableError
from shared.messages.identity import keyed_message_id
from shared.messages.ledger import Ledger
from shared.messages.record import MessageRecord, RecipientRecord, TimelineEntry
from shared.messages.timeline import Timeline
from shared.storage.connection import StorageConnection
from shared.suppression import Suppression, Suppressions
from tests.api.conftest import BODY_LIMIT, check_problem, value_of
from tests.storage.account import StoppedClock

URL = "https://mail.contoso.test/api/messages"
JSON = {"content-type": "application/json"}


def body(**changes: Any) -> bytes:
    whole = {
        "from": {"email": "billing@contoso.test", "name": "Contoso"},
        "to": [{"email": "ana@example.com", "name": "Ana"}],
        "subject": "Your invoice 1042",
        "text": "Here it is.",
    } | changes
    return json.dumps(whole).encode()


@pytest.fixture
def key() -> str:
    return str(uuid.uuid4())


async def test_a_message_is_accepted(messages: MessagesApi) -> None:
    answer = await messages.post(body(), JSON, URL)
    assert (answer.status, answer.content_type) == (202, "application/json")
    value = value_of(answer)
    assert set(value) == {"id", "status", "status_url"}
    assert value["status"] == "queued"
    assert value["status_url"] == f"{URL}/{value['id']}" == answer.headers["Location"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Idempotency-Replayed" not in answer.headers
    found = await messages.get(value["id"])
    assert found.status == 200
    assert found.headers["Cache-Control"] == "no-store"
    assert value_of(found)["id"] == value["id"]


@pytest.mark.parametrize("url", [URL, URL + "/", URL + "?code=secret", URL + "/?code=secret"])
async def test_the_status_url_is_the_request_s_own_without_its_query(
    messages: MessagesApi, url: str
) -> None:
    answer = await messages.post(body(), JSON, url)
    assert answer.headers["Location"] == f"{URL}/{value_of(answer)['id']}"
    assert b"secret" not in answer.body


async def test_a_scheduled_message_is_told_as_such(
    messages: MessagesApi, clock: StoppedClock
) -> None:
    when = clock.now + timedelta(days=1)
    answer = await messages.post(body(send_at=when.isoformat()), JSON, URL)
    value = value_of(answer)
    assert (answer.status, value["status"]) == (202, "scheduled")
    view = value_of(await messages.get(value["id"]))
    assert datetime.fromisoformat(view["send_at"]) == when
    assert datetime.fromisoformat(view["next_attempt_at"]) == when


async def test_a_repeated_request_gets_the_first_answer_and_is_told_so(
    messages: MessagesApi, key: str
) -> None:
    headers = {**JSON, "idempotency-key": key}
    first = await messages.post(body(), headers, URL)
    again = await messages.post(body(), {**JSON, "idempotency-key": f'"{key}"'}, URL)
    assert again.body == first.body
    assert again.status == 202
    assert again.headers["Location"] == first.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_the_key_of_another_message_is_a_conflict(messages: MessagesApi, key: str) -> None:
    headers = {**JSON, "idempotency-key": key}
    await messages.post(body(), headers, URL)
    document = check_problem(await messages.post(body(subject="Other"), headers, URL), 409)
    assert document["type"].endswith(":conflict")
    assert keyed_message_id("", key) in document["detail"]
    assert "new key" in document["fix"]


@pytest.mark.parametrize("header", ["", "a b", "é", "x" * 201])
async def test_a_key_that_cannot_be_used_is_named(messages: MessagesApi, header: str) -> None:
    answer = await messages.post(body(), {**JSON, "idempotency-key": header}, URL)
    assert check_problem(answer, 400)["errors"][0]["pointer"] == "Idempotency-Key"


@pytest.mark.parametrize(
    "kind",
    ["application/json", "application/json; charset=utf-8", "Application/JSON", "text/json+json",
     "application/vnd.contoso+json", ""],
)  # fmt: skip
async def test_json_of_any_name_is_taken(messages: MessagesApi, kind: str) -> None:
    assert (await messages.post(body(), {"content-type": kind}, URL)).status == 202


async def test_no_content_type_is_taken_for_json(messages: MessagesApi) -> None:
    assert (await messages.post(body(), {}, URL)).status == 202


@pytest.mark.parametrize(
    "kind", ["text/plain", "multipart/form-data; boundary=x", "application/xml", "x" * 5000]
)
async def test_another_content_type_is_refused(messages: MessagesApi, kind: str) -> None:
    document = check_problem(await messages.post(body(), {"content-type": kind}, URL), 415)
    assert "application/json" in document["errors"][0]["fix"]
    assert len(json.dumps(document)) < 1000


async def test_a_body_over_the_limit_is_refused_before_it_is_read(messages: MessagesApi) -> None:
    document = check_problem(await messages.post(b"[" * (BODY_LIMIT + 1), JSON, URL), 413)
    assert str(BODY_LIMIT) in document["errors"][0]["detail"]
    assert (await messages.post(b" " * BODY_LIMIT, JSON, URL)).status == 400


@pytest.mark.parametrize("octets", [b"", b"nonsense", b"\xff", b'{"a":', b"[" * 9000])
async def test_what_is_no_json_is_unreadable(messages: MessagesApi, octets: bytes) -> None:
    document = check_problem(await messages.post(octets, JSON, URL), 400)
    assert document["type"].endswith(":unreadable")


async def test_a_refused_message_names_each_field_and_its_fix(messages: MessagesApi) -> None:
    answer = await messages.post(
        body(to=[{"email": "no"}], headers={"Bcc": "x", "X-A": "a\r\nb"}, typo=1), JSON, URL
    )
    document = check_problem(answer, 422)
    assert document["type"].endswith(":invalid-message")
    assert [error["pointer"] for error in document["errors"]] == [
        "/to/0/email", "/headers/Bcc", "/headers/X-A", "/typo",
    ]  # fmt: skip
    assert document["detail"] == "4 problems were found."


async def test_a_message_against_the_settings_is_refused(messages: MessagesApi) -> None:
    answer = await messages.post(body(**{"from": {"email": "ceo@contoso.test"}}), JSON, URL)
    document = check_problem(answer, 422)
    assert document["errors"][0]["pointer"] == "/from/email"
    assert document["detail"] == "1 problem was found."


async def test_absent_storage_is_503_with_a_time_to_come_back(
    messages: MessagesApi, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StorageUnavailableError("Storage does not answer: secret details.")

    monkeypatch.setattr(ledger, "add", away)
    monkeypatch.setattr(ledger, "get", away)
    for answer in (await messages.post(body(), JSON, URL), await messages.get("abc")):
        document = check_problem(answer, 503)
        assert int(answer.headers["Retry-After"]) > 0
        assert "Idempotency-Key" in document["fix"]
        assert "secret details" not in json.dumps(document)


async def test_a_fault_of_ours_is_500_without_its_details(
    messages: MessagesApi, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("ana@example.com")

    monkeypatch.setattr(ledger, "add", broken)
    document = check_problem(await messages.post(body(), JSON, URL), 500)
    assert "ana@" not in json.dumps(document)


@pytest.mark.parametrize(
    "message_id", ["", "nobody", "a/b", "../x", "a b", "x" * 101, "\ud800", "é", "a'b", "a?b#c%"]
)
async def test_an_id_that_nobody_has_is_404(messages: MessagesApi, message_id: str) -> None:
    document = check_problem(await messages.get(message_id), 404)
    assert document["type"].endswith(":not-found")


@pytest.mark.parametrize("prefix", ["order:2026", "a+b@c:d=e"])
async def test_a_message_s_view_tells_all_of_it(
    messages: MessagesApi, ledger: Ledger, timeline: Timeline, clock: StoppedClock, prefix: str
) -> None:
    message_id = f"{prefix}.{uuid.uuid4()}"
    record = MessageRecord(
        id=message_id,
        status="sent",
        accepted_at=clock.now,
        source="queue",
        content_hash="0",
        sender="billing@contoso.test",
        recipients=(
            RecipientRecord("ana@example.com", "sent", "2.0.0", "250 2.0.0 OK"),
            RecipientRecord("ünï@example.com", "rejected", "5.1.10", "550 5.1.10 No"),
        ),
        message_id="<x@contoso.test>",
        category="bulk",
        topic="news",
        priority="low",
        tags={"customer": "77"},
        attempt=2,
        mailbox="billing@contoso.test",
        server_id="<id@server>",
        finished_at=clock.now + timedelta(minutes=1),
        detail="Not delivered to all.",
        fix="Correct the address.",
    )
    first = TimelineEntry(
        type="deferred", at=clock.now + timedelta(seconds=1), attempt=1, reply="451 4.7.0 Later",
        recipients=("ana@example.com",), code="4.7.0", detail="Wait.", mailbox="b@contoso.test",
    )  # fmt: skip
    second = replace(first, type="sent", attempt=2, at=clock.now)
    await ledger.add(replace(record, history=(second, first)), {})
    bounce = replace(first, type="bounced", attempt=0, at=clock.now + timedelta(hours=1))
    await timeline.note(message_id, "bounce-1", bounce)
    answer = await messages.get(message_id)
    assert answer.status == 200
    view = value_of(answer)
    assert (view["id"], view["status"], view["source"]) == (message_id, "sent", "queue")
    assert view["from"] == "billing@contoso.test"
    assert (view["message_id"], view["server_id"]) == ("<x@contoso.test>", "<id@server>")
    assert (view["tags"], view["topic"], view["attempts"]) == ({"customer": "77"}, "news", 2)
    assert view["recipients"][1] == {
        "email": "ünï@example.com", "status": "rejected", "code": "5.1.10",
        "reply": "550 5.1.10 No",
    }  # fmt: skip
    assert [e["type"] for e in view["timeline"]] == [
        "accepted", "sent", "deferred", "bounced",
    ]  # fmt: skip
    assert view["timeline"][2]["reply"] == "451 4.7.0 Later"
    assert (view["detail"], view["fix"]) == ("Not delivered to all.", "Correct the address.")
    assert datetime.fromisoformat(view["finished_at"]) == record.finished_at
    described = MessageView.model_json_schema(mode="serialization", by_alias=True)
    assert set(view) == set(described["properties"])


async def test_the_answer_says_who_is_suppressed(
    messages: MessagesApi, storage: StorageConnection, key: str
) -> None:
    address = f"dead-{key}@example.com"
    suppression = Suppression(
        address=address, scope="everything", reason="bounced", source="smtp",
        since=datetime(2026, 11, 1, tzinfo=UTC), detail="550 5.1.1 No such user",
    )  # fmt: skip
    await Suppressions(storage).add(suppression)
    both = [{"email": address}, {"email": "bo@example.com"}]
    value = value_of(await messages.post(body(to=both), JSON, URL))
    assert value["status"] == "queued"
    [entry] = value["suppressed"]
    assert entry["email"] == address
    assert "550 5.1.1 No such user" in entry["reason"]
    for replayed in (False, True):
        headers = {**JSON, "idempotency-key": key}
        answer = await messages.post(body(to=both[:1]), headers, URL)
        assert answer.status == 202
        assert ("Idempotency-Replayed" in answer.headers) == replayed
        value = value_of(answer)
        assert (value["status"], len(value["suppressed"])) == ("suppressed", 1)
        assert value["detail"]
        view = value_of(await messages.get(value["id"]))
        assert view["status"] == "suppressed"
        assert view["recipients"][0]["status"] == "suppressed"
        assert view["timeline"][1]["type"] == "suppressed"
